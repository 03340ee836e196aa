//! The region by itself: what is written is found.
#![allow(clippy::unwrap_used, unreachable_pub)]

#[path = "../common/mod.rs"]
mod common;

mod change;
mod damage;
mod list;
mod lookup;
mod model;
mod reverse;
mod sources;
