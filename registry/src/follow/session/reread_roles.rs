//! Roles that are not used as a scan found them: they are read again, or deferred.

use std::time::Instant;

use super::{Session, turn};
use crate::fault::Fault;
use crate::follow::deferred_roles::{AwaitedScan, RoleDecision};
use crate::follow::hash::{Hash, ReadRole, ServerFacts};
use crate::follow::pending_changes::Absence;
use crate::follow::read_error::ReadError;
use crate::follow::request::Replies;
use crate::follow::reread::{self, Reread, RereadReason};
use crate::follow::scheduled_scan::ScanCause;

impl Session<'_> {
    /// Reads deferred roles of other hashes again that have waited for these.
    pub(super) fn reread_deferred(&mut self, closed: &[usize]) {
        if self.denied.fields {
            let now = Instant::now();
            for (index, hash) in self.state.hashes.iter_mut().enumerate() {
                if !closed.contains(&index) && hash.has_deferred() {
                    hash.schedule_scan(ScanCause::Change, now);
                }
            }
            return;
        }
        let hashes = &self.state.hashes;
        let completed = |later: AwaitedScan| {
            let hash = hashes.get(later.hash);
            is_complete(hash.and_then(Hash::completed), later)
        };
        let mut ready = Vec::new();
        for (index, hash) in hashes.iter().enumerate() {
            if !closed.contains(&index) {
                ready.extend(hash.ready_roles(completed).into_iter().map(|read| Reread {
                    hash: index,
                    read,
                    gone: Absence::Removed,
                    why: RereadReason::Waited,
                }));
            }
        }
        for changed in ready {
            self.reread_with_others(changed);
        }
    }

    /// Deferred roles that the log has changed meanwhile: they are used as they are now.
    pub(super) fn reread_overtaken(&mut self, now: Instant) {
        let mut overtaken = Vec::new();
        for (index, hash) in self.state.hashes.iter_mut().enumerate() {
            overtaken.extend(hash.take_overtaken().into_iter().map(|read| Reread {
                hash: index,
                read,
                gone: Absence::Removed,
                why: RereadReason::Logged,
            }));
        }
        for changed in overtaken {
            if self.denied.fields {
                self.settle(changed, now);
            } else {
                self.reread_with_others(changed);
            }
        }
    }

    /// Has a role read again, and at the same moment the same fields of all other hashes: what is
    /// missing may have moved there. Which hashes have changed is not asked, because one may have
    /// changed since the last request.
    pub(super) fn reread_with_others(&mut self, changed: Reread) {
        if let Some(hash) = self.state.hashes.get_mut(changed.hash) {
            hash.is_to_be_reread();
        }
        let hashes = self.state.hashes.iter().enumerate();
        let others =
            hashes.filter(|(hash, other)| *hash != changed.hash && other.fields_can_be_read());
        let unread = |(field, _): &(Vec<u8>, Option<Vec<u8>>)| (field.clone(), None);
        let elsewhere = others.map(|(hash, _)| Reread {
            hash,
            read: ReadRole {
                role: changed.read.role.clone(),
                fields: changed.read.fields.iter().map(unread).collect(),
            },
            gone: Absence::Removed,
            why: RereadReason::Moved,
        });
        let mut group: Vec<Reread> = elsewhere.collect();
        group.push(changed);
        self.rereads.add(group);
    }

    /// The user may not read fields. Uses what the scan found; the hashes of roles that waited for
    /// other hashes are scanned again.
    pub(super) fn give_up_rereads(&mut self) {
        let now = Instant::now();
        for changed in self.rereads.give_up() {
            if matches!(changed.why, RereadReason::Torn | RereadReason::Logged) {
                self.settle(changed, now);
            } else if let Some(hash) = self.state.hashes.get_mut(changed.hash) {
                hash.schedule_scan(ScanCause::Change, now);
            }
        }
    }

    /// Roles were read again, at one moment.
    pub(super) fn take_rereads(
        &mut self,
        mut some: Vec<Reread>,
        facts: &ServerFacts,
        replies: &mut Replies,
        now: Instant,
    ) -> Result<(), Fault> {
        reread::read(&mut some, replies).map_err(ReadError::into_fault)?;
        let is_flushed =
            |role: &Reread| role.why != RereadReason::Moved && self.is_flushed(role.hash);
        if facts.losses.is_none() && !self.denied.info && some.iter().any(is_flushed) {
            // What is missing now may be so because of that. The counters are of the same moment.
            self.rereads.give_back(some);
            return Ok(());
        }
        for mut changed in some {
            let hash = self.state.hashes.get(changed.hash);
            if changed.why != RereadReason::Moved
                && hash.is_some_and(|hash| hash.was_logged_meanwhile(&changed.read.role))
            {
                changed.why = RereadReason::Logged;
            }
            if self.is_flushed(changed.hash) && changed.why != RereadReason::Moved {
                let hash = self.state.hashes.get(changed.hash);
                changed.gone = hash.map_or(changed.gone, |hash| hash.verdict(facts));
            }
            self.settle(changed, now);
        }
        Ok(())
    }

    /// Whether a flush was pushed that no scan of the hash has evaluated.
    pub(super) fn is_flushed(&self, index: usize) -> bool {
        self.state.hashes.get(index).is_some_and(Hash::is_flushed)
    }

    /// A role was read at one moment.
    pub(super) fn settle(&mut self, changed: Reread, now: Instant) {
        let index = changed.hash;
        let mut awaited = self.suspects(&[index]);
        let scans = self.scans;
        let done: Vec<Option<u64>> = self.state.hashes.iter().map(Hash::completed).collect();
        let completed =
            |later: AwaitedScan| is_complete(done.get(later.hash).copied().flatten(), later);
        let load = self.state.load;
        let Some(hash) = self.state.hashes.get_mut(index) else {
            return;
        };
        if changed.why == RereadReason::Moved {
            hash.adopt_moved(changed.read);
            return;
        }
        let torn = changed.why == RereadReason::Torn;
        if changed.why == RereadReason::Logged {
            awaited.clear();
        } else if torn || hash.is_suspected() {
            awaited.push(AwaitedScan {
                hash: index,
                than: scans,
            });
        }
        let decision = hash.settle(changed.read, changed.gone, awaited, completed);
        if decision == RoleDecision::Wait && torn && !hash.is_suspected() {
            hash.schedule_scan(ScanCause::Change, turn(load, hash, now));
        }
    }
}

/// Whether an awaited scan is complete, or will not be made.
fn is_complete(completed: Option<u64>, later: AwaitedScan) -> bool {
    completed.is_none_or(|number| number > later.than)
}
