//! Random bits that decide which address comes first.
//!
//! They spread load and protect no secret, so they may be cheap: mixed from a
//! counter, the clock, and an address on this thread's stack. Address and clock
//! differ between processes, the clock between a parent and its child, the
//! counter between two lookups in the same nanosecond.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::{Monotonic, monotonic};

/// How many draws this process has made.
static DRAWS: AtomicU64 = AtomicU64::new(0);

/// Bits for choosing among `count` addresses, as [`choose`](crate::choose) takes them;
/// 0 where there is no choice.
#[must_use]
pub fn draw(count: usize) -> u64 {
    if count < 2 { 0 } else { draw_at(monotonic()) }
}

fn draw_at(now: Monotonic) -> u64 {
    let nth = DRAWS.fetch_add(1, Ordering::Relaxed);
    let here = (&raw const nth).addr() as u64;
    mix(mix(now.0 ^ here.rotate_left(32)).wrapping_add(nth))
}

/// The output function of splitmix64: each input bit changes half of the output
/// bits (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
fn mix(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_differ_though_the_clock_stands_still() {
        let mut seen: Vec<u64> = (0..1000).map(|_| draw_at(Monotonic(5))).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 1000);
    }

    #[test]
    fn both_halves_are_even() {
        let (mut high, mut low) = ([0u32; 4], [0u32; 4]);
        for n in 0..40_000 {
            let bits = draw_at(Monotonic(n * 1000));
            high[(bits >> 62) as usize] += 1;
            low[((bits & 0xffff_ffff) >> 30) as usize] += 1;
        }
        for count in high.into_iter().chain(low) {
            assert!((9_500..10_500).contains(&count), "{high:?} {low:?}");
        }
    }
}
