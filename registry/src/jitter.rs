//! Random waits, so that a fleet of machines does not do the same thing at the same moment.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// A random number from 0 to 1, good enough to spread waits.
pub(crate) fn random() -> f64 {
    // Each state has keys of its own, from the system's entropy.
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1u64 << 53) as f64
}

/// A duration between these parts of `duration`.
pub(crate) fn between(duration: Duration, least: f64, most: f64) -> Duration {
    duration.mul_f64(least + (most - least) * random())
}

/// A duration of up to `duration`.
pub(crate) fn up_to(duration: Duration) -> Duration {
    between(duration, 0.0, 1.0)
}

/// A duration within a tenth of an interval at which something is repeated.
pub(crate) fn about(interval: Duration) -> Duration {
    between(interval, 0.9, 1.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_spread() {
        let mut tenths = [0; 10];
        for _ in 0..10_000 {
            tenths[(random() * 10.0) as usize] += 1;
        }
        assert!(tenths.iter().all(|&count| count > 700), "{tenths:?}");
    }
}
