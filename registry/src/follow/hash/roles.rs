//! The roles of a hash that a scan found changed.

use std::collections::{HashMap, HashSet};

use super::{FieldsRead, Hash, ReadRole};
use crate::follow::deferred_roles::{AwaitedScan, RoleDecision};
use crate::follow::pending_changes::Absence;
use crate::follow::replica::Content;
use crate::follow::role::{drops, role_of};

/// The most fields of a role that a scan did not find which are asked for again, besides those that
/// it is known to have.
const MOST_REMEMBERED: usize = 100;

impl Hash {
    /// The roles that the scan found changed, with all their fields and values as the scan read
    /// them.
    pub(in crate::follow) fn changed_roles(&mut self) -> Vec<ReadRole> {
        let Some(scan) = &self.now.scan else {
            return Vec::new();
        };
        let (staged, replica) = (scan.staged(), &self.replica);
        let unseen: HashSet<&[u8]> = replica.unseen().collect();
        let changed = staged.iter().map(|(field, _)| field);
        let mut roles: HashMap<Vec<u8>, FieldsRead> = changed
            .chain(unseen.iter().copied())
            .map(|field| (role_of(field).into_owned(), Vec::new()))
            .collect();
        for (field, known) in replica.iter() {
            if let Some(fields) = roles.get_mut(&*role_of(field)) {
                let read = staged.get(field).or(Some(known));
                let read = read
                    .filter(|_| !unseen.contains(field))
                    .map(Content::to_bytes);
                fields.push((field.to_vec(), read));
            }
        }
        for (field, content) in staged.iter() {
            if replica.get(field).is_none()
                && let Some(fields) = roles.get_mut(&*role_of(field))
            {
                fields.push((field.to_vec(), Some(content.to_bytes())));
            }
        }
        for (role, fields) in &mut roles {
            // It may have moved to a field that it had a while ago.
            let is_nowhere = fields.iter().all(|(_, read)| read.is_none());
            if is_nowhere && let Some(known) = self.now.deferred.fields_of(role) {
                for (field, _) in known.into_iter().take(MOST_REMEMBERED) {
                    if !fields.iter().any(|(other, _)| *other == field) {
                        fields.push((field, None));
                    }
                }
            }
        }
        let found = !roles.is_empty();
        self.now.deferred.retain(|role| roles.contains_key(role));
        self.note_unlogged(found);
        roles
            .into_iter()
            .map(|(role, fields)| ReadRole { role, fields })
            .collect()
    }

    /// Deferred roles whose awaited scans are complete.
    pub(in crate::follow) fn ready_roles(
        &self,
        completed: impl Fn(AwaitedScan) -> bool,
    ) -> Vec<ReadRole> {
        let ready = self.now.deferred.ready(completed);
        let unread = |field| (field, None);
        ready
            .into_iter()
            .map(|(role, fields)| ReadRole {
                role,
                fields: fields.into_iter().map(unread).collect(),
            })
            .collect()
    }

    /// Takes the deferred roles that the log has changed meanwhile, each as far as it is known.
    pub(in crate::follow) fn take_overtaken(&mut self) -> Vec<ReadRole> {
        let mut roles = Vec::new();
        for role in std::mem::take(&mut self.now.overtaken) {
            let Some(mut fields) = self.now.deferred.fields_of(&role) else {
                continue;
            };
            let ours = self.replica.iter().map(|(field, _)| field);
            for field in ours.filter(|field| *role_of(field) == *role) {
                if !fields.iter().any(|(known, _)| known == field) {
                    fields.push((field.to_vec(), true));
                }
            }
            let value = |field: &[u8]| self.replica.get(field).map(Content::to_bytes);
            let fields = fields
                .into_iter()
                .map(|(field, there)| {
                    let value = value(&field).filter(|_| there);
                    (field, value)
                })
                .collect();
            roles.push(ReadRole { role, fields });
        }
        roles
    }

    /// A role is to be read again.
    pub(in crate::follow) fn is_to_be_reread(&mut self) {
        self.now.rereading = true;
    }

    /// Nothing is to be read again: what the log changes counts from now on.
    pub(in crate::follow) fn nothing_to_reread(&mut self) {
        self.now.rereading = false;
        self.now.logged_meanwhile.clear();
    }

    /// Whether the log has changed a role since it was to be read again. What was read of it is then not
    /// all that there is: the log may have added fields. Together both are all of it.
    pub(in crate::follow) fn was_logged_meanwhile(&self, role: &[u8]) -> bool {
        self.now.logged_meanwhile.contains(role)
    }

    /// A role was read at one moment: uses it, or defers it.
    pub(in crate::follow) fn settle(
        &mut self,
        read: ReadRole,
        gone: Absence,
        awaited: Vec<AwaitedScan>,
        completed: impl Fn(AwaitedScan) -> bool,
    ) -> RoleDecision {
        let missing = read.fields.iter().filter(|(_, value)| value.is_none());
        let missing: HashSet<Vec<u8>> = missing.map(|(field, _)| field.clone()).collect();
        let fields = read.fields.iter().map(|(field, _)| field.clone()).collect();
        // What is lost is retained: there is nothing to wait for. And a role that is partly up to
        // date cannot keep its previous state.
        let partly = self.logged_after_gap.contains(&read.role);
        let awaited = if partly || gone == Absence::Lost {
            Vec::new()
        } else {
            awaited
        };
        let deferred = &mut self.now.deferred;
        let decision = deferred.decide(&read.role, fields, missing, awaited, completed);
        if decision == RoleDecision::Use {
            for (field, value) in read.fields {
                match value {
                    Some(value) => {
                        let _ = self.set(&field, Content::of(&value));
                    }
                    None => self.lose(&field, gone),
                }
            }
        }
        decision
    }

    /// The fields of a role that moved out of another hash were read here at the same moment. Uses
    /// those that are present.
    pub(in crate::follow) fn adopt_moved(&mut self, read: ReadRole) {
        for (field, value) in read.fields {
            if let Some(value) = value {
                let _ = self.set(&field, Content::of(&value));
            }
        }
    }

    /// Whether a role is deferred.
    pub(in crate::follow) fn has_deferred(&self) -> bool {
        !self.now.deferred.is_empty()
    }

    /// A field is missing.
    pub(super) fn lose(&mut self, field: &[u8], gone: Absence) {
        if self.forget(field) {
            let dropped = self.known.drops.iter().any(|scope| drops(scope, field));
            self.pending
                .gone(field, if dropped { Absence::Removed } else { gone });
        }
    }
}
