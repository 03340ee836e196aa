//! The roles of a table, one after the other, each with the fields it was made
//! from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cloudhosts_table::{Answer, EntryAnswer, EntrySource, RoleEntry, View};

use crate::outcome::Lines;

/// One role: its fields in all hashes, and what it answers.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    /// `web`, or `*.apps.internal`.
    pub(crate) name: String,
    /// Its fields, those of the deciding hash first.
    pub(crate) fields: Vec<EntrySource>,
    /// None when it has no address in the end.
    pub(crate) answer: Option<EntryAnswer>,
}

impl Role {
    /// The number of the hash that decides it: the first that has it.
    pub(crate) fn hash(&self) -> usize {
        let hashes = self.fields.iter().map(|field| field.hash);
        hashes.min().unwrap_or_default()
    }

    /// The fields that decide it.
    pub(crate) fn deciding(&self) -> impl Iterator<Item = &EntrySource> {
        let hash = self.hash();
        self.fields.iter().filter(move |field| field.hash == hash)
    }

    /// The members among them.
    pub(crate) fn members(&self) -> Vec<&str> {
        let members = self.deciding();
        members
            .filter_map(|field| field.member.as_deref())
            .collect()
    }

    /// The names they point at.
    pub(crate) fn pointers(&self) -> Vec<&str> {
        let targets = self.deciding();
        targets
            .filter_map(|field| field.target.as_deref())
            .collect()
    }

    /// Its addresses, IPv4 first, in the order written.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let answer = self.answer.as_ref();
        answer
            .map(|answer| joint(&answer.v4, &answer.v6))
            .unwrap_or_default()
    }

    /// The name that it is in the end: its own, unless it points at another.
    pub(crate) fn canonical(&self) -> Option<&str> {
        let answer = self.answer.as_ref()?;
        Some(answer.canonical.as_deref().unwrap_or(&self.name))
    }

    /// Whether Redis has lost one of the fields that decide it.
    pub(crate) fn is_retained(&self) -> bool {
        self.deciding().any(|field| field.retained)
    }
}

/// What a field says, in the one normal form of a value.
pub(crate) fn value(field: &EntrySource) -> String {
    let mut text = match &field.target {
        Some(target) => target.clone(),
        None => joined(&joint(&field.v4, &field.v6)),
    };
    if field.pick > 0 {
        text.push_str(&format!(" pick={}", field.pick));
    }
    text
}

/// Addresses of both families, IPv4 first.
pub(crate) fn joint(v4: &[[u8; 4]], v6: &[[u8; 16]]) -> Vec<IpAddr> {
    let v4 = v4.iter().map(|v4| Ipv4Addr::from(*v4).into());
    let v6 = v6.iter().map(|v6| Ipv6Addr::from(*v6).into());
    v4.chain(v6).collect()
}

/// The addresses of an answer, IPv4 first, in the order written.
pub(crate) fn addresses(answer: &Answer<'_>) -> Vec<IpAddr> {
    let v4 = answer.v4().map(|v4| Ipv4Addr::from(v4).into());
    let v6 = answer.v6().map(|v6| Ipv6Addr::from(v6).into());
    v4.chain(v6).collect()
}

/// The lines of what is answered: a line an address, and how many are picked
/// of them, where not all are.
pub(super) fn add_addresses(lines: &mut Lines, addresses: &[IpAddr], pick: u16) {
    for address in addresses {
        lines.add("address", address);
    }
    if pick > 0 {
        lines.add(
            "pick",
            format_args!("{pick} of each family, chosen anew each time"),
        );
    }
}

/// Addresses or names in one line, blanks between.
pub(crate) fn joined<T: ToString>(all: &[T]) -> String {
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    all.join(" ")
}

/// All roles, in the order of their names. A table that changes meanwhile is to
/// be looked at by [`View::settled`].
pub(crate) fn all(view: View<'_>) -> impl Iterator<Item = Role> {
    let mut names: Vec<String> = view.role_names().collect();
    names.sort_unstable();
    names.into_iter().filter_map(move |name| one(view, &name))
}

/// One role, where the table has a field of it.
pub(crate) fn one(view: View<'_>, name: &str) -> Option<Role> {
    view.role_entry(name).map(Role::from)
}

impl From<RoleEntry> for Role {
    fn from(entry: RoleEntry) -> Role {
        Role {
            name: entry.name,
            fields: entry.sources,
            answer: entry.answer,
        }
    }
}
