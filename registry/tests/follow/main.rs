//! Following a real Redis, through everything that can happen to it.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod access;
mod certs;
mod client_certificates;
mod cluster;
mod elusive;
mod faults;
mod hostile;
mod large;
mod log;
mod losses;
mod model;
mod overtaken;
mod pace;
mod password_command;
mod peer;
mod polling;
mod replicas;
mod sentinel;
mod server;
mod torn;
mod tracking;
mod watcher;
