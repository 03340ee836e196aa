//! How a role is held, and what came of a renewal.

use crate::register::error::RegisterError;
use crate::register::registrar::ChangeOutcome;
use std::time::Duration;

/// How a role is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldOptions {
    /// For how long the membership outlives the holder.
    pub lease: Duration,
    /// Whether there is one holder, and the others stand by.
    pub exclusive: bool,
    /// For how long the address stays after the lease of a holder that was the
    /// last; without a bound it stays.
    pub expire_last: Option<Duration>,
    /// Whether the last holder leaves its address behind when it ends.
    pub keep_last: bool,
}

/// What came of a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// It is held.
    Held {
        /// For each hash, whether the field had to be written.
        done: Vec<ChangeOutcome>,
        /// Where it is held exclusively: a number that grows with each new
        /// holder.
        term: Option<u64>,
        /// Whether it was not held a moment ago: the first time, after it was
        /// lost, and after the lease had run out by our own clock.
        acquired: bool,
    },
    /// It is not held: another holder has it exclusively, or it was claimed.
    Standby {
        /// Who has it, for people: a member, the value that was claimed, or
        /// nothing where nobody has it yet.
        holder: String,
        /// Who took it from us and how, the first time after it was taken.
        ended: Option<EndedBy>,
    },
    /// Somebody has taken it from its holders. It is not to be held again.
    Ended(EndedBy),
    /// It was not renewed.
    Failed(RegisterError),
}

/// Who ended a holding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedBy {
    /// As the change log names them: `alice@web-1`.
    pub by: String,
    /// By which verb: `claim`, `point`, `release`, `leave` or `join`.
    pub verb: String,
}

/// How a holding ended in one hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The member was removed.
    Removed,
    /// It stays, as the last of its role, until somebody else holds or claims
    /// the role.
    Kept,
    /// It was not ours (any more), or there was none.
    Absent,
}
