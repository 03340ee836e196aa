//! The duty bound: how soon after a read the next may start.

use std::time::{Duration, Instant};

/// A read that took T is followed by at least so many T of rest, so that
/// following never costs more than a tenth of a connection.
const REST: u32 = 9;

/// Says when the next read may start.
#[derive(Debug, Default)]
pub(crate) struct Pacer {
    not_before: Option<Instant>,
}

impl Pacer {
    /// A read that took `cost` ended `now`.
    pub(crate) fn finished(&mut self, now: Instant, cost: Duration) {
        self.not_before = now.checked_add(cost.saturating_mul(REST));
    }

    /// When a read that is wanted at `wanted` may start.
    pub(crate) fn earliest(&self, wanted: Instant) -> Instant {
        self.not_before.map_or(wanted, |rested| rested.max(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_quiet_at_once_and_else_after_nine_times_the_cost() {
        let mut pacer = Pacer::default();
        let now = Instant::now();
        assert_eq!(pacer.earliest(now), now);
        pacer.finished(now, Duration::from_millis(40));
        let rested = now + Duration::from_millis(360);
        assert_eq!(pacer.earliest(now), rested);
        assert_eq!(pacer.earliest(rested), rested);
        let later = rested + Duration::from_millis(1);
        assert_eq!(pacer.earliest(later), later);
    }

    #[test]
    fn reading_all_the_time_costs_a_tenth() {
        let mut pacer = Pacer::default();
        let start = Instant::now();
        let (mut now, mut read) = (start, Duration::ZERO);
        for n in 1..1000 {
            let cost = Duration::from_micros(n * 37 % 5000);
            now = pacer.earliest(now) + cost;
            read += cost;
            pacer.finished(now, cost);
        }
        let all = pacer.earliest(now) - start;
        assert!(read * 10 <= all, "{read:?} of {all:?}");
    }
}
