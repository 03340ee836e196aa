#![forbid(unsafe_code)]
//! Everything that talks to Redis, and the format of what is stored there.
//!
//! Reading, in the order in which the data arrives:
//!
//! - `connect`: from the configuration to a connection that is logged in and receives
//!   invalidations. [`Fault`] and [`ConnectError`] say why there is none.
//! - [`follow()`]: keeps a copy of the hashes and reports what changed as [`Event`]s. A push becomes
//!   a scheduled scan or a read of the change log in `follow/session`, and a change ([`Changes`]) in
//!   `follow/hash` and `follow/pending_changes`.
//! - [`Pairs`]: raw fields and values, stored compactly.
//! - [`record`]: the grammar of fields and values. [`Field`] and [`Value`] turn raw pairs into
//!   records.
//! - [`log`]: the format of the change log, a stream beside each hash. [`History`] reads it for
//!   people.
//!
//! Writing:
//!
//! - [`register`]: claims, joins, leases and imports, each in one script or transaction.
//! - [`open_gateway`]: a stream to a gateway, which registers for those who may not ask Redis.
//!
//! Diagnosis:
//!
//! - [`probe()`]: connects once and reports what the daemon would find. [`masters()`] asks the
//!   sentinels. [`acl`] has the ACL rules that the Redis users need.
//!
//! The configuration is in the crate `cloudhosts-config`. What becomes of the changes (which hash
//! wins, what is retained, the table) is decided in the daemon.

pub mod acl;
mod connect;
mod connect_error;
mod fault;
pub mod follow;
mod history;
mod jitter;
pub mod log;
mod masters;
pub mod pairs;
mod probe;
mod read_values;
pub mod record;
pub mod register;
mod reply;
mod runtime;
mod unreadable;

pub use connect::{check_client_certificate, open_gateway};
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
