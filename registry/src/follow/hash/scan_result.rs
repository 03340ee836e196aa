//! Applies a scan that has read everything.

use std::time::Instant;

use super::{Hash, ServerFacts};
use crate::follow::load::Load;
use crate::follow::pending_changes::Absence;
use crate::follow::scheduled_scan::ScanCause;
use crate::follow::verdict::{LogEvidence, LossEvidence, ThenAndNow};

impl Hash {
    /// How many fields the scan did not find.
    pub(in crate::follow) fn missing(&self) -> usize {
        self.replica.count_unseen()
    }

    /// Whether all sections of INFO are needed to judge what is missing: it is most of the hash, or
    /// the hash was not tracked.
    pub(in crate::follow) fn needs_counters(&self) -> bool {
        !self.is_undisturbed() || self.misses_most()
    }

    /// Whether everything that happened to it was pushed.
    pub(in crate::follow) fn is_undisturbed(&self) -> bool {
        self.now.watched && !self.is_flushed()
    }

    /// Whether a flush was pushed that no scan has evaluated.
    pub(in crate::follow) fn is_flushed(&self) -> bool {
        self.now.flushed.is_some()
    }

    pub(super) fn misses_most(&self) -> bool {
        2 * self.missing() > self.replica.len()
    }

    /// The scan has read everything. Returns whether it shows one moment, that of the last reply.
    pub(in crate::follow) fn close_scan(&mut self) -> bool {
        let Some(scan) = &self.now.scan else {
            return true;
        };
        let staged = scan.staged().iter();
        let new = staged
            .filter(|(field, _)| self.replica.get(field).is_none())
            .count();
        let fields = self.replica.len() - self.missing() + new;
        let differs = self.length_differs(fields);
        let (exact, disturbed) = (scan.is_exact(), scan.disturbed);
        if differs && (exact || !disturbed) {
            // Nothing has changed it: HLEN counts expired fields.
            self.excess = self.length() as i64 - fields as i64;
        } else if differs && let Some(scan) = self.scan_mut() {
            scan.torn = true;
        }
        self.scan().is_none_or(|scan| !scan.torn)
    }

    /// Whether what is missing was deleted or lost.
    pub(in crate::follow) fn verdict(&self, facts: &ServerFacts) -> Absence {
        let case = LossEvidence {
            log: self.known.evidence.unwrap_or_default(),
            unlogged: self.known.unlogged,
            logged: self.known.logged,
            watched: self.now.watched,
            flushed: self.now.flushed.is_some(),
            most: self.misses_most(),
            had_ttl: self.known.ttl,
            identity: ThenAndNow {
                then: self.known.identity.as_ref(),
                now: facts.identity.as_ref(),
            },
            losses: ThenAndNow {
                then: self.known.losses.as_ref(),
                now: facts.losses.as_ref(),
            },
        };
        case.verdict()
    }

    /// Applies the whole scan.
    pub(in crate::follow) fn adopt(&mut self, gone: Absence) {
        let missing: Vec<Vec<u8>> = self.replica.unseen().map(<[u8]>::to_vec).collect();
        let Some(scan) = &mut self.now.scan else {
            return;
        };
        let staged = scan.take_staged();
        self.note_unlogged(!staged.is_empty() || !missing.is_empty());
        self.now.deferred.clear();
        for field in missing {
            self.lose(&field, gone);
        }
        if self.fresh {
            self.pending.everything();
        }
        if self.replica.is_empty() {
            self.replica = staged;
            for (field, _) in self.replica.iter() {
                self.pending.set(field);
            }
            self.count_filtered();
        } else {
            for (field, content) in staged.iter() {
                // What fits into a scan fits into the replica.
                let _ = self.set(field, content);
            }
        }
        self.replica.shrink();
    }

    /// A scan found something that the log does not have. The newest entry proves nothing about
    /// changes after it; but if the log was not followed until now, that entry may have been the
    /// last change.
    pub(super) fn note_unlogged(&mut self, found: bool) {
        let last_was_logged = self.now.newest_len.is_some()
            && self.now.newest_len == self.now.length
            && (self.fresh || self.known.evidence != Some(LogEvidence::Continues));
        self.known.unlogged |= found && !last_was_logged;
    }

    /// The scan is complete, and its result is applied as far as possible.
    pub(in crate::follow) fn finish_scan(
        &mut self,
        facts: &ServerFacts,
        ttl: Option<bool>,
        tracked: bool,
        load: Load,
        now: Instant,
    ) {
        let Some(scan) = self.now.scan.take() else {
            return;
        };
        self.fresh = false;
        self.plan.done(scan.way(), scan.sizes(), now);
        self.pacer.sized(self.replica.len(), self.replica.bytes());
        if scan.cause == ScanCause::Change {
            self.pacer.scanned(load, now);
        }
        self.known.identity.clone_from(&facts.identity);
        self.known.logged = false;
        if facts.losses.is_some() || facts.identity.is_none() {
            self.known.losses.clone_from(&facts.losses);
        }
        if let Some(ttl) = ttl {
            self.known.ttl = ttl;
        }
        self.now.completed = scan.number;
        self.now.obstacle = None;
        self.now.watched = tracked;
        if self
            .now
            .flushed
            .is_some_and(|number| number <= scan.flushes)
        {
            self.now.flushed = None;
        }
        if !scan.gap {
            self.known.evidence = None;
            self.known.gap = false;
            self.known.drops.clear();
        }
        self.known.behind |= !self.now.log_read;
    }

    /// The number of the last complete scan. None if the hash cannot be read.
    pub(in crate::follow) fn completed(&self) -> Option<u64> {
        self.now.obstacle.is_none().then_some(self.now.completed)
    }
}
