//! Bits that decide which address comes first.
//!
//! They spread load and keep no secret, so they may be cheap: a counter, the
//! clock, and an address of this thread's stack. Processes differ by the
//! address and the clock, a child differs from its parent by the clock, and two
//! look-ups in one nanosecond by the counter.

use std::sync::atomic::{AtomicU64, Ordering};

use cloudhosts_table::clock::{Monotonic, monotonic};

/// Draws made by this process.
static DRAWS: AtomicU64 = AtomicU64::new(0);

/// Bits for choosing among `count` addresses; no draw is made for fewer than two.
pub(crate) fn draw(count: usize) -> u64 {
    match count {
        0 | 1 => 0,
        _ => draw_at(monotonic()),
    }
}

fn draw_at(now: Monotonic) -> u64 {
    let nth = DRAWS.fetch_add(1, Ordering::Relaxed);
    let here = (&raw const nth).addr() as u64;
    mix(mix(now.0 ^ here.rotate_left(32)).wrapping_add(nth))
}

/// The output function of splitmix64: each bit in changes half of those out
/// (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
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
