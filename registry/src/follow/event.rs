//! What the follower tells, and what it can be told.

use crate::pairs::Pairs;
use crate::unreadable::Unreadable;
use std::time::Duration;

/// How changes become known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Redis pushes them.
    Tracking,
    /// By reading again and again.
    Polling {
        /// Why Redis does not push.
        why: String,
    },
}

/// Whether it can be believed that what is not there is meant to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It changed while we watched: believe it even when empty.
    Live,
    /// Read after a (re)connect, and not seen with anything in it since.
    Reconnected,
    /// The same, at a Redis whose data is not known to go on from what was
    /// read before: it was started again, or is another.
    Replaced,
    /// Read after a flush, and not seen with anything in it since.
    Flushed,
    /// The operator said to accept what Redis says.
    Accepted,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// Connected and logged in; the first [`Pass`] follows and is full.
    Connected {
        /// Where, without user and password.
        endpoint: String,
        /// How changes become known on this connection.
        mode: Mode,
    },
    /// The connection is lost, or none came about.
    Disconnected {
        /// Where, without user and password.
        endpoint: String,
        /// Why, in words for the operator, fit for a terminal.
        why: String,
        /// How long until the next attempt.
        retry_in: Duration,
    },
    /// Hashes were read.
    Read(Pass),
}

/// Hashes that were read one after the other.
#[derive(Debug)]
pub struct Pass {
    /// What was read, in the order of the configuration.
    pub hashes: Vec<HashRead>,
    /// How long reading took.
    pub cost: Duration,
    /// Whether all hashes are here, not only those that changed.
    pub full: bool,
}

/// One hash, read whole.
#[derive(Debug)]
pub struct HashRead {
    /// Which, as an index into `Config::hashes`.
    pub hash: usize,
    /// What is in it, or why it cannot be read.
    pub outcome: Result<Pairs, Unreadable>,
    /// Whether it can be believed that the rest is meant to be gone.
    pub trust: Trust,
}

/// What the follower can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Read everything now and pass it on as [`Trust::Accepted`]. While there
    /// is no connection: try for one now; if that fails the wish lapses.
    Accept,
}
