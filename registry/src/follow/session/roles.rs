//! Roles that are not used as a scan found them: they are read again, or wait.

use super::{Session, turn};
use crate::follow::confirmation::{self, Changed, Why};
use crate::follow::draft::Gone;
use crate::follow::hash::{Hash, ReadRole, ServerFacts};
use crate::follow::question::Answer;
use crate::follow::trouble::Trouble;
use crate::follow::unsettled::{Decision, Later};
use crate::follow::wish::Cause;
use std::time::Instant;

impl Session<'_> {
    /// Roles of other hashes that have waited for these.
    pub(super) fn confirm_what_waited(&mut self, closed: &[usize]) {
        if self.denied.fields {
            let now = Instant::now();
            for (index, hash) in self.memory.hashes.iter_mut().enumerate() {
                if !closed.contains(&index) && hash.has_unsettled() {
                    hash.wish(Cause::Change, now);
                }
            }
            return;
        }
        let hashes = &self.memory.hashes;
        let completed = |later: Later| {
            let hash = hashes.get(later.hash);
            is_complete(hash.and_then(Hash::completed), later)
        };
        let mut ready = Vec::new();
        for (index, hash) in hashes.iter().enumerate() {
            if !closed.contains(&index) {
                ready.extend(hash.ready_roles(completed).into_iter().map(|read| Changed {
                    hash: index,
                    read,
                    gone: Gone::Removed,
                    why: Why::Waited,
                }));
            }
        }
        for changed in ready {
            self.confirm_with_others(changed);
        }
    }

    /// Roles that have waited, and of which the log has told meanwhile: they are
    /// used as they are now.
    pub(super) fn confirm_what_was_logged(&mut self, now: Instant) {
        let mut overtaken = Vec::new();
        for (index, hash) in self.memory.hashes.iter_mut().enumerate() {
            overtaken.extend(hash.take_overtaken().into_iter().map(|read| Changed {
                hash: index,
                read,
                gone: Gone::Removed,
                why: Why::Logged,
            }));
        }
        for changed in overtaken {
            if self.denied.fields {
                self.settle(changed, now);
            } else {
                self.confirmation.add(changed);
            }
        }
    }

    /// Has a role read again, and at the same moment the fields of these names in
    /// other hashes that have changed: what is missing may have moved there.
    pub(super) fn confirm_with_others(&mut self, changed: Changed) {
        for other in self.suspects(&[changed.hash]) {
            let unread = |(field, _): &(Vec<u8>, Option<Vec<u8>>)| (field.clone(), None);
            self.confirmation.add(Changed {
                hash: other.hash,
                read: ReadRole {
                    role: changed.read.role.clone(),
                    fields: changed.read.fields.iter().map(unread).collect(),
                },
                gone: Gone::Removed,
                why: Why::Moved,
            });
        }
        self.confirmation.add(changed);
    }

    /// Roles cannot be read again. What a scan found of them is what there is;
    /// those that waited for other hashes are to be scanned.
    pub(super) fn confirm_nothing(&mut self) {
        let now = Instant::now();
        for changed in self.confirmation.give_up() {
            if matches!(changed.why, Why::Torn | Why::Logged) {
                self.settle(changed, now);
            } else if let Some(hash) = self.memory.hashes.get_mut(changed.hash) {
                hash.wish(Cause::Change, now);
            }
        }
    }

    /// Roles were read again, at one moment.
    pub(super) fn confirm(
        &mut self,
        mut some: Vec<Changed>,
        facts: &ServerFacts,
        answer: &mut Answer,
        now: Instant,
    ) -> Result<(), String> {
        if let Err(trouble) = confirmation::read(&mut some, answer) {
            return Err(match trouble {
                Trouble::Lost(why) => why,
                Trouble::Hash(unreadable) => unreadable.why,
            });
        }
        for mut changed in some {
            if self.is_flushed(changed.hash) && changed.why != Why::Moved {
                // What is missing now may be so because of that.
                if facts.losses.is_none() && !self.denied.info {
                    self.confirmation.add(changed);
                    continue;
                }
                let hash = self.memory.hashes.get(changed.hash);
                changed.gone = hash.map_or(changed.gone, |hash| hash.verdict(facts));
            }
            self.settle(changed, now);
        }
        Ok(())
    }

    /// Whether a flush was pushed that is not settled for a hash.
    pub(super) fn is_flushed(&self, index: usize) -> bool {
        self.memory.hashes.get(index).is_some_and(Hash::is_flushed)
    }

    /// A role was read at one moment.
    pub(super) fn settle(&mut self, changed: Changed, now: Instant) {
        let index = changed.hash;
        let mut awaited = self.suspects(&[index]);
        let scans = self.scans;
        let done: Vec<Option<u64>> = self.memory.hashes.iter().map(Hash::completed).collect();
        let completed = |later: Later| is_complete(done.get(later.hash).copied().flatten(), later);
        let load = self.memory.load;
        let Some(hash) = self.memory.hashes.get_mut(index) else {
            return;
        };
        if changed.why == Why::Moved {
            hash.adopt_moved(changed.read);
            return;
        }
        let torn = changed.why == Why::Torn;
        if changed.why == Why::Logged {
            awaited.clear();
        } else if torn || hash.is_suspected() {
            awaited.push(Later {
                hash: index,
                than: scans,
            });
        }
        let decision = hash.settle(changed.read, changed.gone, awaited, completed);
        if decision == Decision::Wait && torn && !hash.is_suspected() {
            hash.wish(Cause::Change, turn(load, hash, now));
        }
    }
}

/// Whether a scan that is waited for was made, or will not be.
fn is_complete(completed: Option<u64>, later: Later) -> bool {
    completed.is_none_or(|number| number > later.than)
}
