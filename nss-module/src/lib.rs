//! The glibc NSS module of cloudhosts, installed as `libnss_cloudhosts.so.2`.
//!
//! It is a guest in every process that resolves a host name. It has no thread,
//! no runtime and no log, allocates nothing, keeps no descriptor, and lets no
//! panic out. In the order a call passes through them:
//!
//! - [`abi`]: everything that touches the caller's memory, and so all `unsafe`:
//!   the nine exported functions ([`abi::entry`]), the boundary no panic
//!   crosses ([`abi::boundary`]), and the writers of glibc's structures.
//! - [`lookup`]: names and addresses, asked of the table.
//! - [`enumerate`]: the list of all hosts, and where each process is in it.
//! - [`random`]: which address comes first.
//! - [`status`]: what glibc is told. The one place that decides it.
//!
//! [`compat`] has what the linker and older versions of glibc need.
//!
//! The table itself, and attaching to it, are the crate `cloudhosts_table`.

#![deny(unsafe_code)]

mod abi;
mod compat;
mod enumerate;
mod lookup;
mod random;
mod status;
