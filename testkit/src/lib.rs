//! What the tests of several crates need. What only the end-to-end tests need is in `tests/src`.
//!
//! From the ground up:
//!
//! - [`wait`]: waiting for a condition, with a bound
//! - [`dir`]: a temporary directory, removed whatever happens
//! - [`process`]: children that never outlive us, commands that cannot hang
//! - [`tls`], [`redis`], [`sentinel`]: the servers, all of them real
//! - [`daemon`]: the daemon's side of the handover, for tests of those who attach
//!
//! It may depend on `cloudhosts-table`, whose tests use it too, and on no other crate of ours.

#![forbid(unsafe_code)]

pub mod daemon;
pub mod dir;
pub mod process;
pub mod redis;
pub mod sentinel;
pub mod tls;
pub mod wait;

pub use daemon::{Daemon, Peer};
pub use dir::Dir;
pub use redis::Redis;
pub use sentinel::Sentinel;
pub use wait::eventually;
