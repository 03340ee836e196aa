//! How many answers a network elsewhere gets by UDP. Who lies about its
//! address could have us send them to somebody else; this bounds how many, as
//! [`answer`](crate::answer) bounds how long they are.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Answers a second to one network. A resolver that asks more often is told to
/// come by TCP, where nobody can lie.
pub const PER_SECOND: u32 = 1000;

/// Networks that are told apart. Those that share a place by chance share its
/// answers.
const PLACES: usize = 4096;

/// What to do with a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Answer it.
    Answer,
    /// Say only that it is to be asked by TCP.
    ReferToTcp,
    /// Leave it alone.
    Drop,
}

/// What each network has been answered in this second.
#[derive(Debug)]
pub(crate) struct RateLimit {
    /// The second in the upper half, how many in the lower.
    places: Box<[AtomicU64]>,
    /// Nobody can choose an address to share a place with.
    seed: RandomState,
}

impl RateLimit {
    pub(crate) fn new() -> RateLimit {
        RateLimit {
            places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            seed: RandomState::new(),
        }
    }

    /// Counts one question from there, in that second of any clock.
    pub(crate) fn count(&self, from: IpAddr, second: u32) -> Verdict {
        let number = self.seed.hash_one(network(from)) as usize % PLACES;
        let Some(place) = self.places.get(number) else {
            return Verdict::Drop;
        };
        let counted = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            Some(next(word, second))
        });
        let before = counted.unwrap_or_default();
        match next(before, second) as u32 {
            0..=PER_SECOND => Verdict::Answer,
            // Every second one: who is really there asks again.
            count if count % 2 == 0 => Verdict::ReferToTcp,
            _ => Verdict::Drop,
        }
    }
}

fn next(word: u64, second: u32) -> u64 {
    if (word >> 32) as u32 == second {
        // It stays within its half.
        if word as u32 == u32::MAX {
            word
        } else {
            word + 1
        }
    } else {
        u64::from(second) << 32 | 1
    }
}

/// What an address has in common with those that its owner can choose from.
fn network(address: IpAddr) -> [u8; 7] {
    let mut network = [0; 7];
    match address.to_canonical() {
        IpAddr::V4(v4) => network[..3].copy_from_slice(&v4.octets()[..3]),
        IpAddr::V6(v6) => network.copy_from_slice(&v6.octets()[..7]),
    }
    network
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_network_gets_so_many_answers_a_second() {
        let limit = RateLimit::new();
        let from = |text: &str| text.parse::<IpAddr>().unwrap();
        for n in 0..PER_SECOND {
            let host = IpAddr::from([192, 0, 2, n as u8]);
            assert_eq!(limit.count(host, 7), Verdict::Answer, "{n}");
        }
        let more: Vec<Verdict> = (0..4).map(|_| limit.count(from("192.0.2.9"), 7)).collect();
        let (drop, refer) = (Verdict::Drop, Verdict::ReferToTcp);
        assert_eq!(more, [drop, refer, drop, refer]);
        assert_eq!(limit.count(from("192.0.2.9"), 8), Verdict::Answer);
    }

    #[test]
    fn what_one_owner_has_is_one_network() {
        let same = |one: &str, other: &str| {
            network(one.parse().unwrap()) == network(other.parse().unwrap())
        };
        assert!(same("192.0.2.1", "192.0.2.255"));
        assert!(!same("192.0.2.1", "192.0.3.1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.9"));
        assert!(same("2001:db8:1:100::1", "2001:db8:1:1ff::2"));
        assert!(!same("2001:db8:1:100::1", "2001:db8:1:200::1"));
    }
}
