//! Which state of Redis a mirror stands for.

use super::log_cursor::LogCursor;
use super::loss_counters::LossCounters;
use super::replication_identity::ReplicationIdentity;
use super::verdict::LogEvidence;
use crate::log::DropScope;
use crate::pairs::Pairs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which state of Redis a mirror stands for, so that a follower that starts
/// from the mirror can tell what was deleted meanwhile from what got lost.
///
/// The daemon saves it beside the last good table, always after the table it
/// belongs to: an older checkpoint is harmless, a newer one is not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// By the keys of the hashes.
    #[serde(default)]
    pub(super) hashes: BTreeMap<String, HashCheckpoint>,
}

/// The same of one hash.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HashCheckpoint {
    /// Up to where its log is known.
    #[serde(default)]
    pub(super) mark: LogCursor,
    /// What the log has said, since the last scan, of whether the data goes on.
    #[serde(default)]
    pub(super) evidence: Option<LogEvidence>,
    /// The log told of something that it does not have any more, and that was
    /// not scanned for since.
    #[serde(default)]
    pub(super) gap: bool,
    /// What has been dropped since the last scan, where the log does not prove
    /// that the data went on until then: it is of what the scan will miss.
    #[serde(default)]
    pub(super) drops: Vec<DropScope>,
    /// The hash was scanned since, without the log: it is newer than that.
    #[serde(default)]
    pub(super) behind: bool,
    /// Something was changed without the log after that.
    #[serde(default)]
    pub(super) unlogged: bool,
    /// The hash had a time to live.
    #[serde(default)]
    pub(super) ttl: bool,
    /// The log has told of changes since the hash was read last: what INFO said
    /// then is not of them.
    #[serde(default)]
    pub(super) logged: bool,
    /// What INFO said when the hash was read last.
    #[serde(default)]
    pub(super) identity: Option<ReplicationIdentity>,
    #[serde(default)]
    pub(super) losses: Option<LossCounters>,
}

/// What the daemon knew when it ran last; a follower begins with it.
#[derive(Debug, Default)]
pub struct Baseline {
    /// The raw fields in use that are not retained, by index into
    /// `Config::hashes`.
    pub hashes: Vec<Pairs>,
    /// What they stand for.
    pub checkpoint: Checkpoint,
}
