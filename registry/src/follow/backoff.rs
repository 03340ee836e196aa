//! How long to wait before the next attempt to connect.

use std::time::Duration;

/// The upper bound of the first wait.
const FIRST: Duration = Duration::from_millis(50);

/// The upper bound of every wait.
const LONGEST: Duration = Duration::from_secs(5);

/// Exponential backoff with full jitter: each wait is between zero and a bound that doubles with each
/// attempt, so that ten thousand daemons that lost the same Redis come back spread out.
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

    /// A connection on which everything was read has lasted for this time. If that is less than the
    /// longest wait, it does not reset the backoff: a Redis that disconnects us after each read must
    /// not be read without pause.
    pub(crate) fn connection_lasted(&mut self, time: Duration) {
        if time >= LONGEST {
            self.failures = 0;
        }
    }
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
        backoff.connection_lasted(Duration::from_secs(4));
        assert_eq!(backoff.next(1.0), LONGEST);
        backoff.connection_lasted(Duration::from_secs(5));
        assert_eq!(backoff.next(0.5), Duration::from_millis(25));
        assert_eq!(backoff.next(0.0), Duration::ZERO);
    }
}
