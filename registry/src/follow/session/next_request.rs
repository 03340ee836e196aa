//! Chooses the next request.

use std::time::Instant;

use super::Session;
use super::request_plan::{InfoDepth, RequestPlan};
use crate::connect::Pushed;
use crate::follow::hash::Hash;
use crate::follow::reread::Reread;
use crate::follow::round::Round;
use crate::follow::scan::{
    HGETALL_MAX_FIELDS, UNSTABLE_HGETALL_MAX_BYTES, UNSTABLE_HGETALL_MAX_FIELDS,
};
use crate::follow::scheduled_scan::ScanCause;

impl Session<'_> {
    /// The request to send now, if any.
    pub(super) fn next_request(&mut self, now: Instant) -> Option<RequestPlan> {
        if !self.logs_read {
            return Some(RequestPlan {
                depth: InfoDepth::Clients,
                ..RequestPlan::logs_only()
            });
        }
        if !self.rereads.is_empty() {
            let rereads = self.rereads.next();
            let flushed = |changed: &Reread| self.is_flushed(changed.hash);
            let depth = if rereads.iter().any(flushed) {
                InfoDepth::Everything
            } else {
                InfoDepth::Nothing
            };
            return Some(RequestPlan {
                rereads,
                depth,
                ..RequestPlan::logs_only()
            });
        }
        if !self.closing.0.is_empty() {
            let (closes, depth) =
                std::mem::replace(&mut self.closing, (Vec::new(), InfoDepth::Nothing));
            return Some(RequestPlan {
                closes,
                depth,
                ..RequestPlan::logs_only()
            });
        }
        let at_once = self.due_at_once(now);
        if !at_once.is_empty() {
            return Some(self.begin_at_once(at_once, now));
        }
        if let Some(step) = self.next_step(now) {
            return Some(step);
        }
        let unread = self.connection.invalidations.unread();
        let pushed = |pushed: &Pushed| matches!(pushed, Pushed::Log | Pushed::LogThenHash);
        let hashes = &self.state.hashes;
        let unsized_due = |hash: &Hash| is_due(hash, now) && !hash.is_sized();
        let asks = unread.iter().any(pushed)
            || hashes
                .iter()
                .any(|hash| hash.has_more() || unsized_due(hash));
        asks.then(RequestPlan::logs_only)
    }

    /// The hashes that are to be scanned now by one request: all, if one request can read all.
    pub(super) fn due_at_once(&mut self, now: Instant) -> Vec<usize> {
        let one_moment = self.needs_one_moment();
        let mut fit = Vec::new();
        let (mut all_fit, mut fields, mut bytes) = (true, 0, 0);
        for (index, hash) in self.state.hashes.iter_mut().enumerate() {
            if hash.can_be_read() {
                let fits = hash.fits_at_once(one_moment, now) && hash.scan().is_none();
                all_fit &= fits;
                fields += hash.length();
                bytes += hash.bytes();
                fit.extend(fits.then_some(index));
            }
        }
        let hashes = &self.state.hashes;
        let is = |index: &usize, is: fn(&Hash, Instant) -> bool| {
            hashes.get(*index).is_some_and(|hash| is(hash, now))
        };
        let Some(&first) = fit.iter().find(|&index| is(index, is_ready)) else {
            return Vec::new();
        };
        if self.state.apart_until.is_some_and(|until| now < until) {
            return vec![first];
        }
        if all_fit && fields <= HGETALL_MAX_FIELDS {
            return fit;
        }
        let few = fields <= UNSTABLE_HGETALL_MAX_FIELDS && bytes <= UNSTABLE_HGETALL_MAX_BYTES;
        if one_moment && all_fit && few && self.may_be_read_together(&fit, now) {
            let load = self.state.load;
            for hash in &mut self.state.hashes {
                if !is_ready(hash, now) {
                    hash.pacer.scanned(load, now);
                }
            }
            return fit;
        }
        // With a large hash, read whatever would have to wait for it.
        let large = fit.iter().find(|&index| is(index, is_large_and_ready));
        let (first, also, most): (_, fn(&Hash, Instant) -> bool, _) = match large {
            Some(&large) => (large, is_concerned, UNSTABLE_HGETALL_MAX_FIELDS),
            None => (first, is_ready, HGETALL_MAX_FIELDS),
        };
        let length = |index: usize| hashes.get(index).map_or(0, Hash::length);
        let mut fields = length(first);
        fit.retain(|&index| {
            if index == first {
                return true;
            }
            let fits = is(&index, also) && fields + length(index) <= most;
            fields += if fits { length(index) } else { 0 };
            fits
        });
        fit
    }

    /// Whether one request is to read all hashes although they are not small: only that shows which
    /// hash has a role that moves between them.
    fn needs_one_moment(&self) -> bool {
        let tried = !self.complete && self.attempts > 0;
        self.polls() || tried || self.state.hashes.iter().any(Hash::has_deferred)
    }

    /// Whether a hash is due that none of the others is longer than, unless the other may be scanned
    /// again as well: a short hash that keeps changing must not cause scans of a long one.
    fn may_be_read_together(&self, some: &[usize], now: Instant) -> bool {
        let hashes = || {
            some.iter()
                .filter_map(|&index| self.state.hashes.get(index))
        };
        let due = hashes().filter(|hash| is_ready(hash, now));
        let longest = due.map(Hash::length).max().unwrap_or(0);
        hashes().all(|hash| hash.length() <= longest || hash.pacer.earliest(now) <= now)
    }

    pub(super) fn begin_at_once(&mut self, hashes: Vec<usize>, now: Instant) -> RequestPlan {
        self.begin_round_if_all(hashes.len());
        let mut counters = false;
        for &index in &hashes {
            counters |= self.begin(index, true, now);
        }
        let depth = if counters {
            InfoDepth::Everything
        } else {
            InfoDepth::Identity
        };
        RequestPlan {
            steps: hashes.clone(),
            begins: hashes.clone(),
            closes: hashes,
            depth,
            ..RequestPlan::logs_only()
        }
    }

    /// If these are all hashes, their scan is a full round.
    pub(super) fn begin_round_if_all(&mut self, hashes: usize) {
        let readable = self.state.hashes.iter().filter(|hash| hash.can_be_read());
        if self.round.is_none() && readable.count() == hashes {
            self.round = Some(Round::new(self.state.hashes.len()));
        }
    }

    /// Begins a scan. Returns whether all sections of INFO are needed, whatever it finds.
    pub(super) fn begin(&mut self, index: usize, at_once: bool, now: Instant) -> bool {
        if let Some(round) = &mut self.round {
            round.reads(now);
        }
        self.scans += 1;
        let (number, flushes, polls) = (self.scans, self.flushes, self.polls());
        let Some(hash) = self.state.hashes.get_mut(index) else {
            return false;
        };
        hash.begin(number, flushes, at_once, now);
        if let Some(scan) = hash.scan_mut() {
            // Without tracking it is not known.
            scan.torn = polls && !scan.is_exact();
        }
        hash.scan()
            .is_some_and(|scan| scan.cause != ScanCause::Change)
            || !hash.is_undisturbed()
    }

    /// The next step of a scan by HSCAN: of the one in progress, or of one that is due.
    pub(super) fn next_step(&mut self, now: Instant) -> Option<RequestPlan> {
        let hashes = &self.state.hashes;
        let under_way = hashes.iter().position(|hash| hash.scan().is_some());
        let Some(index) = under_way else {
            let index = hashes.iter().position(|hash| is_ready(hash, now))?;
            self.begin_round_if_all(1);
            let at_once = self.state.hashes.get(index).is_none_or(Hash::is_small);
            self.begin(index, at_once, now);
            return Some(RequestPlan {
                steps: vec![index],
                begins: vec![index],
                ..RequestPlan::logs_only()
            });
        };
        let hash = hashes.get(index)?;
        if !hash.scan()?.is_read() {
            return Some(RequestPlan {
                steps: vec![index],
                ..RequestPlan::logs_only()
            });
        }
        let suspicion = hash.scan()?.cause != ScanCause::Change || !hash.is_undisturbed();
        let depth = if suspicion {
            InfoDepth::Everything
        } else {
            InfoDepth::Identity
        };
        Some(RequestPlan {
            closes: vec![index],
            depth,
            ..RequestPlan::logs_only()
        })
    }
}

/// Whether it is to be scanned now, and its length is known.
fn is_ready(hash: &Hash, now: Instant) -> bool {
    is_due(hash, now) && hash.is_sized()
}

fn is_large_and_ready(hash: &Hash, now: Instant) -> bool {
    is_ready(hash, now) && !hash.is_small()
}

/// Whether others may have to wait for its scan, or it for theirs.
fn is_concerned(hash: &Hash, now: Instant) -> bool {
    is_ready(hash, now) || hash.is_suspected() || hash.has_deferred()
}

fn is_due(hash: &Hash, now: Instant) -> bool {
    hash.due().is_some_and(|due| due <= now)
}
