//! Everything that touches memory of the caller's: glibc's side of the module,
//! and all of its `unsafe`.
//!
//! What the pointers mean is glibc's contract with every NSS module, written
//! down at [`entry`]. The rest of the crate sees safe types made there: a name
//! as bytes, a [`hostent::HostSlot`], an [`addrtuple::TupleSlot`].

#![allow(unsafe_code)]

pub(crate) mod addrtuple;
pub(crate) mod boundary;
pub(crate) mod entry;
pub(crate) mod environment;
pub(crate) mod hostent;
mod writer;
