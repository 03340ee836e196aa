//! The end of a scan: whether it shows one moment.

use std::time::Instant;

use redis::Value;

use super::request_plan::{InfoDepth, RequestPlan};
use super::{Session, turn};
use crate::follow::deferred_roles::AwaitedScan;
use crate::follow::hash::{Hash, ServerFacts};
use crate::follow::read_plan::ReadMethod;
use crate::follow::request::{CommandTag, Replies};
use crate::follow::reread::{Reread, RereadReason};
use crate::follow::scan::Scan;
use crate::follow::scheduled_scan::ScanCause;

/// How often a hash that was never read is scanned again before it is reported, because it, or
/// another hash, changed meanwhile.
const FRESH_ATTEMPTS: u8 = 3;

impl Session<'_> {
    /// These scans have read everything.
    pub(super) fn finish_scans(
        &mut self,
        plan: &RequestPlan,
        facts: &ServerFacts,
        replies: &mut Replies,
        now: Instant,
    ) {
        let closes = &plan.closes;
        let hashes = &self.state.hashes;
        let scanned = |index: &&usize| {
            hashes
                .get(**index)
                .is_some_and(|hash| hash.scan().is_some())
        };
        let counters = closes
            .iter()
            .filter(scanned)
            .any(|&index| hashes.get(index).is_some_and(Hash::needs_counters));
        if counters && plan.depth != InfoDepth::Everything {
            self.closing = (closes.clone(), InfoDepth::Everything);
            return;
        }
        let torn_together = self.may_be_of_several_moments(plan);
        let awaited = if self.polls() {
            self.others(closes)
        } else {
            self.suspects(closes)
        };
        for &index in closes {
            let ttl = replies.take(CommandTag::TimeToLive(index)).next();
            let ttl = ttl
                .and_then(Result::ok)
                .map(|ttl| matches!(ttl, Value::Int(0..)));
            self.finish_scan_of(index, torn_together, &awaited, facts, ttl, now);
        }
        self.reread_deferred(closes);
    }

    /// Whether several hashes were read without a transaction, while something was pushed or could
    /// not be pushed.
    pub(super) fn may_be_of_several_moments(&self, plan: &RequestPlan) -> bool {
        let hashes = &self.state.hashes;
        let disturbed = |&index: &usize| {
            let scan = hashes.get(index).and_then(Hash::scan);
            scan.is_some_and(|scan| scan.disturbed)
        };
        self.plain && hashes.len() > 1 && (self.polls() || plan.closes.iter().any(disturbed))
    }

    /// The other hashes that have changed and were not read since.
    pub(super) fn suspects(&self, but: &[usize]) -> Vec<AwaitedScan> {
        let mut others = self.others(but);
        others.retain(|other| {
            let hash = self.state.hashes.get(other.hash);
            hash.is_some_and(Hash::is_suspected)
        });
        others
    }

    /// The other hashes that can be read: where nothing is pushed, any of them may have changed.
    fn others(&self, but: &[usize]) -> Vec<AwaitedScan> {
        let hashes = self.state.hashes.iter().enumerate();
        hashes
            .filter(|(index, hash)| !but.contains(index) && hash.completed().is_some())
            .map(|(hash, _)| AwaitedScan {
                hash,
                than: self.scans,
            })
            .collect()
    }

    /// Those of the other hashes that were read already, and have changed since.
    fn outdated(&self, others: &[AwaitedScan]) -> Vec<usize> {
        let is_read = |other: &&AwaitedScan| {
            let hash = self.state.hashes.get(other.hash);
            hash.and_then(Hash::completed).is_some_and(|scan| scan > 0)
        };
        let outdated = others.iter().filter(is_read);
        outdated.map(|other| other.hash).collect()
    }

    pub(super) fn finish_scan_of(
        &mut self,
        index: usize,
        torn_together: bool,
        others: &[AwaitedScan],
        facts: &ServerFacts,
        ttl: Option<bool>,
        now: Instant,
    ) {
        let (polls, load) = (self.polls(), self.state.load);
        let outdated = self.outdated(others);
        let readable = !self.denied.fields;
        let Some(hash) = self.state.hashes.get_mut(index) else {
            return;
        };
        let Some(way) = hash.scan().map(Scan::way) else {
            self.done(index);
            return;
        };
        let torn = !hash.close_scan() || torn_together;
        if torn && hash.scan_at_once(now) {
            return;
        }
        let fresh = hash.is_fresh();
        let gone = hash.verdict(facts);
        if fresh || !torn && others.is_empty() {
            hash.adopt(gone);
            hash.finish_scan(facts, ttl, !polls, load, now);
        } else {
            let roles = hash.changed_roles();
            hash.finish_scan(facts, ttl, !polls, load, now);
            let readable = readable && way == ReadMethod::Whole;
            for read in roles {
                // What is missing may be in another hash: that is seen at one moment.
                let missing = read.fields.iter().any(|(_, value)| value.is_none());
                let again = readable && (torn || missing);
                let changed = Reread {
                    hash: index,
                    read,
                    gone,
                    why: if torn {
                        RereadReason::Torn
                    } else {
                        RereadReason::Waited
                    },
                };
                if again {
                    self.reread_with_others(changed);
                } else {
                    self.settle(changed, now);
                }
            }
        }
        let Some(hash) = self.state.hashes.get_mut(index) else {
            return;
        };
        let again = !self.complete && !polls && self.attempts < FRESH_ATTEMPTS;
        if again && (torn || !outdated.is_empty()) && (fresh || self.attempts > 0) {
            // Nothing was reported yet, so it can be right from the start.
            self.attempts += 1;
            for index in outdated.into_iter().chain([index]) {
                if let Some(hash) = self.state.hashes.get_mut(index) {
                    hash.schedule_scan(ScanCause::First, now);
                }
            }
        } else {
            if torn && fresh {
                hash.schedule_scan(ScanCause::Change, turn(load, hash, now));
            }
            self.done(index);
        }
    }

    /// A hash was read, or cannot be read.
    pub(super) fn done(&mut self, index: usize) {
        if let Some(round) = &mut self.round {
            round.done(index);
        }
    }
}
