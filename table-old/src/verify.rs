//! Whether a table is whole: every part agrees with every other. The daemon
//! asks this of a file before it goes on from it; look-ups need no such trust.

use core::fmt;

use crate::format::{self, Record, Slots};
use crate::view::{LIST, MAX_NAMES, View, depth_bit};

/// What is wrong with a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    what: &'static str,
    at: u32,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "damaged table: {} at byte {}", self.what, self.at)
    }
}

impl core::error::Error for Damage {}

/// `Err` unless `holds`.
fn check(holds: bool, what: &'static str, at: u32) -> Result<(), Damage> {
    if holds {
        Ok(())
    } else {
        Err(Damage { what, at })
    }
}

impl View<'_> {
    /// Reads the whole table and checks that it is one that the builder could
    /// have written. Takes time and memory in proportion to its size.
    ///
    /// # Errors
    /// The first thing that is wrong, and where.
    pub fn verify(&self) -> Result<(), Damage> {
        check(format::checksum_holds(self.bytes), "the checksum", 24)?;
        let starts = self.verify_records()?;
        self.verify_pointers(&starts)?;
        self.verify_forward(&starts)?;
        let lists = self.verify_lists(&starts)?;
        self.verify_reverse(&starts, &lists)?;
        self.verify_sources()
    }

    /// The records, one after the other; returns where they start.
    fn verify_records(&self) -> Result<Vec<u32>, Damage> {
        let span = self.header().records;
        let mut starts = Vec::new();
        let (mut at, mut last) = (span.start, &[][..]);
        while at < span.end {
            let record = self.record(at);
            let record = record.filter(|record| record.end <= span.end);
            let Some(record) = record else {
                return Err(Damage {
                    what: "a record",
                    at,
                });
            };
            check(record.name > last, "a name out of order", at)?;
            let canonical = record.canonical.unwrap_or_default();
            let are_names = format::is_name(record.name) && format::is_name(canonical);
            check(are_names, "a name with other letters", at)?;
            let before = at < self.header().first_role;
            check(record.wildcard == before, "a wildcard among the names", at)?;
            let answers = !record.v4.is_empty() || !record.v6.is_empty();
            check(
                answers || record.target.is_some(),
                "a role with nothing",
                at,
            )?;
            last = record.name;
            starts.push(at);
            at = record.end;
        }
        let count = u32::try_from(starts.len());
        check(count == Ok(self.names()), "the number of names", 72)?;
        let first = self.header().first_role;
        let starts_there = first == span.end || starts.binary_search(&first).is_ok();
        check(starts_there, "where the names begin", 12)?;
        Ok(starts)
    }

    /// Every pointer leads to a role that has addresses itself.
    fn verify_pointers(&self, starts: &[u32]) -> Result<(), Damage> {
        for &at in starts {
            let target = self.record(at).and_then(|record| record.target);
            let Some(target) = target else { continue };
            let ends = starts.binary_search(&target).is_ok()
                && self
                    .record(target)
                    .is_some_and(|to| to.target.is_none() && !to.wildcard);
            check(ends, "where a pointer leads", at)?;
        }
        Ok(())
    }

    /// Every name is found by its own look-up, and no slot is left over.
    fn verify_forward(&self, starts: &[u32]) -> Result<(), Damage> {
        let slots = self.forward();
        for &at in starts {
            let Some(record) = self.record(at) else {
                continue;
            };
            let hash = hash_of(&record, self.header().seed);
            let found = slots.probe(hash).any(|offset| offset == at);
            check(found, "a name that is not in the index", at)?;
            let labels = record.name.split(|&byte| byte == b'.').count() - 1;
            let sought = !record.wildcard || self.header().depths & depth_bit(labels) != 0;
            check(sought, "the depth of a wildcard", at)?;
        }
        let used = slots.used().count();
        let start = self.header().forward.start;
        check(used == starts.len(), "slots of the name index", start)
    }

    /// The lists, one after the other; returns where they start.
    fn verify_lists(&self, starts: &[u32]) -> Result<Vec<u32>, Damage> {
        let span = self.header().lists;
        let entry = |at: u64| {
            let at = u32::try_from(at).ok().filter(|&at| span.contains(at))?;
            format::u32_at(self.bytes, at as usize)
        };
        let mut lists = Vec::new();
        let mut at = span.start;
        while at < span.end {
            let count = entry(at.into()).unwrap_or(0);
            check((2..=MAX_NAMES).contains(&count), "a list of names", at)?;
            for n in 1..=count {
                let name = entry(u64::from(at) + 4 * u64::from(n));
                let there = name.is_some_and(|name| starts.binary_search(&name).is_ok());
                check(there, "a list of names", at)?;
            }
            lists.push(at);
            at = at.saturating_add(4 * (count + 1));
        }
        Ok(lists)
    }

    /// Every slot leads to a record or a list, and there are as many as there
    /// are addresses.
    fn verify_reverse(&self, starts: &[u32], lists: &[u32]) -> Result<(), Damage> {
        let mut used = 0;
        for slot in Slots::new(self.bytes, self.header().reverse).used() {
            used += 1;
            let places = if slot & LIST == 0 { starts } else { lists };
            let there = places.binary_search(&(slot & !LIST)).is_ok();
            check(there, "a slot of the address index", slot)?;
        }
        check(used == self.addresses(), "the number of addresses", 76)
    }

    /// The sources fill their part to the end and name hashes there are.
    fn verify_sources(&self) -> Result<(), Damage> {
        let hashes = self.hashes().count();
        let span = self.header().sources;
        let mut at = span.start as usize;
        while at < span.end as usize {
            let start = at as u32;
            let (source, end) = self.source(at).ok_or(Damage {
                what: "a source",
                at: start,
            })?;
            check(source.hash < hashes, "the hash of a source", start)?;
            check(end <= span.end as usize, "a source", start)?;
            at = end;
        }
        Ok(())
    }
}

/// Under which hash a record stands in the index of names.
pub(crate) fn hash_of(record: &Record<'_>, seed: u64) -> u64 {
    match record.name.strip_prefix(b"*.") {
        Some(suffix) if record.wildcard => format::hash_below(suffix, seed),
        _ => format::hash_name(record.name, seed),
    }
}
