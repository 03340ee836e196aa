//! How a role is held, and the result of a renewal.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::register::change::Place;
use crate::register::error::RegisterError;
use crate::register::outcome::ChangeOutcome;

/// How a role is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldOptions {
    /// How long the membership lasts without renewal.
    pub lease: Duration,
    /// Whether there is one holder, with the others on standby.
    pub exclusive: bool,
    /// How long the address of the last holder stays after its lease. None: without limit.
    pub expire_last: Option<Duration>,
    /// Whether the address of the last holder stays when it ends.
    pub keep_last: bool,
}

/// The result of a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// The role is held.
    Held {
        /// Where. A gateway fills in an address that the holder left out.
        places: Vec<Place>,
        /// For each of them, whether the field had to be written.
        done: Vec<ChangeOutcome>,
        /// The term, if it is held exclusively. It grows with each new holder.
        term: Option<u64>,
        /// Whether it was not held before: the first time, after it was lost, and after the lease
        /// expired by the clock of this machine.
        acquired: bool,
    },
    /// Another holder has it exclusively, or it was claimed.
    Standby {
        /// Who has it, for people: a member, the claimed value, or empty if nobody has it yet.
        holder: String,
        /// Who ended this holder and how, at the first renewal after that.
        ended: Option<EndedBy>,
    },
    /// Somebody ended its holders. It must not be held again.
    Ended(EndedBy),
    /// The renewal failed.
    Failed(RegisterError),
}

/// Who ended a holding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedBy {
    /// The author, as in the change log: `alice@web-1`.
    pub by: String,
    /// The verb: `claim`, `point`, `release`, `leave` or `join`.
    pub verb: String,
}

/// How a holding ended in one hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// The member was removed.
    Removed,
    /// It stays, as the last of its role, until somebody else holds or claims the role.
    Kept,
    /// There was no lease of this holder.
    Absent,
}
