//! The roles of a table, one after the other, each with the fields it was made
//! from.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cloudhosts_table::{Answer, EntryAnswer, EntrySource, RoleEntry, RoleRef, Unavailable, View};

use crate::outcome::Failure;
use crate::output::LabelledLines;

/// One role: its fields in all hashes, and what it answers.
#[derive(Debug, Clone)]
pub(crate) struct TableRole {
    /// `web`, or `*.apps.internal`.
    pub(crate) name: String,
    /// Its fields, those of the deciding hash first.
    pub(crate) fields: Vec<EntrySource>,
    /// None when it has no address in the end.
    pub(crate) answer: Option<EntryAnswer>,
}

impl TableRole {
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
pub(super) fn add_addresses(lines: &mut LabelledLines, addresses: &[IpAddr], pick: u16) {
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

/// The roles of a table as of one moment, in the order of their names. Of each it
/// holds where it stands in the table and no more, so that a million take little
/// memory.
#[derive(Debug)]
pub(crate) struct SortedRoles<'t> {
    view: View<'t>,
    generation: u64,
    places: Vec<RoleRef>,
}

impl<'t> SortedRoles<'t> {
    /// The roles whose names are wanted.
    ///
    /// # Errors
    /// The table is damaged.
    pub(crate) fn of(
        view: View<'t>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<SortedRoles<'t>, Failure> {
        let find = || (view.generation(), NameIndex::of(view, &wanted));
        let (generation, named) = view.settled(find);
        if view.is_damaged() {
            return Err(Failure::Unreachable(Unavailable::Unreadable.to_string()));
        }
        Ok(SortedRoles {
            view,
            generation,
            places: named.into_sorted(),
        })
    }

    /// The number of the change as of which they are.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The domain below which they answer too; often empty.
    pub(crate) fn domain(&self) -> &'t str {
        self.view.domain()
    }

    /// The hashes that they are made from.
    pub(crate) fn hashes(&self) -> Vec<String> {
        self.view.hashes()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.places.len()
    }

    /// How many of them have an address in the end.
    pub(crate) fn count_answered(&self) -> usize {
        self.places
            .iter()
            .filter(|place| place.has_answer())
            .count()
    }

    /// One after the other, read from the table as they are asked for.
    pub(crate) fn iter(&self) -> impl Iterator<Item = TableRole> {
        let entries = self.places.iter().map(|&place| self.view.role_at(place));
        entries.flatten().map(TableRole::from)
    }
}

/// Names, one behind the other in one text, and where the roles stand.
#[derive(Debug, Default)]
struct NameIndex {
    text: String,
    /// Where each name begins and ends.
    roles: Vec<(usize, usize, RoleRef)>,
}

impl NameIndex {
    fn of(view: View<'_>, wanted: impl Fn(&str) -> bool) -> NameIndex {
        let mut named = NameIndex::default();
        for (name, place) in view.role_refs() {
            let start = named.text.len();
            // A string takes it.
            let _ = write!(named.text, "{name}");
            match named.text.get(start..) {
                Some(name) if wanted(name) => {
                    let end = named.text.len();
                    named.roles.push((start, end, place));
                }
                _ => named.text.truncate(start),
            }
        }
        named
    }

    /// Where they stand, in the order of their names.
    fn into_sorted(self) -> Vec<RoleRef> {
        let NameIndex { text, mut roles } = self;
        let name = |&(start, end, _): &(usize, usize, RoleRef)| text.get(start..end);
        roles.sort_unstable_by(|a, b| name(a).cmp(&name(b)));
        let places = roles.into_iter().map(|(_, _, place)| place);
        places.collect()
    }
}

impl From<RoleEntry> for TableRole {
    fn from(entry: RoleEntry) -> TableRole {
        TableRole {
            name: entry.name,
            fields: entry.sources,
            answer: entry.answer,
        }
    }
}

/// One role, where the table has a field of it.
pub(crate) fn one(view: View<'_>, name: &str) -> Option<TableRole> {
    view.role_entry(name).map(TableRole::from)
}
