//! How a hash is read: whole, or without values that are too large.
//!
//! The size of a reply is limited ([`MAX_REPLY`]), and a user who may write to the hash may write a value,
//! or a field name, that exceeds the limit. Then the connection is lost, and the same command would
//! transfer as much again. So a hash is read
//!
//! - *whole*, by HGETALL or HSCAN. This is fast, and the normal case.
//! - *measured*: first the field names, then the lengths of their values, then the values that are
//!   not too long. A value that is too long is never transferred. This takes three commands for
//!   one, so it ends when nothing too large was seen for a while.
//! - *suspended*: not at all for some time, if even the names exceed the limit or the user may not
//!   measure.
//!
//! The plan outlives a connection.

use std::time::{Duration, Instant};

use cloudhosts_config::status::UnreadableCode;

use super::scan::{HGETALL_MAX_FIELDS, STEP};
use crate::connect::MAX_REPLY;
use crate::unreadable::Unreadable;

/// How long a hash is measured after something too large was last seen, and the first suspension.
/// It doubles with each reply that exceeded the limit, so that writing and deleting a large value in
/// turns costs little.
const FIRST_REST: Duration = Duration::from_secs(10);

/// Where the doubling ends: one reply in a quarter of an hour, or 75 KB/s.
const LONGEST_REST: Duration = Duration::from_secs(15 * 60);

/// After this time without such a reply the doubling starts again.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);

/// The most that a pair takes in a reply besides its bytes: two headers
/// (`$1048576\r\n`) and two ends of line.
const FRAMING: u64 = 24;

/// How to read a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadMethod {
    /// Names and values together.
    Whole,
    /// Names, then lengths, then the values that can be used.
    Measured,
}

/// The sizes of one scan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    fields: u64,
    /// What reading the hash whole transfers.
    bytes: u64,
    /// The size of the largest pair.
    largest: u64,
    /// Values longer than any that can be used.
    too_long: u64,
}

impl Sizes {
    /// Counts a pair, by the lengths of its name and value.
    pub(super) fn count(&mut self, name: usize, value: u64, too_long: bool) {
        let pair = (name as u64).saturating_add(value).saturating_add(FRAMING);
        self.fields += 1;
        self.bytes = self.bytes.saturating_add(pair);
        self.largest = self.largest.max(pair);
        self.too_long += u64::from(too_long);
    }

    /// Whether each reply is within the limit if the hash is read whole, with a reserve for what is
    /// added meanwhile. A step of HSCAN can return a few times COUNT.
    fn fit(&self) -> bool {
        let steps = self.fields > HGETALL_MAX_FIELDS;
        let step = self.largest.saturating_mul(4 * STEP as u64);
        self.too_long == 0 && (self.bytes <= MAX_REPLY / 2 || steps && step <= MAX_REPLY)
    }
}

/// How to read a hash next, and when.
#[derive(Debug, Clone, Default)]
pub(super) struct ReadPlan {
    state: PlanState,
    /// How many recent replies exceeded the limit.
    overflows: u32,
    /// The last of them.
    overflowed_at: Option<Instant>,
}

#[derive(Debug, Clone, Default)]
enum PlanState {
    #[default]
    Whole,
    Measured {
        /// When it may be read whole again, if all fits by then.
        until: Instant,
    },
    Suspended {
        until: Instant,
        then: ReadMethod,
        why: Unreadable,
    },
}

impl ReadPlan {
    /// How to read it now. Ends a suspension that is over.
    ///
    /// # Errors
    /// Why it must not be read yet.
    pub(super) fn way(&mut self, now: Instant) -> Result<ReadMethod, Unreadable> {
        if let PlanState::Suspended { until, then, why } = &self.state {
            if now < *until {
                return Err(why.clone());
            }
            let until = now + self.rest();
            self.state = match then {
                ReadMethod::Whole => PlanState::Whole,
                ReadMethod::Measured => PlanState::Measured { until },
            };
        }
        Ok(match self.state {
            PlanState::Measured { .. } => ReadMethod::Measured,
            PlanState::Whole | PlanState::Suspended { .. } => ReadMethod::Whole,
        })
    }

    /// Whether it is read whole.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.state, PlanState::Whole)
    }

    /// When a suspension ends. None if it is not suspended.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        match self.state {
            PlanState::Suspended { until, .. } => Some(until),
            PlanState::Whole | PlanState::Measured { .. } => None,
        }
    }

    /// It was read, and had these sizes.
    pub(super) fn done(&mut self, way: ReadMethod, sizes: Sizes, now: Instant) {
        let until = match (way, &self.state) {
            (ReadMethod::Whole, _) if sizes.too_long == 0 => now,
            (ReadMethod::Measured, PlanState::Measured { until }) if sizes.fit() => *until,
            _ => now + self.rest(),
        };
        self.state = if until <= now {
            PlanState::Whole
        } else {
            PlanState::Measured { until }
        };
    }

    /// A reply exceeded the limit.
    pub(super) fn overflowed(&mut self, way: ReadMethod, now: Instant) {
        let forgotten = |last| now.saturating_duration_since(last) > FORGOTTEN;
        if self.overflowed_at.is_some_and(forgotten) {
            self.overflows = 0;
        }
        self.overflows = self.overflows.saturating_add(1);
        self.overflowed_at = Some(now);
        let until = now + self.rest();
        self.state = match way {
            ReadMethod::Whole => PlanState::Measured { until },
            ReadMethod::Measured => PlanState::Suspended {
                until,
                then: ReadMethod::Measured,
                why: Unreadable {
                    code: UnreadableCode::TooLarge,
                    why: format!(
                        "its field names are larger than {} MiB: a field name is far too long, and \
                         nothing can be read until it is deleted (HDEL)",
                        MAX_REPLY / (1024 * 1024)
                    ),
                },
            },
        };
    }

    /// Measuring failed for a lasting reason (a missing permission): after a pause it is read whole
    /// again.
    pub(super) fn cannot_measure(&mut self, why: &Unreadable, now: Instant) {
        self.state = PlanState::Suspended {
            until: now + self.rest(),
            then: ReadMethod::Whole,
            why: why.clone(),
        };
    }

    fn rest(&self) -> Duration {
        let doublings = self.overflows.saturating_sub(1).min(16);
        FIRST_REST.saturating_mul(1 << doublings).min(LONGEST_REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(pairs: &[(usize, u64)]) -> Sizes {
        let mut sizes = Sizes::default();
        for &(name, value) in pairs {
            sizes.count(name, value, value > 1 << 20);
        }
        sizes
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_hash_that_fits_is_read_whole() {
        let (mut plan, now) = (ReadPlan::default(), Instant::now());
        assert_eq!(plan.way(now), Ok(ReadMethod::Whole));
        plan.done(ReadMethod::Whole, sizes(&[(24, 11), (24, 1 << 20)]), now);
        assert_eq!(plan.way(now), Ok(ReadMethod::Whole));
    }

    #[test]
    fn a_value_that_is_too_long_is_transferred_once() {
        let (mut plan, now) = (ReadPlan::default(), Instant::now());
        let (large, fits) = (sizes(&[(24, 70 << 20)]), sizes(&[(24, 11)]));
        plan.done(ReadMethod::Whole, large, now);
        assert_eq!(plan.way(now), Ok(ReadMethod::Measured));
        for second in [0, 60, 3600] {
            plan.done(ReadMethod::Measured, large, now + seconds(second));
            assert_eq!(plan.way(now + seconds(second)), Ok(ReadMethod::Measured));
        }
        // Gone, but not for long enough.
        plan.done(ReadMethod::Measured, fits, now + seconds(3609));
        assert_eq!(plan.way(now + seconds(3609)), Ok(ReadMethod::Measured));
        plan.done(ReadMethod::Measured, fits, now + seconds(3610));
        assert_eq!(plan.way(now + seconds(3610)), Ok(ReadMethod::Whole));
    }

    #[test]
    fn many_values_that_pass_the_budget_together_are_measured_for_good() {
        let (mut plan, now) = (ReadPlan::default(), Instant::now());
        plan.overflowed(ReadMethod::Whole, now);
        plan.done(
            ReadMethod::Measured,
            sizes(&[(4, 1 << 20); 80]),
            now + seconds(60),
        );
        assert_eq!(plan.way(now + seconds(60)), Ok(ReadMethod::Measured));
        // Of many fields a step of HSCAN brings some only.
        plan.done(
            ReadMethod::Measured,
            sizes(&[(24, 2000); 20_000]),
            now + seconds(600),
        );
        assert_eq!(plan.way(now + seconds(600)), Ok(ReadMethod::Whole));
    }

    #[test]
    fn what_passes_the_budget_again_and_again_is_asked_for_ever_less_often() {
        let (mut plan, start) = (ReadPlan::default(), Instant::now());
        plan.overflowed(ReadMethod::Whole, start);
        let (mut now, mut replies) = (start, 1);
        while now < start + seconds(24 * 3600) {
            plan.overflowed(ReadMethod::Measured, now);
            replies += 1;
            assert!(
                plan.way(now)
                    .is_err_and(|unreadable| unreadable.why.contains("HDEL"))
            );
            assert!(plan.retry_at().is_some_and(|at| at > now));
            now = plan.retry_at().unwrap_or(now);
            assert_eq!(plan.way(now), Ok(ReadMethod::Measured));
        }
        assert!(replies < 110, "{replies}");
        plan.done(ReadMethod::Measured, sizes(&[(24, 11)]), now);
        plan.done(ReadMethod::Measured, sizes(&[(24, 11)]), now + LONGEST_REST);
        assert_eq!(plan.way(now + LONGEST_REST), Ok(ReadMethod::Whole));
        // Long after, it begins anew.
        now += FORGOTTEN + seconds(1);
        plan.overflowed(ReadMethod::Whole, now);
        plan.overflowed(ReadMethod::Measured, now);
        assert_eq!(plan.retry_at(), Some(now + 2 * FIRST_REST));
    }

    #[test]
    fn where_it_cannot_be_measured_it_is_read_whole_after_a_rest() {
        let (mut plan, now) = (ReadPlan::default(), Instant::now());
        plan.overflowed(ReadMethod::Whole, now);
        let unreadable = Unreadable {
            code: UnreadableCode::NoPerm,
            why: "NOPERM".to_owned(),
        };
        plan.cannot_measure(&unreadable, now);
        assert_eq!(plan.way(now), Err(unreadable));
        assert_eq!(plan.way(now + FIRST_REST), Ok(ReadMethod::Whole));
    }
}
