//! Following the hashes: connect, read everything, read again what changes.

mod alarm;
mod backoff;
mod event;
mod follower;
mod origin;
mod pacer;
mod reader;
mod session;
mod watch;

pub(crate) use backoff::random;
pub use event::{Control, Event, HashRead, Mode, Pass, Trust};
pub use follower::follow;
