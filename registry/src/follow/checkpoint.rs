//! What is saved so that a later daemon can go on from here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::log_cursor::LogCursor;
use super::loss_counters::LossCounters;
use super::replication_identity::ReplicationIdentity;
use super::verdict::LogEvidence;
use crate::log::DropScope;
use crate::pairs::Pairs;

/// Which state of Redis the daemon's table shows. A follower that starts from that table can tell
/// what was deleted meanwhile from what was lost.
///
/// The daemon writes it beside the last good table, always after the table: an older checkpoint is
/// harmless, a newer one is not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// By the keys of the hashes.
    #[serde(default)]
    pub(super) hashes: BTreeMap<String, HashCheckpoint>,
}

impl Checkpoint {
    /// The id of the last entry that was read of the log of a hash, as Redis writes it. None if
    /// none was read.
    #[must_use]
    pub fn log_position(&self, hash: &str) -> Option<String> {
        match &self.hashes.get(hash)?.mark {
            LogCursor::At(position) => Some(position.id.to_string()),
            LogCursor::Unknown | LogCursor::After(_) => None,
        }
    }
}

/// The same of one hash.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HashCheckpoint {
    /// Up to where its log has been read.
    #[serde(default)]
    pub(super) mark: LogCursor,
    /// What the log has shown since the last scan about the continuity of the data.
    #[serde(default)]
    pub(super) evidence: Option<LogEvidence>,
    /// Entries of the log were lost before they were read, and the hash was not scanned since.
    #[serde(default)]
    pub(super) gap: bool,
    /// What was accepted as lost since the last scan, if the log does not prove continuity until
    /// then: it concerns what the next scan will find missing.
    #[serde(default)]
    pub(super) drops: Vec<DropScope>,
    /// The hash was scanned without its log since: it is newer than `mark`.
    #[serde(default)]
    pub(super) behind: bool,
    /// Something was changed without the log after `mark`.
    #[serde(default)]
    pub(super) unlogged: bool,
    /// The hash had a time to live.
    #[serde(default)]
    pub(super) ttl: bool,
    /// Logged changes were applied since the last scan: `identity` is from before them.
    #[serde(default)]
    pub(super) logged: bool,
    /// INFO at the last scan.
    #[serde(default)]
    pub(super) identity: Option<ReplicationIdentity>,
    #[serde(default)]
    pub(super) losses: Option<LossCounters>,
}

/// What the daemon knew when it was stopped. A follower starts from this.
#[derive(Debug, Default)]
pub struct Baseline {
    /// The raw fields in use without the retained ones, by index into `Config::hashes`.
    pub hashes: Vec<Pairs>,
    /// The state of Redis that they show.
    pub checkpoint: Checkpoint,
}
