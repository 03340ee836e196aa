//! Pacing: how soon after a scan of a hash the next one may start. The only place for that rule.

use std::time::{Duration, Instant};

use super::load::Load;

/// A scan that takes the time T of Redis is followed by a pause of this many T, so that following
/// one hash takes at most a tenth of the time of Redis.
const REST: u32 = 9;

/// The longest such pause.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// What a scan costs before its first field.
const BASE: Duration = Duration::from_micros(20);

/// The most that a field is assumed to cost. It takes about 0.5 us in HGETALL, and 1.2 us in
/// HSCAN.
const MOST_PER_FIELD: f64 = 3e-6;

/// How many bytes cost as much as one field.
const BYTES_PER_FIELD: usize = 128;

/// What scans of one hash cost Redis, and the pause that follows.
///
/// What counts is the work of Redis. How long a reply took depends more on the network, and on what
/// else Redis had to do. So the cost is the size of the reply at the best rate that was ever seen.
#[derive(Debug, Clone)]
pub(super) struct Pacer {
    /// Seconds per field, at best.
    per_field: f64,
    /// The size of the hash at the last scan, in fields.
    size: f64,
    not_before: Option<Instant>,
}

impl Default for Pacer {
    fn default() -> Pacer {
        Pacer {
            per_field: MOST_PER_FIELD,
            size: 0.0,
            not_before: None,
        }
    }
}

/// The work for this size, in fields.
fn work(fields: usize, bytes: usize) -> f64 {
    (fields + bytes / BYTES_PER_FIELD) as f64
}

impl Pacer {
    /// A reply of this size took `took`.
    pub(super) fn answered(&mut self, fields: usize, bytes: usize, took: Duration) {
        let work = work(fields, bytes);
        if work > 0.0 {
            self.per_field = self.per_field.min(took.as_secs_f64() / work);
        }
    }

    /// The hash has this size.
    pub(super) fn sized(&mut self, fields: usize, bytes: usize) {
        self.size = work(fields, bytes);
    }

    /// What a scan of the hash costs Redis.
    pub(super) fn cost(&self) -> Duration {
        BASE + Duration::try_from_secs_f64(self.size * self.per_field).unwrap_or_default()
    }

    /// A scan because of a change has ended. Each follower scans at most once in the time that the
    /// scans of the whole fleet take (`load`): if the hash changes all the time, each would
    /// otherwise scan again after half of that time on average, and the fleet would request twice
    /// what Redis can do.
    pub(super) fn scanned(&mut self, load: Load, now: Instant) {
        let cost = self.cost();
        let own = cost.saturating_mul(REST).min(LONGEST_REST);
        self.not_before = now.checked_add(own.max(load.fleet_time(cost)));
    }

    /// When a scan that is wanted at `wanted` may start.
    pub(super) fn earliest(&self, wanted: Instant) -> Instant {
        self.not_before.map_or(wanted, |rested| rested.max(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn of(fields: usize, took: Duration) -> Pacer {
        let mut pacer = Pacer::default();
        pacer.answered(fields, 35 * fields, took);
        pacer.sized(fields, 35 * fields);
        pacer
    }

    #[test]
    fn after_quiet_at_once_and_else_after_nine_times_the_cost() {
        let mut pacer = of(10_000, 4 * MS);
        let now = Instant::now();
        assert_eq!(pacer.earliest(now), now);
        pacer.scanned(Load::default(), now);
        let rest = pacer.earliest(now) - now;
        assert!(rest >= 36 * MS && rest < 37 * MS, "{rest:?}");
        let later = now + 50 * MS;
        assert_eq!(pacer.earliest(later), later);
    }

    #[test]
    fn no_rest_is_longer_than_2_seconds() {
        let mut pacer = of(3_000_000, Duration::from_secs(3));
        let now = Instant::now();
        pacer.scanned(Load::default(), now);
        assert_eq!(pacer.earliest(now), now + Duration::from_secs(2));
    }

    #[test]
    fn a_fleet_scans_once_in_the_time_that_the_scans_of_all_take() {
        let mut pacer = of(10_000, 4 * MS);
        let mut load = Load::default();
        load.set_clients(8_008, false);
        let now = Instant::now();
        let takes = 8_000 * pacer.cost();
        assert!(takes > Duration::from_secs(30));
        pacer.scanned(load, now);
        // Changes that do not end take no more of Redis than there is.
        assert_eq!(pacer.earliest(now), now + takes);
        // A change after that waits for its own turn only.
        let later = now + takes + MS;
        assert_eq!(pacer.earliest(later), later);
    }

    #[test]
    fn a_stall_is_not_the_cost_of_a_scan() {
        let mut pacer = of(10, Duration::from_millis(3_500));
        let now = Instant::now();
        pacer.scanned(Load::default(), now);
        assert!(pacer.earliest(now) < now + MS);
        // Nor is it after a good answer.
        let mut pacer = of(100_000, 50 * MS);
        pacer.answered(100_000, 3_500_000, Duration::from_secs(5));
        assert!(pacer.cost() < 52 * MS, "{:?}", pacer.cost());
    }

    #[test]
    fn the_way_to_redis_is_not_the_cost_of_a_scan() {
        // 1,000 fields over a link of 100 ms.
        let cost = of(1_000, 100 * MS).cost();
        assert!(cost < 4 * MS, "{cost:?}");
    }

    #[test]
    fn large_values_are_work_too() {
        let mut pacer = Pacer::default();
        pacer.sized(10, 50_000_000);
        assert!(pacer.cost() > 500 * MS, "{:?}", pacer.cost());
    }
}
