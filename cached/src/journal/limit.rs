//! How many lines one place in the program may write to the log.
//!
//! Whoever may write to Redis, or connect to the socket, decides how often some
//! things happen, and each machine of a fleet logs them. So each place that
//! logs has a bucket of [`BURST`] lines, and gets one more every [`REFILL`].
//! What does not fit is counted.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::{Level, Metadata};

/// Lines that one place may write at once.
const BURST: u32 = 30;

/// How often it gets one more: 30 a minute.
const REFILL: Duration = Duration::from_secs(2);

/// How often it is told how many lines were left out.
const TOLD: Duration = Duration::from_secs(60);

/// What to do with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Write,
    /// Leave it out, and say so: it is the first that is.
    BeginToLeaveOut,
    LeaveOut,
}

/// Lines that were left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) count: u64,
    /// The first of them.
    pub(super) first: String,
}

/// The buckets of all places that have logged.
#[derive(Debug, Default)]
pub(super) struct Limit(Mutex<HashMap<Identifier, Bucket>>);

#[derive(Debug)]
struct Bucket {
    lines: u32,
    /// Since when the next line is on its way.
    filling: Instant,
    left_out: Option<(Instant, LeftOut)>,
}

impl Limit {
    /// Whether a line of this place may be written now. What is only logged for
    /// who looks for a fault (debug) always may.
    pub(super) fn ask(&self, place: &Metadata<'_>, now: Instant) -> Verdict {
        match *place.level() > Level::INFO {
            true => Verdict::Write,
            false => self.ask_for(place.callsite(), now),
        }
    }

    fn ask_for(&self, place: Identifier, now: Instant) -> Verdict {
        let mut buckets = self.buckets();
        let bucket = buckets.entry(place).or_insert(Bucket {
            lines: BURST,
            filling: now,
            left_out: None,
        });
        bucket.fill(now);
        if let Some(left) = bucket.lines.checked_sub(1) {
            bucket.lines = left;
            return Verdict::Write;
        }
        match &mut bucket.left_out {
            Some((_, left_out)) => {
                left_out.count += 1;
                Verdict::LeaveOut
            }
            none => {
                let first = String::new();
                *none = Some((now, LeftOut { count: 1, first }));
                Verdict::BeginToLeaveOut
            }
        }
    }

    /// Notes what the first line says that is left out.
    pub(super) fn begins_with(&self, place: &Metadata<'_>, first: &str) {
        if let Some(bucket) = self.buckets().get_mut(&place.callsite())
            && let Some((_, left_out)) = &mut bucket.left_out
        {
            left_out.first = first.to_owned();
        }
    }

    /// When it is to be told next what was left out.
    pub(super) fn due(&self) -> Option<Instant> {
        let buckets = self.buckets();
        let since = buckets
            .values()
            .filter_map(|bucket| bucket.left_out.as_ref());
        since.map(|(since, _)| *since + TOLD).min()
    }

    /// What was left out and is to be told by `now`; all of it without a time.
    pub(super) fn take(&self, now: Option<Instant>) -> Vec<LeftOut> {
        let mut buckets = self.buckets();
        let due = |bucket: &mut Bucket| {
            let since = bucket.left_out.as_ref()?.0;
            let due = now.is_none_or(|now| since + TOLD <= now);
            due.then(|| bucket.left_out.take())?
        };
        buckets
            .values_mut()
            .filter_map(due)
            .map(|(_, left_out)| left_out)
            .collect()
    }

    fn buckets(&self) -> MutexGuard<'_, HashMap<Identifier, Bucket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    fn fill(&mut self, now: Instant) {
        let gained = now.saturating_duration_since(self.filling).as_secs() / REFILL.as_secs();
        let gained = u32::try_from(gained).unwrap_or(u32::MAX);
        self.lines = self.lines.saturating_add(gained);
        if self.lines >= BURST {
            (self.lines, self.filling) = (BURST, now);
        } else {
            self.filling += REFILL * gained;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two places that log.
    fn places() -> [Identifier; 2] {
        use tracing::{Callsite, callsite::DefaultCallsite, metadata};
        static ONE: DefaultCallsite = DefaultCallsite::new(&ONE_META);
        static ONE_META: Metadata<'static> = metadata! {
            name: "one", target: "one", level: Level::WARN, fields: &[], callsite: &ONE,
            kind: tracing::metadata::Kind::EVENT
        };
        static TWO: DefaultCallsite = DefaultCallsite::new(&TWO_META);
        static TWO_META: Metadata<'static> = metadata! {
            name: "two", target: "two", level: Level::WARN, fields: &[], callsite: &TWO,
            kind: tracing::metadata::Kind::EVENT
        };
        [ONE.metadata().callsite(), TWO.metadata().callsite()]
    }

    #[test]
    fn a_place_that_logs_without_end_writes_thirty_lines_a_minute() {
        let (limit, [busy, calm]) = (Limit::default(), places());
        let start = Instant::now();
        let (mut written, mut noted) = (0, 0);
        // A thousand lines a second, for three minutes.
        for ms in 0..180_000 {
            let now = start + Duration::from_millis(ms);
            match limit.ask_for(busy.clone(), now) {
                Verdict::Write => written += 1,
                Verdict::BeginToLeaveOut => noted += 1,
                Verdict::LeaveOut => {}
            }
            // Others are not concerned.
            if ms % 3000 == 0 {
                assert_eq!(limit.ask_for(calm.clone(), now), Verdict::Write);
            }
        }
        assert_eq!((written, noted), (30 + 89, 1));
        let left_out: u64 = limit.take(None).iter().map(|one| one.count).sum();
        assert_eq!(left_out, 180_000 - 119);
        // Quiet for a while, and it has its thirty again.
        let later = start + Duration::from_secs(400);
        for _ in 0..30 {
            assert_eq!(limit.ask_for(busy.clone(), later), Verdict::Write);
        }
        assert_eq!(limit.ask_for(busy, later), Verdict::BeginToLeaveOut);
    }

    #[test]
    fn what_was_left_out_is_told_after_a_minute() {
        let (limit, [busy, _]) = (Limit::default(), places());
        let start = Instant::now();
        assert_eq!(limit.due(), None);
        for _ in 0..40 {
            limit.ask_for(busy.clone(), start);
        }
        let due = start + Duration::from_secs(60);
        assert_eq!(limit.due(), Some(due));
        assert!(limit.take(Some(start)).is_empty());
        let told = limit.take(Some(due));
        assert_eq!(told.iter().map(|one| one.count).collect::<Vec<_>>(), [10]);
        assert_eq!((limit.due(), limit.take(None).len()), (None, 0));
    }
}
