//! How many lines one call site may log.
//!
//! Whoever may write to Redis, or connect to the socket, decides how often some
//! events happen, and each machine of a fleet logs them. So each call site has a
//! token bucket of [`BURST`] lines, refilled by one every [`REFILL`]. Lines beyond
//! that are counted.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::{Level, Metadata};

/// Lines that one call site may log at once.
const BURST: u32 = 30;

/// How often a call site gets one more: 30 a minute.
const REFILL: Duration = Duration::from_secs(2);

/// How often suppressed lines are reported.
const TOLD: Duration = Duration::from_secs(60);

/// What to do with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RateDecision {
    Write,
    /// Suppress it, and log that: it is the first.
    BeginToSuppress,
    Suppress,
}

/// Suppressed lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suppressed {
    pub(super) count: u64,
    /// The first of them.
    pub(super) first: String,
}

/// The buckets of all call sites that have logged.
#[derive(Debug, Default)]
pub(super) struct RateLimit(Mutex<HashMap<Identifier, Bucket>>);

#[derive(Debug)]
struct Bucket {
    lines: u32,
    /// Since when the next token is being gained.
    filling: Instant,
    suppressed: Option<(Instant, Suppressed)>,
}

impl RateLimit {
    /// Whether a line of this call site may be written now. Debug lines always may.
    pub(super) fn ask(&self, place: &Metadata<'_>, now: Instant) -> RateDecision {
        if *place.level() > Level::INFO {
            RateDecision::Write
        } else {
            self.ask_for(place.callsite(), now)
        }
    }

    fn ask_for(&self, place: Identifier, now: Instant) -> RateDecision {
        let mut buckets = self.buckets();
        let bucket = buckets.entry(place).or_insert(Bucket {
            lines: BURST,
            filling: now,
            suppressed: None,
        });
        bucket.fill(now);
        if let Some(left) = bucket.lines.checked_sub(1) {
            bucket.lines = left;
            return RateDecision::Write;
        }
        match &mut bucket.suppressed {
            Some((_, suppressed)) => {
                suppressed.count += 1;
                RateDecision::Suppress
            }
            none => {
                let first = String::new();
                *none = Some((now, Suppressed { count: 1, first }));
                RateDecision::BeginToSuppress
            }
        }
    }

    /// Records the first suppressed line.
    pub(super) fn begins_with(&self, place: &Metadata<'_>, first: &str) {
        if let Some(bucket) = self.buckets().get_mut(&place.callsite())
            && let Some((_, suppressed)) = &mut bucket.suppressed
        {
            suppressed.first = first.to_owned();
        }
    }

    /// When suppressed lines are to be reported next.
    pub(super) fn due(&self) -> Option<Instant> {
        let buckets = self.buckets();
        let since = buckets
            .values()
            .filter_map(|bucket| bucket.suppressed.as_ref());
        since.map(|(since, _)| *since + TOLD).min()
    }

    /// The suppressed lines that are due at `now`; all of them without a time.
    pub(super) fn take(&self, now: Option<Instant>) -> Vec<Suppressed> {
        let mut buckets = self.buckets();
        let due = |bucket: &mut Bucket| {
            let since = bucket.suppressed.as_ref()?.0;
            let due = now.is_none_or(|now| since + TOLD <= now);
            due.then(|| bucket.suppressed.take())?
        };
        buckets
            .values_mut()
            .filter_map(due)
            .map(|(_, suppressed)| suppressed)
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
        let (limit, [busy, calm]) = (RateLimit::default(), places());
        let start = Instant::now();
        let (mut written, mut noted) = (0, 0);
        // A thousand lines a second, for three minutes.
        for ms in 0..180_000 {
            let now = start + Duration::from_millis(ms);
            match limit.ask_for(busy.clone(), now) {
                RateDecision::Write => written += 1,
                RateDecision::BeginToSuppress => noted += 1,
                RateDecision::Suppress => {}
            }
            // Others are not concerned.
            if ms % 3000 == 0 {
                assert_eq!(limit.ask_for(calm.clone(), now), RateDecision::Write);
            }
        }
        assert_eq!((written, noted), (30 + 89, 1));
        let suppressed: u64 = limit.take(None).iter().map(|one| one.count).sum();
        assert_eq!(suppressed, 180_000 - 119);
        // Quiet for a while, and it has its thirty again.
        let later = start + Duration::from_secs(400);
        for _ in 0..30 {
            assert_eq!(limit.ask_for(busy.clone(), later), RateDecision::Write);
        }
        assert_eq!(limit.ask_for(busy, later), RateDecision::BeginToSuppress);
    }

    #[test]
    fn what_was_suppressed_is_told_after_a_minute() {
        let (limit, [busy, _]) = (RateLimit::default(), places());
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
