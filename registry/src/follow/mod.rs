//! Following the hashes: keeps a copy of each and reports what changed.
//!
//! - `follower`: [`follow()`] connects, runs a `session` per connection, and waits (`backoff`) after
//!   one is lost. What outlives a connection is the `follower_state`.
//! - `session`: the protocol on one connection. It sends a `request` (a transaction), and
//!   distributes the replies. An invalidation leads to a read of the log or to a `scheduled_scan`.
//! - `hash`: one hash. It has a `replica` of what Redis holds, a `log_cursor` for its change log, a
//!   `scan` while it is read whole, and the `pending_changes` that are to be reported. `read_plan`
//!   says how it is read, `pacer` and `load` how often.
//! - `room`: how much of a hash may be read, by `max_fields`.
//! - `verdict`: whether missing fields were deleted or lost, by what INFO says (`info`,
//!   `replication_identity`, `loss_counters`).
//! - `deferred_roles` and `reread`: roles that changed while their hash was scanned.
//! - `event`: what is reported. `checkpoint`: what a later daemon needs to go on from there.

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
mod room;
mod round;
mod scan;
mod scheduled_scan;
mod session;
mod timerfd;
mod verdict;

pub use checkpoint::{Baseline, Checkpoint};
pub use event::{Attribution, Batch, Changes, Event, Extent, HashBatch, Mode};
pub use follower::follow;
pub(crate) use info::{Info, Section};
