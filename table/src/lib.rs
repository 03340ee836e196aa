//! The cloudhosts table: everything a lookup needs, in one region of shared
//! memory that the daemon writes in place and all processes of a machine read.
//!
//! Data passes through these parts, in this order:
//!
//! - [`name`]: what a role may be called;
//! - [`writer`]: the daemon writes roles into a region;
//! - [`mod@format`]: where each byte of the region is, and nothing else;
//! - [`shm`]: the memory of the region, and its readers in a process;
//! - [`handover`]: how the region gets from the daemon into a process;
//! - [`client`]: when a process attaches to a region, and when it reads the file
//!   `last-good.table` instead;
//! - [`View`]: lookups; [`rule`]: which entry decides a name; [`choice`]: which
//!   addresses one lookup returns, by [`random`] bits.
//!
//! [`version_note`] is apart: the ELF note in the NSS module's file.
//!
//! The reading side is a guest in every process of the machine. A lookup
//! allocates nothing, starts no thread, keeps no descriptor open, takes no lock
//! and trusts nothing that it reads. `unsafe` is confined to [`shm`] and one call
//! in [`clock`].
#![deny(unsafe_code)]

pub mod choice;
pub mod client;
pub mod clock;
pub mod format;
pub mod handover;
mod last_good;
mod memory;
pub mod name;
pub mod random;
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
pub use roles::{EntryAnswer, EntrySource, MAX_HASHES, MAX_KEY, RoleEntry, RoleRef};
pub use verify::{Damage, TableFile};
pub use view::{Addresses, Answer, Canonical, Cursor, ListedRole, TableRevision, View};
pub use writer::{
    Capacity, Region, RegionWriter, Role, RoleAnswer, Settings, Snapshot, Source, SourceValue,
    WriteError,
};
