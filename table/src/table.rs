//! How names and addresses are found in the words of a table.
//!
//! Nothing here trusts what it reads. Every offset is checked against the size of
//! the table, and every loop has a bound: a damaged or hostile table can give
//! wrong answers, but can't crash or hang its reader. Nothing here allocates.

use crate::format::{
    self, ALIAS, FIRST_REFERENCE, LIST, Layout, LiveWord, MAX_PROBES, MAX_SAME_TAG, Part, Shape,
    Slot, UNANSWERED, WILDCARD, WORD,
};
use crate::memory::Memory;
use crate::name::Name;
use crate::rule::{Decision, Namespace, decide};

/// A table: its layout, and where its words are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table<'t, M> {
    pub(crate) layout: &'t Layout,
    pub(crate) memory: M,
}

/// A record: its offset in bytes, and its head. Its name and its addresses are
/// known to lie within the arena.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    pub(crate) at: usize,
    pub(crate) shape: Shape,
}

impl Record {
    pub(crate) fn v4_at(&self) -> usize {
        self.at + self.shape.v4_at()
    }

    pub(crate) fn v6_at(&self) -> usize {
        self.at + self.shape.v6_at()
    }

    pub(crate) fn target_at(&self) -> usize {
        self.at + self.shape.target_at()
    }

    /// Whether a lookup may answer from it.
    fn answers(&self) -> bool {
        self.shape.flags & (LIST | UNANSWERED) == 0
    }
}

/// What an index has for a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IndexEntry {
    /// The number of its slot.
    pub(crate) position: usize,
    pub(crate) reference: u32,
    pub(crate) record: Record,
}

impl<M: Memory> Table<'_, M> {
    /// The record of a reference.
    #[inline]
    pub(crate) fn record(&self, reference: u32) -> Option<Record> {
        let arena = self.layout.arena;
        let place = reference as usize;
        if reference < FIRST_REFERENCE || place >= arena.len {
            self.memory.note_damage();
            return None;
        }
        let at = arena.start + place;
        let shape = Shape::read([self.memory.word(at)?, self.memory.word(at + 1)?]);
        let record = Record {
            at: at * WORD,
            shape,
        };
        let within = record.target_at() <= arena.end() * WORD;
        (self.memory.is_whole(at, shape.checksum) && within).then_some(record)
    }

    /// The reference of a record.
    pub(crate) fn reference(&self, record: &Record) -> u32 {
        (record.at / WORD - self.layout.arena.start) as u32
    }

    /// The first entry of an index that has the tag of this hash and is the one
    /// sought; two keys may have the same tag.
    #[inline]
    pub(crate) fn find(
        &self,
        index: Part,
        hash: u64,
        mut is_sought: impl FnMut(&Record) -> bool,
    ) -> Option<IndexEntry> {
        let tag = (hash >> 32) as u32;
        let mut position = format::home_slot(hash, index.len);
        let mut same_tag = 0;
        // Chained iterator adapters took twice the instructions of this loop.
        for _ in 0..MAX_PROBES.min(index.len) {
            let slot = Slot(self.memory.slot(index.start + position)?);
            if slot == Slot::EMPTY {
                return None;
            }
            let reference = slot.reference();
            if slot.tag() == tag && reference != 0 {
                if let Some(record) = self.record(reference)
                    && is_sought(&record)
                {
                    return Some(IndexEntry {
                        position,
                        reference,
                        record,
                    });
                }
                same_tag += 1;
                if same_tag == MAX_SAME_TAG {
                    return None;
                }
            }
            position += 1;
            if position == index.len {
                position = 0;
            }
        }
        None
    }

    /// Whether a record has this name.
    #[inline]
    pub(crate) fn is_named(&self, record: &Record, name: &[u8]) -> bool {
        record.shape.name_len() == name.len() && self.memory.holds(record.at + Shape::NAME, name)
    }

    /// The entry of a role, whether or not it has an answer.
    pub(crate) fn role(&self, name: &[u8], wildcard: bool) -> Option<IndexEntry> {
        let seed = self.layout.seed;
        let (hash, flag) = if wildcard {
            (format::hash_below(name, seed), WILDCARD)
        } else {
            (format::hash_name(name, seed), 0)
        };
        self.find(self.layout.forward, hash, |record| {
            record.shape.flags & (WILDCARD | LIST) == flag && self.is_named(record, name)
        })
    }

    /// The list of the aliases of a name.
    pub(crate) fn aliases(&self, target: &[u8]) -> Option<IndexEntry> {
        let hash = format::hash_aliases(target, self.layout.seed);
        self.find(self.layout.forward, hash, |record| {
            record.shape.is(LIST) && self.is_named(record, target)
        })
    }

    /// The entry of an address of 4 or 16 bytes: a role, or a list of roles of
    /// which the first has the address itself.
    pub(crate) fn address(&self, address: &[u8]) -> Option<IndexEntry> {
        let hash = format::hash_address(address, self.layout.seed);
        self.find(self.layout.reverse, hash, |record| {
            let holder = if record.shape.is(LIST) {
                self.listed(record, 0)
            } else {
                Some(*record)
            };
            holder.is_some_and(|holder| self.has_address(&holder, address))
        })
    }

    /// Whether a role has this address itself.
    fn has_address(&self, record: &Record, address: &[u8]) -> bool {
        if record.shape.is(LIST) {
            return false;
        }
        if let Some(&v4) = address.first_chunk::<4>()
            && address.len() == 4
        {
            self.memory.has_four(record.v4_at(), record.shape.v4(), v4)
        } else {
            let mut places = (record.v6_at()..).step_by(16).take(record.shape.v6());
            places.any(|at| self.memory.holds(at, address))
        }
    }

    /// The `n`th role of a list.
    pub(crate) fn listed(&self, list: &Record, n: usize) -> Option<Record> {
        if n >= list.shape.v4() {
            return None;
        }
        let reference = self.memory.four(list.v4_at() + 4 * n)?;
        let record = self.record(u32::from_le_bytes(reference))?;
        (!record.shape.is(LIST)).then_some(record)
    }

    /// The name of a record; none if it has other characters than names have.
    pub(crate) fn name(&self, record: &Record) -> Option<Name> {
        text(
            self.memory,
            record.at + Shape::NAME,
            record.shape.name_len(),
        )
    }

    /// The name of a record's target.
    pub(crate) fn target(&self, record: &Record) -> Option<Name> {
        target(self.memory, record)
    }

    /// The record with the addresses that a lookup returns: the role's own, or
    /// that of an alias's target.
    #[inline]
    pub(crate) fn holder(&self, record: &Record) -> Option<Record> {
        if !record.shape.is(ALIAS) {
            return Some(*record);
        }
        let target = self.target(record)?;
        let holder = self.exact(target.as_bytes())?;
        (!holder.shape.is(ALIAS)).then_some(holder)
    }

    /// Finds the record that decides a name.
    #[inline]
    pub(crate) fn decide<'n>(&self, asked: &'n [u8]) -> Option<Decision<'n, Record>> {
        decide(self, self.layout.domain(), asked)
    }
}

/// The name of a record's target.
pub(crate) fn target(memory: impl Memory, record: &Record) -> Option<Name> {
    let mut len = [0];
    memory.copy(record.target_at(), &mut len)?;
    text(memory, record.target_at() + 1, usize::from(len[0]))
}

fn text(memory: impl Memory, at: usize, len: usize) -> Option<Name> {
    let mut bytes = [0; 255];
    let text = bytes.get_mut(..len)?;
    memory.copy(at, text)?;
    Name::of_record(text)
}

impl<M: Memory> Namespace for Table<'_, M> {
    type Entry = Record;

    #[inline]
    fn exact(&self, name: &[u8]) -> Option<Record> {
        let entry = self.role(name, false)?;
        entry.record.answers().then_some(entry.record)
    }

    fn wildcard(&self, suffix: &[u8]) -> Option<Record> {
        let entry = self.role(suffix, true)?;
        entry.record.answers().then_some(entry.record)
    }

    #[inline]
    fn depths(&self) -> u32 {
        self.memory.live(LiveWord::DEPTHS) as u32
    }
}
