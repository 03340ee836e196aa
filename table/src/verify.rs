//! Checks that a table is consistent, for the daemon when it starts, `cloudhosts
//! doctor` and the tests. Lookups don't rely on it.

use core::fmt;
use std::collections::{HashMap, HashSet};

use crate::format::{
    ALIAS, LIST, Layout, LiveWord, MAX_TABLE, OpenError, Slot, UNANSWERED, WILDCARD, WORD,
    hash_address, is_name,
};
use crate::memory::{self, Backing, Memory};
use crate::roles::addresses;
use crate::rule::{Namespace, depth_bit};
use crate::shm::{MapError, Mapping};
use crate::table::{Record, Table};
use crate::view::View;

/// A table in the private memory of this process.
#[derive(Debug)]
pub struct TableFile {
    mapping: Mapping,
    layout: Layout,
}

impl TableFile {
    /// Opens the contents of `last-good.table`.
    ///
    /// # Errors
    /// It is not a table, has another format, or is truncated.
    pub fn open(bytes: &[u8]) -> Result<TableFile, OpenError> {
        let (words, rest) = bytes.as_chunks::<WORD>();
        if words.is_empty() || !rest.is_empty() || bytes.len() as u64 > MAX_TABLE {
            return Err(OpenError::Truncated);
        }
        let mapping = Mapping::copied(words).map_err(|_: MapError| OpenError::Truncated)?;
        let header = memory::header(mapping.words()).ok_or(OpenError::Truncated)?;
        let layout = Layout::read(&header, words.len())?;
        Ok(TableFile { mapping, layout })
    }

    /// A view of the table.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::region(self.mapping.words(), &self.layout)
    }
}

/// An inconsistency in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    what: &'static str,
    at: usize,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "damaged table: {} (at byte {})", self.what, self.at)
    }
}

impl core::error::Error for Damage {}

/// `Err` unless `holds`.
fn check(holds: bool, what: &'static str, at: usize) -> Result<(), Damage> {
    if holds {
        Ok(())
    } else {
        Err(Damage { what, at })
    }
}

impl View<'_> {
    /// Reads the whole table and checks that a writer could have left it so. The
    /// table must not change meanwhile. Takes time in proportion to its size.
    ///
    /// # Errors
    /// The first inconsistency.
    pub fn verify(&self) -> Result<(), Damage> {
        let table = self.table();
        let (mut names, mut depths) = (0, 0);
        let mut known = HashSet::new();
        for (at, slot) in used(&table, table.layout.forward) {
            let record = whole(&table, slot, at, &mut known)?;
            if record.shape.is(LIST) {
                verify_aliases(&table, &record)?;
            } else {
                verify_role(&table, &record, slot, &mut depths)?;
                names += u64::from(!record.shape.is(UNANSWERED));
            }
        }
        check(
            names == self.names(),
            "wrong number of names",
            WORD * LiveWord::NAMES.0,
        )?;
        let told = table.memory.live(LiveWord::DEPTHS) as u32;
        check(
            depths == told,
            "wrong depths of wildcards",
            WORD * LiveWord::DEPTHS.0,
        )?;
        let mut tags = AddressTags::default();
        let mut count = 0;
        for (at, slot) in used(&table, table.layout.reverse) {
            let record = whole(&table, slot, at, &mut known)?;
            verify_address(&table, slot, at, &record, &mut tags)?;
            count += 1;
        }
        let at = WORD * LiveWord::ADDRESSES.0;
        check(count == self.addresses(), "wrong number of addresses", at)?;
        verify_addresses(&table)
    }
}

type AnyTable<'t> = Table<'t, Backing<'t>>;

/// The slots of an index that have an entry, and their offsets.
fn used<'t>(
    table: &AnyTable<'t>,
    part: crate::format::Part,
) -> impl Iterator<Item = (usize, Slot)> {
    let memory = table.memory;
    (part.start..part.end())
        .filter_map(move |at| Some((at * WORD, Slot(memory.word(at)?))))
        .filter(|(_, slot)| slot.reference() != 0)
}

/// The record of a slot, whose checksum is checked unless it is `known`.
fn whole(
    table: &AnyTable<'_>,
    slot: Slot,
    at: usize,
    known: &mut HashSet<u32>,
) -> Result<Record, Damage> {
    let damage = Damage {
        what: "a slot refers to no record",
        at,
    };
    let record = table.record(slot.reference()).ok_or(damage)?;
    if !known.insert(slot.reference()) {
        return Ok(record);
    }
    let sum = crate::last_good::checksum(table.memory, record.at / WORD, table.layout.words());
    let right = sum == Some(record.shape.checksum);
    check(right, "wrong checksum of a record", record.at)?;
    Ok(record)
}

/// Checks that a role is found by its name, and has addresses if it has an answer.
fn verify_role(
    table: &AnyTable<'_>,
    record: &Record,
    slot: Slot,
    depths: &mut u32,
) -> Result<(), Damage> {
    let at = record.at;
    let damage = |what| Damage { what, at };
    let name = table
        .name(record)
        .ok_or(damage("invalid characters in a name"))?;
    let text = name.as_str().as_bytes();
    check(is_name(text), "invalid characters in a name", at)?;
    let wildcard = record.shape.is(WILDCARD);
    let found = table.role(text, wildcard).map(|entry| entry.reference);
    check(
        found == Some(slot.reference()),
        "a name is not found in the index",
        at,
    )?;
    if record.shape.is(UNANSWERED) {
        return Ok(());
    }
    if wildcard {
        let labels = name.as_str().split('.').count();
        *depths |= depth_bit(labels);
    }
    let holder = table.holder(record);
    let answers = holder.is_some_and(|holder| holder.shape.v4() + holder.shape.v6() > 0);
    check(answers, "a role has an answer without addresses", at)
}

/// Checks that every role in a list of aliases is an alias of the list's target.
fn verify_aliases(table: &AnyTable<'_>, list: &Record) -> Result<(), Damage> {
    let target = table.name(list);
    for n in 0..list.shape.v4() {
        let alias = table.listed(list, n);
        let right = alias.is_some_and(|alias| {
            let found = table
                .name(&alias)
                .and_then(|name| table.exact(name.as_bytes()));
            alias.shape.is(ALIAS) && table.target(&alias) == target && found.is_some()
        });
        check(right, "wrong list of aliases", list.at)?;
    }
    Ok(())
}

/// Checks that every role under an address still has it.
fn verify_address(
    table: &AnyTable<'_>,
    slot: Slot,
    at: usize,
    record: &Record,
    tags: &mut AddressTags,
) -> Result<(), Damage> {
    let list = record.shape.is(LIST);
    let count = if list { record.shape.v4() } else { 1 };
    check(count > 0, "empty list of names", at)?;
    for n in 0..count {
        let holder = if list {
            table.listed(record, n)
        } else {
            Some(*record)
        };
        let now = holder
            .and_then(|holder| table.name(&holder))
            .and_then(|name| table.exact(name.as_bytes()));
        let has = now.is_some_and(|now| tags.of(table, &now).contains(&slot.tag()));
        check(has, "an address refers to a role that does not have it", at)?;
    }
    Ok(())
}

/// Checks that every address of a role is in the reverse index.
fn verify_addresses(table: &AnyTable<'_>) -> Result<(), Damage> {
    if !table.layout.reverses {
        return Ok(());
    }
    let there = used(table, table.layout.reverse).map(|(_, slot)| slot.tag());
    let there: HashSet<u32> = there.collect();
    for (_, slot) in used(table, table.layout.forward) {
        let record = table.record(slot.reference());
        let role = record
            .filter(|record| record.shape.flags & (LIST | WILDCARD | ALIAS | UNANSWERED) == 0);
        let Some(role) = role else { continue };
        let all = tags_of(table, &role).all(|tag| there.contains(&tag));
        check(all, "an address is not found in the index", role.at)?;
    }
    Ok(())
}

/// The tags of the addresses of roles. Those of large roles, which are needed once
/// for each address, are cached.
#[derive(Default)]
struct AddressTags {
    large: HashMap<usize, HashSet<u32>>,
    last: HashSet<u32>,
}

/// The tags of roles with at least this many addresses are cached.
const LARGE: usize = 16;

impl AddressTags {
    fn of(&mut self, table: &AnyTable<'_>, record: &Record) -> &HashSet<u32> {
        if record.shape.v4() + record.shape.v6() < LARGE {
            self.last = tags_of(table, record).collect();
            return &self.last;
        }
        let tags = self.large.entry(record.at);
        tags.or_insert_with(|| tags_of(table, record).collect())
    }
}

fn tags_of(table: &AnyTable<'_>, record: &Record) -> impl Iterator<Item = u32> {
    let v4: Option<Vec<[u8; 4]>> = addresses(table, record.v4_at(), record.shape.v4());
    let v6: Option<Vec<[u8; 16]>> = addresses(table, record.v6_at(), record.shape.v6());
    let seed = table.layout.seed;
    let v4 = v4.unwrap_or_default().into_iter();
    let v6 = v6.unwrap_or_default().into_iter();
    v4.map(move |one| hash_address(&one, seed))
        .chain(v6.map(move |one| hash_address(&one, seed)))
        .map(|hash| (hash >> 32) as u32)
}
