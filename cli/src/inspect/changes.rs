//! What is different in two states of the table, role by role.

use std::collections::BTreeMap;
use std::net::IpAddr;

use cloudhosts_table::{EntryAnswer, View};

use crate::table_roles::{joined, joint};

/// What a role answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RoleAnswer {
    pub(super) addresses: Vec<IpAddr>,
    /// The role it points at in the end; none when that is itself.
    pub(super) canonical: Option<String>,
    pub(super) pick: u16,
}

/// One role that answers something else than before. No address is no role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RoleChange {
    pub(super) role: String,
    pub(super) before: RoleAnswer,
    pub(super) after: RoleAnswer,
}

impl RoleAnswer {
    fn of(answer: EntryAnswer) -> RoleAnswer {
        RoleAnswer {
            addresses: joint(&answer.v4, &answer.v6),
            canonical: answer.canonical,
            pick: answer.pick,
        }
    }

    /// In a few words.
    pub(super) fn shown(&self) -> String {
        if self.addresses.is_empty() {
            return "none".into();
        }
        let mut text = joined(&self.addresses);
        if self.pick > 0 {
            text.push_str(&format!(" pick={}", self.pick));
        }
        if let Some(canonical) = &self.canonical {
            text.push_str(&format!(" ({canonical})"));
        }
        text
    }
}

/// What all roles answered at one moment, to be compared with the next.
#[derive(Debug, Default)]
pub(super) struct Snapshot(BTreeMap<String, RoleAnswer>);

impl Snapshot {
    /// What they answer now.
    pub(super) fn of(view: View<'_>) -> Snapshot {
        view.settled(|| {
            let roles = view.roles();
            let answered = roles.filter_map(|role| Some((role.name, RoleAnswer::of(role.answer?))));
            Snapshot(answered.collect())
        })
    }

    /// What is different at a later moment, in roles that `wanted` wants, in the
    /// order of their names.
    pub(super) fn changes(
        &self,
        later: &Snapshot,
        wanted: impl Fn(&str) -> bool,
    ) -> Vec<RoleChange> {
        let Snapshot(before) = self;
        let Snapshot(after) = later;
        let gone = before.keys().filter(|role| !after.contains_key(*role));
        let different = after
            .iter()
            .filter(|(role, state)| before.get(*role) != Some(state))
            .map(|(role, _)| role);
        let state = |of: &BTreeMap<String, RoleAnswer>, role: &str| of.get(role).cloned();
        let changes = gone.chain(different).filter(|role| wanted(role));
        let mut changes: Vec<RoleChange> = changes
            .map(|role| RoleChange {
                role: role.clone(),
                before: state(before, role).unwrap_or_default(),
                after: state(after, role).unwrap_or_default(),
            })
            .collect();
        changes.sort_by(|a, b| a.role.cmp(&b.role));
        changes
    }
}
