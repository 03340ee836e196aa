//! The glibc NSS module of cloudhosts, installed as `libnss_cloudhosts.so.2`.
//!
//! It is a guest in every process that resolves a host name. It starts no
//! thread, writes no log, allocates nothing, keeps no descriptor open, and lets
//! no panic out. A call passes through these parts, in this order:
//!
//! - [`abi`]: all memory of the caller's, and so all `unsafe` of a lookup: the
//!   nine exported functions ([`abi::entry`]), the boundary that no panic
//!   crosses ([`abi::boundary`]), and the writers of glibc's structures
//!   ([`abi::hostent`], [`abi::addrtuple`], over `abi::buffer_writer`).
//! - [`lookup`]: names and addresses, looked up in the table.
//! - [`enumeration`]: `gethostent`, and how far this process has read.
//! - [`outcome`]: how a call can end, and what glibc is told then.
//!
//! [`compat`] has what the linker and older versions of glibc need. The table,
//! and attaching to it, are the crate `cloudhosts_table`.

#![deny(unsafe_code)]

mod abi;
mod compat;
mod enumeration;
mod lookup;
mod outcome;
