//! The roles of a table, one after the other, each with the fields it was made
//! from.

use std::iter::Peekable;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cloudhosts_registry::record::{Target, Value};
use cloudhosts_table::{Answer, Source, View};

use crate::outcome::Lines;

/// One role: its fields in all hashes, and what it answers.
#[derive(Debug, Clone)]
pub(crate) struct Role<'t> {
    /// `web`, or `*.apps.internal`.
    pub(crate) name: &'t str,
    /// Its fields, those of the deciding hash first.
    pub(crate) fields: Vec<Source<'t>>,
    /// None when it has no address in the end.
    pub(crate) answer: Option<Answer<'t>>,
}

impl<'t> Role<'t> {
    /// The number of the hash that decides it: the first that has it.
    pub(crate) fn hash(&self) -> usize {
        let hashes = self.fields.iter().map(|field| field.hash);
        hashes.min().unwrap_or_default()
    }

    /// The fields that decide it.
    pub(crate) fn deciding(&self) -> impl Iterator<Item = &Source<'t>> {
        let hash = self.hash();
        self.fields.iter().filter(move |field| field.hash == hash)
    }

    /// The members among them.
    pub(crate) fn members(&self) -> Vec<&'t str> {
        self.deciding().filter_map(|field| field.member).collect()
    }

    /// The names they point at.
    pub(crate) fn pointers(&self) -> Vec<String> {
        let values = self.deciding().filter_map(|field| points_at(field.value));
        values.collect()
    }

    /// Its addresses, IPv4 first, in the order written.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        self.answer.as_ref().map(addresses).unwrap_or_default()
    }

    /// Whether Redis has lost one of the fields that decide it.
    pub(crate) fn is_kept(&self) -> bool {
        self.deciding().any(|field| field.kept)
    }
}

/// The addresses of an answer, IPv4 first, in the order written.
pub(crate) fn addresses(answer: &Answer<'_>) -> Vec<IpAddr> {
    let v4 = answer.v4.iter().map(|v4| Ipv4Addr::from(*v4).into());
    let v6 = answer.v6.iter().map(|v6| Ipv6Addr::from(*v6).into());
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

/// The name that a value points at.
pub(crate) fn points_at(value: &[u8]) -> Option<String> {
    match Value::parse(value).ok()?.target {
        Target::Pointer(name) => Some(name.to_string()),
        Target::Addresses { .. } => None,
    }
}

/// All roles, in the order of their names.
pub(crate) fn all<'t>(view: View<'t>) -> impl Iterator<Item = Role<'t>> {
    let mut sources = view.sources().peekable();
    std::iter::from_fn(move || next(&view, &mut sources))
}

/// One role, where the table has a field of it.
pub(crate) fn one<'t>(view: View<'t>, name: &str) -> Option<Role<'t>> {
    let of_role = |source: &Source<'t>| source.role == name;
    let mut fields = view.sources().skip_while(move |source| !of_role(source));
    let first = fields.next()?;
    let mut rest = std::iter::once(first).chain(fields).peekable();
    next(&view, &mut rest)
}

fn next<'t>(
    view: &View<'t>,
    sources: &mut Peekable<impl Iterator<Item = Source<'t>>>,
) -> Option<Role<'t>> {
    let first = sources.next()?;
    let mut fields = vec![first];
    while let Some(field) = sources.next_if(|next| next.role == first.role) {
        fields.push(field);
    }
    Some(Role {
        name: first.role,
        fields,
        answer: view.role(first.role),
    })
}
