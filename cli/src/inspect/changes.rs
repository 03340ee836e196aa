//! What is different in two tables, role by role.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::net::IpAddr;

use cloudhosts_table::{OpenError, View};

use super::roles::{self, Role, joined};

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
    fn of(role: &Role<'_>) -> State {
        let Some(answer) = &role.answer else {
            return State::default();
        };
        State {
            addresses: role.addresses(),
            canonical: (answer.canonical != role.name).then(|| answer.canonical.into()),
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

/// A table that is kept to be compared with the next.
#[derive(Debug, Default)]
pub(super) struct Kept(Vec<u8>);

impl Kept {
    /// A copy of a table.
    pub(super) fn of(view: View<'_>) -> Kept {
        Kept(view.bytes().to_vec())
    }

    /// What changed from this table to a newer one, in roles that `wanted` wants.
    ///
    /// # Errors
    /// It is no table.
    pub(super) fn changes(
        &self,
        newer: View<'_>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<Change>, OpenError> {
        let older = View::open(&self.0)?;
        let only = |role: &Role<'_>| wanted(role.name);
        let mut before = roles::all(older).filter(only).peekable();
        let mut after = roles::all(newer).filter(only).peekable();
        let mut changes = Vec::new();
        while let Some((before, after)) = next_pair(&mut before, &mut after) {
            let name = before.as_ref().or(after.as_ref()).map(|role| role.name);
            let state = |role: &Option<Role<'_>>| role.as_ref().map(State::of).unwrap_or_default();
            let (before, after) = (state(&before), state(&after));
            if before != after {
                changes.push(Change {
                    role: name.unwrap_or_default().into(),
                    before,
                    after,
                });
            }
        }
        Ok(changes)
    }
}

/// The next role of two lists in order: from both where both have it.
fn next_pair<'a, 'b>(
    before: &mut Peekable<impl Iterator<Item = Role<'a>>>,
    after: &mut Peekable<impl Iterator<Item = Role<'b>>>,
) -> Option<(Option<Role<'a>>, Option<Role<'b>>)> {
    let order = match (before.peek(), after.peek()) {
        (Some(before), Some(after)) => before.name.cmp(after.name),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => return None,
    };
    let before = if order.is_le() { before.next() } else { None };
    let after = if order.is_ge() { after.next() } else { None };
    Some((before, after))
}
