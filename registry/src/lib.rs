#![forbid(unsafe_code)]
//! What is in the Redis hash, and how it gets here.
//!
//! This crate alone knows Redis, and nothing else: which Redis and which hashes,
//! `cloudhosts_config` reads from the configuration. The parts, in the order the data takes:
//!
//! - `connect`: from a URL to a connection that is logged in and, where Redis
//!   can, pushes changes; or why none comes about ([`Fault`]).
//! - [`follow()`]: what changes in the hashes, by the change log, or else by
//!   scans; says whether what is missing was deleted or lost ([`follow::Changes`]).
//! - [`probe()`]: one visit, to see whether the daemon could do all that;
//!   [`masters()`]: what the sentinels say.
//! - [`pairs`]: what a read brings back, raw and compact ([`Pairs`]).
//! - [`record`]: the grammar of fields and values ([`Field`], [`Value`]), for
//!   whoever makes roles of the pairs.
//! - [`log`]: the change log beside a hash: what changed, entry by entry.
//! - [`History`]: reads the log once more, for people.
//! - [`register`]: the other way: how roles get into the hash.
//!
//! What the users of Redis must be allowed for that, [`acl`] says.

pub mod acl;
mod connect;
mod connect_error;
mod fault;
pub mod follow;
mod history;
pub mod log;
mod masters;
pub mod pairs;
mod probe;
mod read_values;
pub mod record;
pub mod register;
mod runtime;
mod unreadable;

pub use connect_error::ConnectError;
pub use fault::{Fault, FaultCode};
pub use follow::{
    Attribution, Baseline, Batch, Changes, Checkpoint, Event, Extent, HashBatch, Mode, follow,
};
pub use history::{History, HistoryError};
pub use masters::{Masters, masters};
pub use pairs::Pairs;
pub use probe::{HashFacts, MissingRight, Need, Probe, probe};
pub use read_values::read_values;
pub use record::{Field, FieldError, Target, Value, ValueError};
pub use unreadable::Unreadable;
