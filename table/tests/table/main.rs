//! The table itself: what is put in comes out, and nothing else ever does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

#[path = "../common/mod.rs"]
mod common;

mod builder;
mod damage;
mod enumerate;
mod lookup;
mod model;
mod reverse;
mod sources;
