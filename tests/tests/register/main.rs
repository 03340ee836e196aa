//! `cloudhosts` registers: the real command, against a real Redis.
//!
//! - [`common`]: a registry of a test's own
//! - [`verbs`]: claim, join, leave, point, release
//! - [`place`]: which address, and in which view
//! - [`metadata`]: the addresses that a cloud knows
//! - [`hold`]: as long as a program or a command runs
//! - [`leases`]: when a membership ends, and when it must not
//! - [`together`]: many at once
//! - [`import`]: hosts files
//! - [`wait`]: until the daemon has it
//! - [`access`]: rights, and a Redis that says no
//! - [`scenarios`]: what the README prints
//! - [`unit`]: the unit of systemd

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod common;
mod hold;
mod import;
mod leases;
mod metadata;
mod place;
mod scenarios;
mod together;
mod unit;
mod verbs;
mod wait;
