//! Following the hashes: what changes, as one moment of Redis after the other.
//!
//! [`follow()`] connects again and again, and remembers what it knows in its
//! `memory`. A `session` is one connection, and says what the protocol is. It
//! asks `question`s, and for each hash that is followed there is a `hash`: with
//! its `replica`, the `mark` up to which its log is known, and the `draft` of what
//! the mirror has yet to be told. A `scan` reads a hash whole, as its `plan` says.
//!
//! `unsettled` and `confirmation` are about roles that changed under a scan. The
//! `verdict` says whether what is missing was deleted or got lost, by what `info`
//! tells (`replication_identity`, `loss_counters`). `wish`, `pacer`, `load` and
//! `round` say when what is read.

mod backoff;
mod checkpoint;
mod deferred_roles;
mod event;
mod follower;
mod follower_state;
mod hash;
mod info;
mod load;
mod log_cursor;
mod loss_counters;
mod pacer;
mod pending_changes;
mod read_error;
mod read_plan;
mod replica;
mod replication_identity;
mod request;
mod reread;
mod role;
mod round;
mod scan;
mod scheduled_scan;
mod session;
mod timerfd;
mod verdict;

pub(crate) use backoff::random;
pub use checkpoint::{Baseline, Checkpoint};
pub use event::{Attribution, Batch, Changes, Event, Extent, HashBatch, Mode};
pub use follower::follow;
pub(crate) use info::{Info, Section};
