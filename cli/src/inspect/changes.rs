//! What is different in two states of the table, role by role.

use std::collections::BTreeMap;
use std::net::IpAddr;

use cloudhosts_table::{EntryAnswer, View};

use super::roles::{joined, joint};

/// What a role answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) addresses: Vec<IpAddr>,
    /// The role it points at in the end; none when that is itself.
    pub(super) canonical: Option<String>,
    pub(super) pick: u16,
}

/// One role that answers something else than before. No address is no role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) role: String,
    pub(super) before: State,
    pub(super) after: State,
}

impl State {
    fn of(answer: EntryAnswer) -> State {
        State {
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
pub(super) struct Kept(BTreeMap<String, State>);

impl Kept {
    /// What they answer now.
    pub(super) fn of(view: View<'_>) -> Kept {
        view.settled(|| {
            let roles = view.roles();
            let answered = roles.filter_map(|role| Some((role.name, State::of(role.answer?))));
            Kept(answered.collect())
        })
    }

    /// What is different at a later moment, in roles that `wanted` wants, in the
    /// order of their names.
    pub(super) fn changes(&self, later: &Kept, wanted: impl Fn(&str) -> bool) -> Vec<Change> {
        let Kept(before) = self;
        let Kept(after) = later;
        let gone = before.keys().filter(|role| !after.contains_key(*role));
        let different = after
            .iter()
            .filter(|(role, state)| before.get(*role) != Some(state))
            .map(|(role, _)| role);
        let state = |of: &BTreeMap<String, State>, role: &str| of.get(role).cloned();
        let changes = gone.chain(different).filter(|role| wanted(role));
        let mut changes: Vec<Change> = changes
            .map(|role| Change {
                role: role.clone(),
                before: state(before, role).unwrap_or_default(),
                after: state(after, role).unwrap_or_default(),
            })
            .collect();
        changes.sort_by(|a, b| a.role.cmp(&b.role));
        changes
    }
}
