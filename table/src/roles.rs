//! The roles of a table with everything that is known about them, for the command
//! to show. This allocates; lookups of programs don't come here.

use zerocopy::FromBytes;

use crate::format::{ALIAS, CANONICAL, LIST, SOURCES, Slot, SourceHead, UNANSWERED, WILDCARD};
use crate::memory::{Backing, Memory};
use crate::name::Pattern;
use crate::table::{Record, Table};
use crate::view::View;

/// The most Redis hashes that a table can be made from.
pub const MAX_HASHES: usize = 128;

/// The most bytes of a hash's key.
pub const MAX_KEY: usize = 255;

/// One role of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleEntry {
    /// In normal form; `*.` in front makes it a wildcard.
    pub name: String,
    /// Its answer, if it has one.
    pub answer: Option<EntryAnswer>,
    /// The fields it was made from, the deciding ones first.
    pub sources: Vec<EntrySource>,
}

/// The answer of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryAnswer {
    /// The canonical name, if it is not the role's own.
    pub canonical: Option<String>,
    /// The IPv4 addresses, in the order written.
    pub v4: Vec<[u8; 4]>,
    /// The IPv6 addresses, likewise.
    pub v6: Vec<[u8; 16]>,
    /// How many addresses of each family one lookup returns; 0 is all.
    pub pick: u16,
}

/// A field that a role was made from, with the last value that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntrySource {
    /// The number of its Redis hash in [`View::hashes`].
    pub hash: usize,
    /// The member of the role (`i-0abc` of `web/i-0abc`).
    pub member: Option<String>,
    /// Whether Redis has lost the field, whose last value is retained.
    pub retained: bool,
    /// The name it points at, if it has no addresses.
    pub target: Option<String>,
    /// Its IPv4 addresses.
    pub v4: Vec<[u8; 4]>,
    /// Its IPv6 addresses.
    pub v6: Vec<[u8; 16]>,
    /// Its `pick`; 0 is all.
    pub pick: u16,
}

/// A reference to a role as it was when [`View::role_refs`] found it. Records are
/// never overwritten, so [`View::role_at`] can read it later, whatever became of
/// the role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleRef {
    /// The reference of its record.
    record: u32,
    /// The reference of the record with its addresses; 0 if it has no answer.
    holder: u32,
}

impl RoleRef {
    /// Whether the role has an answer.
    #[must_use]
    pub fn has_answer(self) -> bool {
        self.holder != 0
    }
}

impl<'t> View<'t> {
    /// The keys of the mirrored Redis hashes, in order of precedence.
    #[must_use]
    pub fn hashes(&self) -> Vec<String> {
        let table = self.table();
        let record = table.record(table.layout.hashes);
        let bytes = record.and_then(|record| tail(&table, &record));
        let bytes = bytes.unwrap_or_default();
        let mut rest = &*bytes;
        let mut hashes = Vec::new();
        while let Some((&len, after)) = rest.split_first()
            && let Some((name, after)) = after.split_at_checked(usize::from(len))
            && hashes.len() < MAX_HASHES
        {
            hashes.push(String::from_utf8_lossy(name).into_owned());
            rest = after;
        }
        hashes
    }

    /// All roles, including those without an answer, in no particular order.
    pub fn roles(&self) -> impl Iterator<Item = RoleEntry> + use<'t> {
        let table = self.table();
        records(table).filter_map(move |record| entry(&table, &record))
    }

    /// The names of all roles, including those without an answer, in no particular
    /// order.
    pub fn role_names(&self) -> impl Iterator<Item = String> + use<'t> {
        let table = self.table();
        records(table).filter_map(move |record| Some(name(&table, &record)?.to_string()))
    }

    /// The names of all roles, including those without an answer, and references to
    /// them, in no particular order. Called in [`View::settled`] they are all of
    /// one moment.
    pub fn role_refs(&self) -> impl Iterator<Item = (Pattern, RoleRef)> + use<'t> {
        let table = self.table();
        records(table).filter_map(move |record| {
            let holder = if record.shape.is(UNANSWERED) {
                None
            } else {
                table.holder(&record)
            };
            let role = RoleRef {
                record: table.reference(&record),
                holder: holder.map_or(0, |holder| table.reference(&holder)),
            };
            Some((name(&table, &record)?, role))
        })
    }

    /// The role as it was when [`View::role_refs`] found it.
    #[must_use]
    pub fn role_at(&self, role: RoleRef) -> Option<RoleEntry> {
        let table = self.table();
        let record = table.record(role.record)?;
        let holder = role.has_answer().then(|| table.record(role.holder));
        entry_of(&table, &record, holder.flatten())
    }

    /// Exactly this role (`web`, `*.apps.internal`).
    #[must_use]
    pub fn role_entry(&self, role: &str) -> Option<RoleEntry> {
        let table = self.table();
        let found = match role.strip_prefix("*.") {
            Some(suffix) => table.role(suffix.as_bytes(), true),
            None => table.role(role.as_bytes(), false),
        };
        entry(&table, &found?.record)
    }
}

/// The records of all roles.
fn records<'t>(table: Table<'t, Backing<'t>>) -> impl Iterator<Item = Record> + use<'t> {
    let index = table.layout.forward;
    (index.start..index.end()).filter_map(move |at| {
        let slot = Slot(table.memory.slot(at)?);
        if slot.reference() == 0 {
            return None;
        }
        table.record(slot.reference())
    })
}

/// The role of a record.
pub(crate) fn entry<M: Memory>(table: &Table<'_, M>, record: &Record) -> Option<RoleEntry> {
    let holder = if record.shape.is(UNANSWERED) {
        None
    } else {
        table.holder(record)
    };
    entry_of(table, record, holder)
}

/// The role of a record, with the addresses of `holder`.
fn entry_of<M: Memory>(
    table: &Table<'_, M>,
    record: &Record,
    holder: Option<Record>,
) -> Option<RoleEntry> {
    Some(RoleEntry {
        name: name(table, record)?.to_string(),
        answer: holder.and_then(|holder| answer(table, record, &holder)),
        sources: sources(table, record),
    })
}

/// The name of a record's role; none if the record is a list.
fn name<M: Memory>(table: &Table<'_, M>, record: &Record) -> Option<Pattern> {
    if record.shape.is(LIST) {
        return None;
    }
    let wildcard = record.shape.is(WILDCARD);
    Some(Pattern::new(table.name(record)?, wildcard))
}

/// The answer of a record, with the addresses of `holder`.
fn answer<M: Memory>(
    table: &Table<'_, M>,
    record: &Record,
    holder: &Record,
) -> Option<EntryAnswer> {
    let points = record.shape.flags & (ALIAS | CANONICAL) != 0;
    let canonical = if points {
        Some(table.target(record)?.to_string())
    } else {
        None
    };
    let own = record.shape.pick;
    let pick = if own == 0 { holder.shape.pick } else { own };
    Some(EntryAnswer {
        canonical,
        v4: addresses(table, holder.v4_at(), holder.shape.v4())?,
        v6: addresses(table, holder.v6_at(), holder.shape.v6())?,
        pick,
    })
}

/// The `count` addresses at an offset.
pub(crate) fn addresses<M: Memory, const N: usize>(
    table: &Table<'_, M>,
    at: usize,
    count: usize,
) -> Option<Vec<[u8; N]>> {
    let mut addresses = vec![[0; N]; count];
    table.memory.copy(at, addresses.as_flattened_mut())?;
    Some(addresses)
}

/// The fields that a role was made from.
fn sources<M: Memory>(table: &Table<'_, M>, record: &Record) -> Vec<EntrySource> {
    if record.shape.is(SOURCES) {
        let bytes = tail(table, record).unwrap_or_default();
        return parse(&bytes);
    }
    // One field of the first hash, without a member, with the record's value.
    let target = if record.shape.is(ALIAS) {
        table.target(record).map(|name| name.to_string())
    } else {
        None
    };
    let (v4, v6) = (record.shape.v4(), record.shape.v6());
    vec![EntrySource {
        hash: 0,
        member: None,
        retained: false,
        target,
        v4: addresses(table, record.v4_at(), v4).unwrap_or_default(),
        v6: addresses(table, record.v6_at(), v6).unwrap_or_default(),
        pick: record.shape.pick,
    }]
}

/// The bytes behind the target's name in a record: its sources, or the keys of
/// the hashes.
fn tail<M: Memory>(table: &Table<'_, M>, record: &Record) -> Option<Vec<u8>> {
    let mut at = record.target_at();
    if record.shape.has_target() {
        let mut len = [0];
        table.memory.copy(at, &mut len)?;
        at = (at + 1 + usize::from(len[0])).next_multiple_of(4);
    }
    let len = u32::from_le_bytes(table.memory.four(at)?) as usize;
    let end = table.layout.arena.end() * crate::format::WORD;
    if len > end.checked_sub(at + 4)? {
        return None;
    }
    let mut bytes = vec![0; len];
    table.memory.copy(at + 4, &mut bytes)?;
    Some(bytes)
}

fn parse(mut rest: &[u8]) -> Vec<EntrySource> {
    let mut sources = Vec::new();
    while let Some((source, after)) = parse_one(rest) {
        sources.push(source);
        rest = after;
    }
    sources
}

fn parse_one(bytes: &[u8]) -> Option<(EntrySource, &[u8])> {
    let (head, rest) = SourceHead::ref_from_prefix(bytes).ok()?;
    let (member, rest) = rest.split_at_checked(usize::from(head.member_len))?;
    let (target, rest) = rest.split_at_checked(usize::from(head.target_len))?;
    let (v4, rest) = rest.split_at_checked(4 * usize::from(head.v4.get()))?;
    let (v6, rest) = rest.split_at_checked(16 * usize::from(head.v6.get()))?;
    let text = |bytes: &[u8]| {
        let some = !bytes.is_empty();
        some.then(|| String::from_utf8_lossy(bytes).into_owned())
    };
    let source = EntrySource {
        hash: usize::from(head.hash),
        member: text(member),
        retained: head.flags & SourceHead::RETAINED != 0,
        target: text(target),
        v4: v4.as_chunks().0.to_vec(),
        v6: v6.as_chunks().0.to_vec(),
        pick: head.pick.get(),
    };
    Some((source, rest))
}
