//! What clients without state were told last about their leases. Who claims a role ends its holders,
//! for good: so a client that renews after that must not join again as if it were new. This is a
//! memory only: a gateway that has just been started lets such a client join.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use cloudhosts_registry::register::{
    HolderNonce, LONGEST_LEASE, LeaseReply, LeaseRequest, LeaseState, Place,
};

/// Leases that are remembered.
const MOST: usize = 65_536;

/// The leases of clients.
#[derive(Debug, Default)]
pub(crate) struct ClientLeases(HashMap<LeaseKey, Told>);

/// Which lease: whose, and in which hashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LeaseKey {
    nonce: String,
    hashes: Vec<String>,
}

impl LeaseKey {
    /// That of a client in these places.
    pub(crate) fn new(nonce: &HolderNonce, places: &[Place]) -> LeaseKey {
        LeaseKey {
            nonce: nonce.to_string(),
            hashes: places.iter().map(|place| place.hash.clone()).collect(),
        }
    }
}

/// What a client was told last: that it holds the role, and since when.
#[derive(Debug, Clone, Copy)]
struct Told {
    from: u64,
    at: Instant,
}

impl ClientLeases {
    /// The request of a client.
    pub(crate) fn request(
        &self,
        key: &LeaseKey,
        nonce: HolderNonce,
        lease: Duration,
    ) -> LeaseRequest {
        let told = self.0.get(key);
        LeaseRequest {
            // If it has a lease, it goes on with that.
            state: told.map_or(LeaseState::New, |_| LeaseState::Held),
            from: told.map_or(0, |told| told.from),
            ..LeaseRequest::without_state(nonce, lease)
        }
    }

    /// Takes in the reply. Who was ended is new from then on.
    pub(crate) fn take_in(&mut self, key: LeaseKey, reply: &LeaseReply, now: Instant) {
        let &LeaseReply::Held { from, .. } = reply else {
            self.0.remove(&key);
            return;
        };
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            let is_fresh = |told: &Told| now.saturating_duration_since(told.at) < LONGEST_LEASE;
            self.0.retain(|_, told| is_fresh(told));
            if self.0.len() >= MOST {
                self.0.clear();
            }
        }
        self.0.insert(key, Told { from, at: now });
    }
}
