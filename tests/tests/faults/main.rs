//! Each fault that can be, made for real, while processes that run and processes that start go on
//! resolving: Redis and the network, values, the daemon, and those who mean it ill.
//!
//! `docs/reliability.md` lists every fault with its test. What holds for one crate alone is tested
//! there (`registry/tests/follow`, `table/tests`); here it is what a user sees, through glibc.
//! With `CLOUDHOSTS_SOAK=1` (`make soak`) the long forms run.

mod bootstrap;
mod cluster;
mod common;
mod daemon;
mod document;
mod fleet;
mod log;
mod losses;
mod network;
mod proxy;
mod redis;
mod retained;
mod stalls;
mod state;
mod storm;
mod target;
mod torn;
mod values;
mod writers;
