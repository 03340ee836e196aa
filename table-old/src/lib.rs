//! The cloudhosts table: everything a look-up needs, in one immutable piece of
//! memory that all processes of a machine share.
//!
//! The parts, in the order in which data passes them:
//!
//! - [`name`]: what a role may be called;
//! - [`builder`](Builder): the daemon makes a table of roles and fields;
//! - [`mod@format`]: its bytes, and nothing but the bytes;
//! - [`shm`]: the sealed memory it is put into, and the epoch beside it;
//! - [`handover`]: how both get into a process;
//! - [`client`]: the table a process has, and when to fetch another;
//! - [`View`]: the look-ups, and [`choice`]: which addresses one answers.
//!
//! The reading side is a guest in every process of the machine: it allocates
//! nothing, starts no thread, keeps no descriptor, takes no lock and trusts
//! nothing that it reads. `unsafe` stands in [`shm`], and in one call of
//! [`clock`].
#![deny(unsafe_code)]

mod builder;
pub mod choice;
pub mod client;
pub mod clock;
pub mod format;
pub mod handover;
pub mod name;
pub mod shm;
mod sources;
mod verify;
mod view;

pub use builder::{BuildError, Builder, Role, Settings};
pub use choice::{Choice, Order, choose};
pub use client::{Client, Paths, Unavailable};
pub use format::OpenError;
pub use name::{Name, NameError, Pattern};
pub use sources::{MAX_HASHES, MAX_KEY, Source};
pub use verify::Damage;
pub use view::{Answer, Cursor, Names, View};
