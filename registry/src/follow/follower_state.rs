//! What outlives a connection.

use std::time::Instant;

use super::hash::Hash;
use super::load::Load;

/// What a follower keeps from one connection to the next.
pub(super) struct FollowerState {
    pub(super) hashes: Vec<Hash>,
    pub(super) load: Load,
    /// Until when transactions are not tried, because they were refused.
    pub(super) plain_until: Option<Instant>,
    /// Whether a connection was lost before.
    pub(super) failed: bool,
    /// The replies to a request for several hashes were too large. Until then each hash is read by a
    /// request of its own, which shows which of them it was.
    pub(super) apart_until: Option<Instant>,
}

impl FollowerState {
    /// The state before the first connection.
    pub(super) fn new(hashes: Vec<Hash>) -> FollowerState {
        FollowerState {
            hashes,
            load: Load::default(),
            plain_until: None,
            failed: false,
            apart_until: None,
        }
    }
}
