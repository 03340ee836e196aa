//! The cloudhosts table: everything a lookup needs, in one region of memory
//! that the daemon writes in place and all processes of a machine read.
//!
//! The parts, in the order in which data passes them:
//!
//! - [`name`]: what a role may be called;
//! - [`writer`]: the daemon writes roles into a region;
//! - [`mod@format`]: its bytes, and nothing but the bytes;
//! - [`shm`]: the memory it is in, and who in a process reads it;
//! - [`handover`]: how it gets into a process;
//! - [`client`]: the region a process has, the file where it has none, and when
//!   to attach to another;
//! - [`View`]: the lookups, [`rule`]: which entry decides a name, and
//!   [`choice`]: which addresses one lookup answers.
//!
//! The reading side is a guest in every process of the machine: it allocates
//! nothing to look up, starts no thread, keeps no descriptor, takes no lock and
//! trusts nothing that it reads. `unsafe` stands in [`shm`], and in one call of
//! [`clock`].
#![deny(unsafe_code)]

pub mod choice;
pub mod client;
pub mod clock;
pub mod format;
pub mod handover;
mod last_good;
mod memory;
pub mod name;
mod reverse;
mod roles;
pub mod rule;
pub mod shm;
mod table;
mod verify;
pub mod version_note;
mod view;
pub mod writer;

pub use choice::{Choice, Order, choose};
pub use client::{Client, Paths, Unavailable};
pub use format::OpenError;
pub use last_good::FileError;
pub use name::{Name, NameError, Pattern};
pub use reverse::{Aliases, Names};
pub use roles::{EntryAnswer, EntrySource, MAX_HASHES, MAX_KEY, RoleEntry, RolePlace};
pub use verify::{Damage, TableFile};
pub use view::{Addresses, Answer, Canonical, Cursor, Edition, Listed, View};
pub use writer::{
    Capacity, Region, RegionWriter, Role, RoleAnswer, Settings, Snapshot, Source, SourceValue,
    WriteError,
};
