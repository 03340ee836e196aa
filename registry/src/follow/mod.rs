//! Following the hashes: connect, read everything, read again what changes.

mod alarm;
mod backoff;
mod collect;
mod event;
mod follower;
mod measured;
mod origin;
mod pacer;
mod plan;
mod reader;
mod session;
mod watch;

pub(crate) use backoff::random;
pub use event::{Control, Event, HashRead, Mode, Pass, Trust};
pub use follower::follow;
pub(crate) use plan::ReadPlan;
pub(crate) use reader::{Reader, Trouble};
