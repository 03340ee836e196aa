//! That a hash is to be scanned, why, and when.

use std::time::Instant;

/// Why a hash is to be scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
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

impl Cause {
    /// Whether the hash is known, or must be suspected, to differ from what is
    /// known of it.
    pub(super) fn is_suspicion(self) -> bool {
        self != Cause::Resync
    }
}

/// That a hash is to be scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) cause: Cause,
    /// Not before this.
    pub(super) due: Instant,
    /// The length of the hash was asked since the wish arose.
    pub(super) sized: bool,
}

impl Wish {
    /// Joins a new wish with what is wished already: the weightier cause, and
    /// the earlier time; but another change does not hurry a scan that waits for
    /// its turn.
    pub(super) fn join(wished: Option<Wish>, cause: Cause, due: Instant) -> Wish {
        match wished {
            None => Wish {
                cause,
                due,
                sized: false,
            },
            Some(wish) if wish.cause == Cause::Change && cause == Cause::Change => wish,
            Some(wish) => Wish {
                cause: wish.cause.max(cause),
                due: wish.due.min(due),
                ..wish
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
        let change = Wish::join(None, Cause::Change, later);
        assert_eq!(Wish::join(Some(change), Cause::Change, now), change);
        let resync = Wish::join(Some(change), Cause::Resync, now);
        assert_eq!((resync.cause, resync.due), (Cause::Change, now));
        let first = Wish::join(Some(resync), Cause::First, later);
        assert_eq!((first.cause, first.due), (Cause::First, now));
    }
}
