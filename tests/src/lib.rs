//! The harness of the end-to-end tests: everything in it is real. A private `redis-server`, the
//! built daemon, module and command, and unmodified programs that ask glibc, in a mount namespace
//! of their own with its own `/etc`, `/run` and `/var/lib`. Nothing of the machine is changed, and
//! several worlds run side by side.
//!
//! From the ground up:
//!
//! - [`dir`], [`process`], [`wait`], [`redis`], [`tls`]: of the testkit, which other crates use too
//! - [`busy`]: something that goes on in the background
//! - [`programs`]: where the built programs are
//! - [`failover`]: a master, its replica, and a Sentinel that watches them
//! - [`sandbox`]: the mount namespace
//! - [`config`], [`daemon`]: `cloudhosts-cached` and its configuration
//! - [`caller`]: the C program that asks glibc, and the running process that follows changes
//! - [`world`]: all of them together; what most tests start from
//! - [`machine`]: another daemon on the same Redis
//! - [`dns`]: `cloudhosts-dns`, and what it answers
//! - [`gateway`]: `cloudhosts-gateway`, its tokens, and curl
//! - [`http`]: a tiny web server
//! - [`nscd`]: nscd in front of a sandbox
//! - [`rights`]: those that the documentation gives a Redis user
//! - [`demo`]: what `make demo` shows
//! - [`mod@bench`]: what `make bench` measures
//!
//! The tests run the programs that are in `CLOUDHOSTS_PROGRAMS` (a directory), else those beside
//! the test executable. `make test` builds them first and sets it.

#![forbid(unsafe_code)]

pub mod bench;
pub mod busy;
pub mod caller;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod dns;
pub mod failover;
pub mod gateway;
pub mod http;
pub mod machine;
pub mod nscd;
pub mod programs;
pub mod rights;
pub mod sandbox;
pub mod world;

pub use caller::{Answer, Caller, Family, Watch};
pub use cloudhosts_testkit::{Redis, dir, process, redis, tls, wait};
pub use config::Config;
pub use daemon::Daemon;
pub use dns::DnsServer;
pub use world::World;
