//! The functions of the built module, called as glibc calls them, against a
//! table that came through a real handover.
//!
//! Each test needs a process of its own, because a module attaches once: nextest sees to that.
#![allow(
    unreachable_pub,
    clippy::multiple_unsafe_ops_per_block,
    clippy::unwrap_used,
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
