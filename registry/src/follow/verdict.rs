//! Whether fields that are missing from a hash were deleted or lost.

use serde::{Deserialize, Serialize};

use super::loss_counters::LossCounters;
use super::pending_changes::Absence;
use super::replication_identity::ReplicationIdentity;

/// What the log shows about whether the data continues from the known state. A later variant
/// outweighs an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogEvidence {
    /// It contains the last known entry: the data is that state and what came after.
    Continues,
    /// There is no log, or it was not read.
    #[default]
    Absent,
    /// It no longer contains the last known entry.
    Broken,
}

/// A value at the last scan, and now. None if INFO is refused.
#[derive(Debug)]
pub(super) struct ThenAndNow<'a, T> {
    pub(super) then: Option<&'a T>,
    pub(super) now: Option<&'a T>,
}

/// The evidence about a hash in which a scan misses fields that were not deleted by the log.
#[derive(Debug)]
pub(super) struct LossEvidence<'a> {
    pub(super) log: LogEvidence,
    /// Something was changed without the log after the last known entry. The log proves nothing
    /// about it.
    pub(super) unlogged: bool,
    /// Logged changes were applied after the last scan: `then` is from before them.
    pub(super) logged: bool,
    /// This connection has tracked the hash since the last scan.
    pub(super) watched: bool,
    /// A flush was pushed since, of any database.
    pub(super) flushed: bool,
    /// More than half of the hash is missing.
    pub(super) most: bool,
    /// The hash had a time to live.
    pub(super) had_ttl: bool,
    pub(super) identity: ThenAndNow<'a, ReplicationIdentity>,
    pub(super) losses: ThenAndNow<'a, LossCounters>,
}

impl LossEvidence<'_> {
    /// Whether the missing fields were deleted, or got lost.
    ///
    /// They were deleted if the data provably continues from the last scan, and nothing happened
    /// that loses data. In doubt they are lost, because a name that is answered for too long does
    /// less harm than one that is not answered.
    pub(super) fn verdict(&self) -> Absence {
        let lost = self.was_flushed() || self.was_swapped() || self.was_evicted();
        if self.goes_on() && !lost {
            Absence::Removed
        } else {
            Absence::Lost
        }
    }

    /// Whether everything that happened was pushed.
    fn undisturbed(&self) -> bool {
        self.watched && !self.flushed
    }

    fn goes_on(&self) -> bool {
        match self.log {
            LogEvidence::Continues => {
                self.undisturbed() || !self.unlogged || self.has_all_that_was_read()
            }
            LogEvidence::Broken => self.undisturbed() || self.is_same_process(),
            LogEvidence::Absent => self.undisturbed() || self.has_all_that_was_read(),
        }
    }

    /// By its replication ID the data continues from the last scan.
    fn has_all_that_was_read(&self) -> bool {
        let ThenAndNow {
            then: Some(then),
            now: Some(now),
        } = self.identity
        else {
            return false;
        };
        let reattached = match self.losses {
            ThenAndNow {
                then: Some(then),
                now: Some(now),
            } => now.reattached_since(then),
            _ => true,
        };
        let read_last = !self.logged && now.continues(then);
        read_last || now.is_same_master(then) && !reattached
    }

    /// The same process, with the same data set: if the last known entry is not in the log, the log
    /// was trimmed, or flushed.
    fn is_same_process(&self) -> bool {
        let identities = self.identity.then.zip(self.identity.now);
        let losses = self.losses.then.zip(self.losses.now);
        identities.is_some_and(|(then, now)| now.is_same_process(then))
            && losses.is_some_and(|(then, now)| !now.reattached_since(then))
    }

    /// Our database was flushed, or may have been. It was not if the log still has the last known
    /// entry. And if most of the hash is still there, the flush of one database was of another.
    fn was_flushed(&self) -> bool {
        if self.log == LogEvidence::Continues || self.undisturbed() {
            return false;
        }
        // Redis 8.0 pushes a flush before it counts it: it frees the keys in the background first.
        if self.flushed && self.most {
            return true;
        }
        match self.losses.then.zip(self.losses.now) {
            Some((then, now)) => {
                now.flushed_all_since(then) || self.most && now.flushed_one_since(then)
            }
            None => true,
        }
    }

    /// Our database was swapped for another, or may have been: for that nothing is pushed.
    fn was_swapped(&self) -> bool {
        let losses = self.losses.then.zip(self.losses.now);
        self.log != LogEvidence::Continues
            && self.most
            && losses.is_some_and(|(then, now)| now.swapped_since(then))
    }

    /// The hash was evicted or has expired, or may have. Redis evicts whole keys.
    fn was_evicted(&self) -> bool {
        if !self.most {
            return false;
        }
        match self.losses.then.zip(self.losses.now) {
            Some((then, now)) => now.took_since(then, self.had_ttl),
            None => self.had_ttl,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::loss_counters::tests::counters;
    use super::super::replication_identity::tests::identity;
    use super::*;

    const NONE: (&str, i64) = ("0000", -1);

    /// A hash on a connection that has watched it, in a quiet Redis; and what
    /// is said of it when something is different.
    fn verdict(differently: impl for<'a> Fn(&mut LossEvidence<'a>)) -> Absence {
        let (then, quiet) = (identity("run1", "data1", 100, NONE), counters(""));
        let mut case = LossEvidence {
            log: LogEvidence::Absent,
            unlogged: false,
            logged: false,
            watched: true,
            flushed: false,
            most: false,
            had_ttl: false,
            identity: ThenAndNow {
                then: Some(&then),
                now: Some(&then),
            },
            losses: ThenAndNow {
                then: Some(&quiet),
                now: Some(&quiet),
            },
        };
        differently(&mut case);
        case.verdict()
    }

    /// The same with what INFO says now.
    fn later(now: &ReplicationIdentity, losses: &str, log: LogEvidence, most: bool) -> Absence {
        let (then, quiet, moved) = (
            identity("run1", "data1", 100, NONE),
            counters(""),
            counters(losses),
        );
        LossEvidence {
            log,
            unlogged: false,
            logged: false,
            watched: false,
            flushed: false,
            most,
            had_ttl: false,
            identity: ThenAndNow {
                then: Some(&then),
                now: Some(now),
            },
            losses: ThenAndNow {
                then: Some(&quiet),
                now: Some(&moved),
            },
        }
        .verdict()
    }

    #[test]
    fn what_is_missing_in_a_hash_under_watch_was_deleted() {
        use LogEvidence::{Absent, Broken, Continues};
        for log in [Absent, Broken, Continues] {
            for most in [false, true] {
                let gone = verdict(|case| {
                    case.log = log;
                    case.most = most;
                    case.unlogged = true;
                });
                assert_eq!(gone, Absence::Removed, "{log:?} {most}");
            }
        }
        let gone = verdict(|case| {
            case.identity.now = None;
            case.losses.now = None;
            case.most = true;
        });
        assert_eq!(gone, Absence::Removed, "without INFO");
    }

    #[test]
    fn a_swap_of_databases_is_not_pushed_and_is_a_loss() {
        let swapped = counters("cmdstat_swapdb:calls=1");
        for (most, expected) in [(true, Absence::Lost), (false, Absence::Removed)] {
            let gone = LossEvidence {
                log: LogEvidence::Broken,
                unlogged: false,
                logged: false,
                watched: true,
                flushed: false,
                most,
                had_ttl: false,
                identity: ThenAndNow {
                    then: None,
                    now: None,
                },
                losses: ThenAndNow {
                    then: Some(&counters("")),
                    now: Some(&swapped),
                },
            }
            .verdict();
            assert_eq!(gone, expected, "{most}");
        }
    }

    #[test]
    fn our_entry_in_the_log_proves_what_was_logged() {
        let other = identity("run9", "data9", 5, NONE);
        let flushed = "cmdstat_flushall:calls=7\r\ncmdstat_flushdb:calls=7";
        let gone = later(&other, flushed, LogEvidence::Continues, true);
        assert_eq!(gone, Absence::Removed);
        let unlogged = |now: &ReplicationIdentity| {
            verdict(|case| {
                case.log = LogEvidence::Continues;
                case.watched = false;
                case.unlogged = true;
                case.identity.now = case.identity.now.filter(|same| *same == now);
            })
        };
        assert_eq!(unlogged(&other), Absence::Lost);
        assert_eq!(
            unlogged(&identity("run1", "data1", 100, NONE)),
            Absence::Removed
        );
    }

    #[test]
    fn a_log_without_our_entry_was_trimmed_only_in_the_same_process() {
        let broken = |now: &ReplicationIdentity, losses: &str| {
            later(now, losses, LogEvidence::Broken, false)
        };
        let same = identity("run1", "data1", 120, NONE);
        assert_eq!(broken(&same, ""), Absence::Removed);
        assert_eq!(broken(&same, "cmdstat_flushdb:calls=1"), Absence::Removed);
        let most = later(&same, "cmdstat_flushdb:calls=1", LogEvidence::Broken, true);
        assert_eq!(most, Absence::Lost);
        assert_eq!(broken(&same, "cmdstat_flushall:calls=1"), Absence::Lost);
        assert_eq!(broken(&same, "cmdstat_replicaof:calls=1"), Absence::Lost);
        assert_eq!(
            broken(&identity("run1", "data1", 99, NONE), ""),
            Absence::Lost
        );
        // A promoted replica would have our entry, had it all.
        let promoted = identity("run2", "data2", 150, ("data1", 101));
        assert_eq!(broken(&promoted, ""), Absence::Lost);
    }

    #[test]
    fn without_a_log_replication_tells() {
        let absent = |now: &ReplicationIdentity, losses: &str, most| {
            later(now, losses, LogEvidence::Absent, most)
        };
        let promoted = identity("run2", "data2", 150, ("data1", 101));
        let older = identity("run2", "data2", 150, ("data1", 51));
        assert_eq!(absent(&promoted, "", true), Absence::Removed);
        assert_eq!(absent(&older, "", false), Absence::Lost);
        let same = identity("run1", "data1", 100, NONE);
        assert_eq!(absent(&same, "", true), Absence::Removed);
        assert_eq!(
            absent(&same, "cmdstat_flushall:calls=1", false),
            Absence::Lost
        );
        assert_eq!(
            absent(&same, "cmdstat_flushdb:calls=1", false),
            Absence::Removed
        );
        assert_eq!(
            absent(&same, "cmdstat_flushdb:calls=1", true),
            Absence::Lost
        );
        // A master that lost its last replica an hour ago.
        let anew = identity("run1", "data5", 0, NONE);
        assert_eq!(absent(&anew, "", false), Absence::Removed);
        assert_eq!(
            absent(&anew, "cmdstat_slaveof:calls=2", false),
            Absence::Lost
        );
    }

    #[test]
    fn an_offset_from_before_the_last_change_proves_nothing() {
        let replica = identity("run2", "data1", 120, NONE);
        for (logged, gone) in [(false, Absence::Removed), (true, Absence::Lost)] {
            let then = identity("run1", "data1", 100, NONE);
            let quiet = counters("");
            let case = LossEvidence {
                log: LogEvidence::Absent,
                unlogged: false,
                logged,
                watched: false,
                flushed: false,
                most: false,
                had_ttl: false,
                identity: ThenAndNow {
                    then: Some(&then),
                    now: Some(&replica),
                },
                losses: ThenAndNow {
                    then: Some(&quiet),
                    now: Some(&quiet),
                },
            };
            assert_eq!(case.verdict(), gone);
        }
    }

    #[test]
    fn a_flush_that_was_pushed_needs_the_counters_to_be_another_databases() {
        let (same, log) = (identity("run1", "data1", 100, NONE), LogEvidence::Absent);
        assert_eq!(later(&same, "", log, false), Absence::Removed);
        let gone = verdict(|case| case.flushed = true);
        assert_eq!(gone, Absence::Removed, "a replica was loaded anew");
        let gone = verdict(|case| {
            case.flushed = true;
            case.most = true;
        });
        assert_eq!(gone, Absence::Lost, "it is not counted yet");
        let gone = verdict(|case| {
            case.flushed = true;
            case.losses.now = None;
        });
        assert_eq!(gone, Absence::Lost);
        let gone = verdict(|case| {
            case.flushed = true;
            case.identity.then = None;
        });
        assert_eq!(gone, Absence::Lost);
    }

    #[test]
    fn a_hash_that_was_evicted_or_expired_is_lost() {
        let policy = "evicted_keys:4\r\nmaxmemory_policy:allkeys-lru";
        let same = identity("run1", "data1", 100, NONE);
        for log in [LogEvidence::Absent, LogEvidence::Continues] {
            assert_eq!(later(&same, policy, log, true), Absence::Lost);
            assert_eq!(later(&same, policy, log, false), Absence::Removed);
            assert_eq!(later(&same, "evicted_keys:4", log, true), Absence::Removed);
        }
        let gone = verdict(|case| {
            case.most = true;
            case.had_ttl = true;
            case.losses.now = None;
        });
        assert_eq!(gone, Absence::Lost);
    }

    #[test]
    fn of_a_redis_that_says_nothing_nothing_is_believed() {
        let gone = verdict(|case| {
            case.watched = false;
            case.identity.then = None;
            case.losses.then = None;
        });
        assert_eq!(gone, Absence::Lost);
    }
}
