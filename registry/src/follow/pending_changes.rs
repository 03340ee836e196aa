//! The changes of one hash that have not been reported yet.

use std::collections::{HashMap, HashSet};

use cloudhosts_config::printable::reason;

use super::event::{Attribution, Changes};
use super::replica::{Content, Replica};
use super::role::{drops, role_of};
use crate::log::{DropScope, LogEntry, Operation};
use crate::pairs::Pairs;

/// The most roles of which it is recorded who changed them.
const MOST_ATTRIBUTIONS: usize = 100;

/// Why a field is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    /// It was deleted.
    Removed,
    /// Nobody is known to have deleted it: it may be lost.
    Lost,
}

/// The fields of a hash that have changed since the last report.
///
/// It holds only their names; the values are in the [`Replica`]. However often a field changes, it is
/// reported once, with its last value. This outlives a connection.
#[derive(Debug, Default)]
pub(super) struct PendingChanges {
    /// The whole replica is to be reported.
    everything: bool,
    /// The fields that changed, and if one is missing, why.
    fields: HashMap<Box<[u8]>, Absence>,
    dropped: HashSet<DropScope>,
    /// Who changed a role last, by the log.
    attributions: HashMap<String, Attribution>,
}

impl PendingChanges {
    /// Report the whole replica.
    pub(super) fn everything(&mut self) {
        self.everything = true;
    }

    /// A field has a new value.
    pub(super) fn set(&mut self, field: &[u8]) {
        self.forget_attribution(field);
        if !self.everything {
            self.fields.insert(field.into(), Absence::Removed);
        }
    }

    /// A field is missing.
    pub(super) fn gone(&mut self, field: &[u8], why: Absence) {
        self.forget_attribution(field);
        self.fields.insert(field.into(), why);
    }

    /// What is retained of a role, or of all, is no longer wanted, including what was lost before
    /// this.
    pub(super) fn dropped(&mut self, scope: DropScope) {
        for (field, why) in &mut self.fields {
            if drops(&scope, field) {
                *why = Absence::Removed;
            }
        }
        self.dropped.insert(scope);
    }

    /// Records who made a logged change. A later change without the log removes that again.
    pub(super) fn attribute(&mut self, operation: &Operation, entry: &LogEntry) {
        let role = match operation {
            Operation::Set { field, .. } | Operation::Delete { field } => role_of(field),
            Operation::Drop(DropScope::Role(role)) => role.as_bytes().into(),
            Operation::Drop(DropScope::All) | Operation::Reset => return,
        };
        if entry.verb.is_none() && entry.by.is_none() {
            return;
        }
        let role = String::from_utf8_lossy(&role).into_owned();
        if self.attributions.len() < MOST_ATTRIBUTIONS || self.attributions.contains_key(&role) {
            let attribution = Attribution {
                role: role.clone(),
                verb: entry.verb.as_deref().map(reason),
                by: entry.by.as_deref().map(reason),
            };
            self.attributions.insert(role, attribution);
        }
    }

    fn forget_attribution(&mut self, field: &[u8]) {
        if !self.attributions.is_empty() {
            let role = role_of(field);
            self.attributions.remove(&*String::from_utf8_lossy(&role));
        }
    }

    /// Whether there is nothing to report.
    pub(super) fn is_empty(&self) -> bool {
        !self.everything && self.fields.is_empty() && self.dropped.is_empty()
    }

    /// Takes everything that is to be reported.
    pub(super) fn take(&mut self, replica: &Replica) -> Changes {
        let draft = std::mem::take(self);
        let mut changes = Changes {
            dropped: draft.dropped.into_iter().collect(),
            attributions: draft.attributions.into_values().collect(),
            ..Changes::default()
        };
        for (field, why) in draft.fields {
            match (replica.get(&field), why) {
                (Some(_), _) if draft.everything => {}
                (Some(content), _) => push(&mut changes.set, &field, content),
                (None, Absence::Removed) => changes.removed.push(field.into_vec()),
                (None, Absence::Lost) => changes.lost.push(field.into_vec()),
            }
        }
        if draft.everything {
            for (field, content) in replica.iter() {
                push(&mut changes.set, field, content);
            }
        }
        changes.set.shrink();
        changes
    }
}

fn push(pairs: &mut Pairs, field: &[u8], content: Content<'_>) {
    // What fits into a replica fits into pairs.
    let _ = match content {
        Content::Bytes(value) => pairs.push(field, value),
        Content::TooLong => pairs.push_too_long(field),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(pairs: &[(&str, &str)]) -> Replica {
        let mut replica = Replica::default();
        for (field, value) in pairs {
            let content = Content::of(value.as_bytes());
            replica.set(field.as_bytes(), content).unwrap();
        }
        replica
    }

    fn told(changes: &Changes) -> Vec<(&[u8], &[u8])> {
        let mut told: Vec<_> = changes.set.iter().collect();
        told.sort_unstable();
        told
    }

    #[test]
    fn a_field_is_told_once_and_as_it_is_in_the_end() {
        let replica = replica(&[("a", "3"), ("b", "1")]);
        let mut draft = PendingChanges::default();
        assert!(draft.is_empty());
        draft.set(b"a");
        draft.gone(b"a", Absence::Lost);
        draft.set(b"a");
        draft.set(b"c");
        draft.gone(b"c", Absence::Removed);
        draft.gone(b"d", Absence::Lost);
        let changes = draft.take(&replica);
        assert_eq!(told(&changes), [(&b"a"[..], &b"3"[..])]);
        assert_eq!(
            (changes.removed, changes.lost),
            (vec![b"c".to_vec()], vec![b"d".to_vec()])
        );
        assert!(draft.is_empty() && draft.take(&replica).is_empty());
    }

    #[test]
    fn everything_is_told_with_what_is_gone() {
        let replica = replica(&[("a", "3"), ("b", "1")]);
        let mut draft = PendingChanges::default();
        draft.gone(b"x", Absence::Lost);
        draft.set(b"a");
        draft.everything();
        draft.set(b"b");
        let changes = draft.take(&replica);
        assert_eq!(told(&changes), [(&b"a"[..], &b"3"[..]), (b"b", b"1")]);
        assert_eq!(changes.lost, [b"x"]);
    }

    #[test]
    fn a_drop_is_of_what_was_lost_before_it() {
        let mut draft = PendingChanges::default();
        draft.gone(b"web/1", Absence::Lost);
        draft.gone(b"db", Absence::Lost);
        draft.dropped(DropScope::Role("web".into()));
        draft.gone(b"web/2", Absence::Lost);
        draft.dropped(DropScope::Role("web".into()));
        draft.gone(b"web/3", Absence::Lost);
        let mut changes = draft.take(&Replica::default());
        changes.removed.sort();
        changes.lost.sort();
        assert_eq!(changes.removed, [b"web/1", b"web/2"]);
        assert_eq!(changes.lost, [&b"db"[..], b"web/3"]);
        assert_eq!(changes.dropped, [DropScope::Role("web".into())]);
    }
}
