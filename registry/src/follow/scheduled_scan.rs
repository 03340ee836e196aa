//! When a hash is to be scanned, and why.

use std::time::Instant;

/// Why a hash is to be scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ScanCause {
    /// A resync is due.
    Resync,
    /// A poll is due: nothing is pushed.
    Poll,
    /// Something changed, and the log does not say what.
    Change,
    /// The hash was not read on this connection yet.
    First,
}

impl ScanCause {
    /// Whether the hash differs, or may differ, from its replica.
    pub(super) fn is_suspicion(self) -> bool {
        self != ScanCause::Resync
    }
}

/// A scan that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScheduledScan {
    pub(super) cause: ScanCause,
    /// Not before this.
    pub(super) due: Instant,
    /// The length of the hash was read since then.
    pub(super) sized: bool,
}

impl ScheduledScan {
    /// Merges with a scan that is scheduled already: the stronger cause, and the earlier time. But
    /// another change does not advance a scan that waits for its turn.
    pub(super) fn join(
        scheduled: Option<ScheduledScan>,
        cause: ScanCause,
        due: Instant,
    ) -> ScheduledScan {
        match scheduled {
            None => ScheduledScan {
                cause,
                due,
                sized: false,
            },
            Some(scheduled)
                if scheduled.cause == ScanCause::Change && cause == ScanCause::Change =>
            {
                scheduled
            }
            Some(scheduled) => ScheduledScan {
                cause: scheduled.cause.max(cause),
                due: scheduled.due.min(due),
                ..scheduled
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_weightier_cause_and_the_earlier_time_count() {
        let now = Instant::now();
        let later = now + Duration::from_secs(20);
        let change = ScheduledScan::join(None, ScanCause::Change, later);
        assert_eq!(
            ScheduledScan::join(Some(change), ScanCause::Change, now),
            change
        );
        let resync = ScheduledScan::join(Some(change), ScanCause::Resync, now);
        assert_eq!((resync.cause, resync.due), (ScanCause::Change, now));
        let first = ScheduledScan::join(Some(resync), ScanCause::First, later);
        assert_eq!((first.cause, first.due), (ScanCause::First, now));
    }
}
