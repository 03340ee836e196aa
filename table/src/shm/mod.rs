//! Memory shared between the daemon and every process: the only place of this
//! crate where `unsafe` is allowed, since it is about addresses.
//!
//! What stands here keeps these promises, and all the rest is safe code:
//! - a [`Mapping`] is readable memory for as long as it lives: it is anonymous,
//!   or its file is sealed so that it can neither shrink nor lose a page;
//! - its bytes may change at any moment, so they are only touched as atomics;
//! - [`Slots`] unmaps nothing that a reader still holds.
//!
//! # The orderings
//!
//! Between the daemon and its readers there is one release and one acquire.
//! The writer stores the words of a record (relaxed), and then the slot that
//! refers to it (release). A reader loads the slot (acquire) and then the words
//! of the record (relaxed): it sees the record whole, because no word of it is
//! ever stored again. Whoever reads many records and wants them to be of one
//! moment compares two counts, [`Word::BEGUN`] and [`Word::GENERATION`], as
//! with a sequence lock (`View::settled`).
//!
//! Within a process, [`Slots`] lets readers and whoever replaces a region agree
//! by sequentially consistent operations; why they suffice is said there.
//!
//! [`Word::BEGUN`]: crate::format::Word::BEGUN
//! [`Word::GENERATION`]: crate::format::Word::GENERATION
#![allow(unsafe_code)]

mod descriptor;
mod mapping;
mod memory_file;
mod slots;
#[cfg(test)]
mod slots_model;

pub(crate) use descriptor::{Descriptor, Stranger};
pub use mapping::MapError;
pub(crate) use mapping::{Mapping, Words};
pub(crate) use memory_file::{MemoryFile, page_size};
pub(crate) use slots::{Attached, Held, Slots};
