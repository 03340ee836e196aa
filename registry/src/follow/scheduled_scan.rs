//! That a hash is to be scanned, why, and when.

use std::time::Instant;

/// Why a hash is to be scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ScanCause {
    /// It is time to read everything again.
    Resync,
    /// It is time to look whether something has changed, where nothing is
    /// pushed.
    Poll,
    /// Something changed, and the log does not tell what.
    Change,
    /// It was not read on this connection yet.
    First,
}

impl ScanCause {
    /// Whether the hash is known, or must be suspected, to differ from what is
    /// known of it.
    pub(super) fn is_suspicion(self) -> bool {
        self != ScanCause::Resync
    }
}

/// That a hash is to be scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScheduledScan {
    pub(super) cause: ScanCause,
    /// Not before this.
    pub(super) due: Instant,
    /// The length of the hash was asked since the scheduled arose.
    pub(super) sized: bool,
}

impl ScheduledScan {
    /// Joins a new scheduled with what is scheduled already: the weightier cause, and
    /// the earlier time; but another change does not hurry a scan that waits for
    /// its turn.
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
    use super::*;
    use std::time::Duration;

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
