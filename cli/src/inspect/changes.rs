//! What is different in two tables, role by role.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::net::IpAddr;

use cloudhosts_table::{Answer, OpenError, View};

use super::roles::{self, addresses, joined};

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
    fn of(answer: &Answer<'_>) -> State {
        let canonical = answer.canonical;
        State {
            addresses: addresses(answer),
            canonical: (canonical != answer.asked).then(|| canonical.into()),
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
        let mut before = answers(older).peekable();
        let mut after = answers(newer).peekable();
        let mut changes = Vec::new();
        while let Some((before, after)) = next_pair(&mut before, &mut after) {
            let Some(role) = before.or(after).map(|answer| answer.asked) else {
                continue;
            };
            if before != after && wanted(role) {
                changes.push(Change {
                    role: role.into(),
                    before: before.as_ref().map(State::of).unwrap_or_default(),
                    after: after.as_ref().map(State::of).unwrap_or_default(),
                });
            }
        }
        Ok(changes)
    }
}

/// What each role answers, in the order of their names: wildcards, then the rest,
/// which is walked without a look-up or a copy, since a table may hold a million.
fn answers<'t>(view: View<'t>) -> impl Iterator<Item = Answer<'t>> {
    let wildcards = roles::all(view).take_while(|role| role.name.starts_with("*."));
    let wildcards = wildcards.filter_map(|role| role.answer);
    let mut at = view.first();
    let names = std::iter::from_fn(move || {
        let (answer, next) = view.entry(at)?;
        at = next;
        Some(answer)
    });
    wildcards.chain(names)
}

/// The next role of two lists in order: from both where both have it.
fn next_pair<'t>(
    before: &mut Peekable<impl Iterator<Item = Answer<'t>>>,
    after: &mut Peekable<impl Iterator<Item = Answer<'t>>>,
) -> Option<(Option<Answer<'t>>, Option<Answer<'t>>)> {
    let order = match (before.peek(), after.peek()) {
        (Some(before), Some(after)) => before.asked.cmp(after.asked),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => return None,
    };
    let before = if order.is_le() { before.next() } else { None };
    let after = if order.is_ge() { after.next() } else { None };
    Some((before, after))
}
