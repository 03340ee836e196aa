//! Memory shared between the daemon and every process: the only place of this
//! crate where `unsafe` is allowed, since it is about addresses.
//!
//! What stands here keeps these promises, and all the rest is safe code:
//! - a [`Pages`] is readable memory for as long as it lives: it is anonymous,
//!   or its file is sealed so that it cannot shrink;
//! - the bytes of a table never change: its file is sealed against writing;
//! - the epoch page, which does change, is only touched as atomics;
//! - [`Slots`] unmaps nothing that a reader still holds.
#![allow(unsafe_code)]

mod descriptor;
mod epoch;
mod pages;
mod slots;

pub(crate) use descriptor::Descriptor;
pub(crate) use epoch::Epoch;
pub use epoch::{EpochPage, Pulse};
pub use pages::{MapError, seal_table};
pub(crate) use pages::{Pages, TABLE_SEALS};
pub(crate) use slots::{Attached, Held, Orphan, Slots};
