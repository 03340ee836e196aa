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

mod alarm;
mod backoff;
mod checkpoint;
mod confirmation;
mod draft;
mod event;
mod follower;
mod hash;
mod info;
mod load;
mod loss_counters;
mod mark;
mod memory;
mod pacer;
mod plan;
mod question;
mod replica;
mod replication_identity;
mod role;
mod round;
mod scan;
mod session;
mod trouble;
mod unsettled;
mod verdict;
mod wish;

pub(crate) use backoff::random;
pub use checkpoint::{Baseline, Checkpoint};
pub use event::{Attribution, Batch, Changes, Event, Extent, HashBatch, Mode};
pub use follower::follow;
pub(crate) use info::{Info, Section};
