//! The functions of the built module, called as glibc calls them, against a
//! table that came through a real handover.
//!
//! Each test runs in a process of its own: a module attaches once a process.
#![allow(
    unreachable_pub,
    clippy::multiple_unsafe_ops_per_block,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should stop"
)]

#[path = "../common/mod.rs"]
mod common;

mod answers;
mod buffers;
mod fixture;
mod list;
mod process;
mod situations;
