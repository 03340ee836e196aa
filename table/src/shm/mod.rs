//! The memory that the daemon shares with every process. It deals in addresses,
//! so `unsafe` is allowed here, and nowhere else in this crate but `clock`.
//!
//! It keeps these promises, on which the safe code relies:
//! - a [`Mapping`] is readable memory for as long as it exists: it is anonymous,
//!   or its file is sealed so that it can neither shrink nor lose a page;
//! - its bytes may change at any moment, so they are only accessed as atomics;
//! - [`RegionSlots`] unmaps nothing that a reader still uses.
//!
//! # The orderings
//!
//! The daemon stores the words of a record (relaxed), and then the slot that
//! refers to it (release). A reader loads the slot (acquire) and then the words
//! of the record (relaxed): it sees the whole record, because its words are never
//! stored to again. To read many records as of one moment, a reader compares
//! [`LiveWord::BEGUN`] and [`LiveWord::GENERATION`] as with a sequence lock
//! (`View::settled`). `writer/write_order.rs` checks the order of the stores.
//!
//! Within a process, readers and the thread that replaces the region synchronize
//! by sequentially consistent operations; [`RegionSlots`] says why these suffice.
//!
//! [`LiveWord::BEGUN`]: crate::format::LiveWord::BEGUN
//! [`LiveWord::GENERATION`]: crate::format::LiveWord::GENERATION
#![allow(unsafe_code)]

mod descriptor;
mod mapping;
mod memory_file;
mod region_slots;
#[cfg(test)]
mod region_slots_model;
#[cfg(test)]
pub(crate) mod trace;

pub(crate) use descriptor::{Descriptor, UntrustedDescriptor};
pub use mapping::MapError;
pub(crate) use mapping::{Mapping, Words};
pub(crate) use memory_file::{MemoryFile, page_size};
pub(crate) use region_slots::{AttachedRegion, RegionGuard, RegionSlots};
