//! What the follower tells the mirror.

use super::checkpoint::Checkpoint;
use crate::fault::Fault;
use crate::log::DropScope;
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

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// Connected and logged in. A [`Batch`] that is `full` follows, and perhaps
    /// others before it, with changes that the log tells of.
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
        /// Why.
        fault: Fault,
        /// How long until the next attempt.
        retry_in: Duration,
    },
    /// Something became known of the hashes.
    Changes(Batch),
}

/// What became known of the hashes at one moment of Redis; published as one.
#[derive(Debug)]
pub struct Batch {
    /// Those hashes there is something to say of.
    pub hashes: Vec<HashBatch>,
    /// All hashes were read whole, and how long that took.
    pub full: Option<Duration>,
    /// Where a later daemon goes on from, once this batch is published.
    pub checkpoint: Checkpoint,
}

/// What became known of one hash.
#[derive(Debug)]
pub struct HashBatch {
    /// Which, as an index into `Config::hashes`.
    pub hash: usize,
    /// What changed in it, or why it cannot be read.
    pub outcome: Result<Changes, Unreadable>,
}

/// What changed in one hash. Applied in this order: dropped, removed, lost, set.
/// A field stands in at most one of removed, lost and set.
#[derive(Debug, Default)]
pub struct Changes {
    /// What is retained of these roles is no longer wanted.
    pub dropped: Vec<DropScope>,
    /// Raw fields that were deleted on purpose. What is retained of a field of
    /// that name is no longer wanted either.
    pub removed: Vec<Vec<u8>>,
    /// Raw fields that are missing although nobody is known to have deleted
    /// them: the mirror retains them.
    pub lost: Vec<Vec<u8>>,
    /// Raw fields that are new or have another value, each once.
    pub set: Pairs,
    /// Who changed which roles, by the log; of the first so many.
    pub attributions: Vec<Attribution>,
    /// How much the hash holds now, where it was read.
    pub extent: Option<Extent>,
}

/// Who changed a role, as the log has it. All of it is fit for printing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribution {
    /// The role, in its normal form.
    pub role: String,
    /// What was done, as `claim`.
    pub verb: Option<String>,
    /// Who did it, as `alice@web-1`.
    pub by: Option<String>,
}

/// How much a hash holds in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// All its fields.
    pub fields: usize,
    /// Those among them whose roles `allow` leaves out.
    pub filtered: usize,
}

impl Changes {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dropped.is_empty()
            && self.removed.is_empty()
            && self.lost.is_empty()
            && self.set.is_empty()
    }
}
