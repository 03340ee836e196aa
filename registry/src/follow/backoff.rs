//! How long to wait before the next attempt to connect.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// The bound of the first wait.
const FIRST: Duration = Duration::from_millis(50);

/// The bound of every later wait.
const LONGEST: Duration = Duration::from_secs(5);

/// Waits with full jitter: each is anywhere between nothing and a bound that
/// doubles from attempt to attempt, so that ten thousand daemons that lost the
/// same Redis come back spread out.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next wait, for a `random` number from 0 to 1.
    pub(crate) fn next(&mut self, random: f64) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        doubled.min(LONGEST).mul_f64(random.clamp(0.0, 1.0))
    }

    /// A connection on which everything was read held for so long. One that
    /// held for less than the longest wait does not count: a Redis that drops
    /// us after each read is not to be read again and again without rest.
    pub(crate) fn held(&mut self, time: Duration) {
        if time >= LONGEST {
            self.failures = 0;
        }
    }
}

/// A random number from 0 to 1, good enough to spread waits.
pub(crate) fn random() -> f64 {
    // Each state has keys of its own, from the system's entropy.
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_double_from_50_ms_to_5_s() {
        let mut backoff = Backoff::default();
        let bounds: Vec<u128> = (0..100).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(
            bounds[..9],
            [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]
        );
        assert_eq!(bounds[99], 5000);
        backoff.held(Duration::from_secs(4));
        assert_eq!(backoff.next(1.0), LONGEST);
        backoff.held(Duration::from_secs(5));
        assert_eq!(backoff.next(0.5), Duration::from_millis(25));
        assert_eq!(backoff.next(0.0), Duration::ZERO);
    }

    #[test]
    fn random_numbers_spread() {
        let mut tenths = [0; 10];
        for _ in 0..10_000 {
            tenths[(random() * 10.0) as usize] += 1;
        }
        assert!(tenths.iter().all(|&count| count > 700), "{tenths:?}");
    }
}
