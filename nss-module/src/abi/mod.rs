//! Everything that touches the caller's memory: glibc's side of the module.
//!
//! [`entry`] states what the pointers mean, which is glibc's contract with every
//! NSS module, and turns them into safe types for the rest of the crate: a name
//! as bytes, a [`hostent::HostSlot`], an [`addrtuple::TupleSlot`].

#![allow(unsafe_code)]

pub(crate) mod addrtuple;
pub(crate) mod boundary;
mod buffer_writer;
pub(crate) mod entry;
pub(crate) mod environment;
pub(crate) mod hostent;
