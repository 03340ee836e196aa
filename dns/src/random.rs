//! Bits that decide which address comes first. They spread load and keep no
//! secret.

use std::hash::{BuildHasher, RandomState};

/// A source of such bits, of one thread's own.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// One that begins anywhere.
    #[must_use]
    pub fn new() -> Random {
        Random(RandomState::new().hash_one(0))
    }

    /// The next bits: splitmix64 (Steele, Lea and Flood, "Fast splittable
    /// pseudorandom number generators", 2014).
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

impl Default for Random {
    fn default() -> Random {
        Random::new()
    }
}
