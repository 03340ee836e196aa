//! What the follower reports to the daemon.

use std::time::Duration;

use cloudhosts_config::status::MasterLink;

use super::checkpoint::Checkpoint;
use crate::fault::Fault;
use crate::log::DropScope;
use crate::pairs::Pairs;
use crate::unreadable::Unreadable;

/// How the follower learns of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// By client tracking.
    Tracking,
    /// By polling.
    Polling {
        /// Why client tracking is off.
        why: String,
    },
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// Connected and logged in. A [`Batch`] with `full` follows, perhaps after others with logged
    /// changes.
    Connected {
        /// Where, without user and password.
        endpoint: String,
        /// How the follower learns of changes on this connection.
        mode: Mode,
    },
    /// The connection is lost, or none could be made.
    Disconnected {
        /// Where, without user and password.
        endpoint: String,
        /// Why.
        fault: Fault,
        /// How long until the next attempt.
        retry_in: Duration,
    },
    /// The link of the followed replica to its master is up, or down; none: a master is followed.
    /// Unknown (that is, none) after [`Event::Connected`].
    MasterLink(Option<MasterLink>),
    /// Changes of the hashes.
    Changes(Batch),
}

/// Changes up to one moment of Redis, to be published together.
#[derive(Debug)]
pub struct Batch {
    /// The hashes that changed.
    pub hashes: Vec<HashBatch>,
    /// Set if all hashes were read whole: how long that took.
    pub full: Option<Duration>,
    /// How long the reply took in which the last of these changes was read.
    pub latency: Duration,
    /// Where a later daemon can go on from, once this batch is published.
    pub checkpoint: Checkpoint,
}

impl Batch {
    /// How many fields change.
    #[must_use]
    pub fn fields(&self) -> usize {
        let changes = self
            .hashes
            .iter()
            .filter_map(|hash| hash.outcome.as_ref().ok());
        changes.map(Changes::fields).sum()
    }
}

/// The changes of one hash.
#[derive(Debug)]
pub struct HashBatch {
    /// Which, as an index into `Config::hashes`.
    pub hash: usize,
    /// What changed in it, or why it cannot be read.
    pub outcome: Result<Changes, Unreadable>,
}

/// What changed in one hash. Applied in this order: dropped, removed, lost, set.
/// A field is in at most one of removed, lost and set.
#[derive(Debug, Default)]
pub struct Changes {
    /// What is retained of these roles is no longer wanted.
    pub dropped: Vec<DropScope>,
    /// Raw fields that were deleted. What is retained under that name is no longer wanted either.
    pub removed: Vec<Vec<u8>>,
    /// Raw fields that are missing although nobody is known to have deleted them. The daemon retains
    /// them.
    pub lost: Vec<Vec<u8>>,
    /// Raw fields that are new or have a new value, each once.
    pub set: Pairs,
    /// Who changed which roles, by the log. Limited to the first 100.
    pub attributions: Vec<Attribution>,
    /// How many fields the hash has now, if it was read.
    pub extent: Option<Extent>,
}

/// Who changed a role, by the log. Safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribution {
    /// The role, in its normal form.
    pub role: String,
    /// What was done, as `claim`.
    pub verb: Option<String>,
    /// Who did it, as `alice@web-1`.
    pub by: Option<String>,
}

/// The size of a hash in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// All its fields.
    pub fields: usize,
    /// Those among them whose roles `allow` leaves out.
    pub filtered: usize,
}

impl Changes {
    /// How many fields change. A drop counts as one: it concerns the fields of a role.
    #[must_use]
    pub fn fields(&self) -> usize {
        self.dropped.len() + self.removed.len() + self.lost.len() + self.set.len()
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dropped.is_empty()
            && self.removed.is_empty()
            && self.lost.is_empty()
            && self.set.is_empty()
    }
}
