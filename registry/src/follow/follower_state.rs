//! What a follower remembers from one connection to the next.

use super::hash::Hash;
use super::load::Load;
use std::time::Instant;

/// What outlives a connection.
pub(super) struct FollowerState {
    pub(super) hashes: Vec<Hash>,
    pub(super) load: Load,
    /// Until when transactions are not tried, because there are none.
    pub(super) plain_until: Option<Instant>,
    /// A connection was lost before this one.
    pub(super) failed: bool,
    /// The answer to a question that read several hashes was too large. Until
    /// then each is read by a question of its own, which tells whose it was.
    pub(super) apart_until: Option<Instant>,
}

impl FollowerState {
    /// With what is known of the hashes.
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
