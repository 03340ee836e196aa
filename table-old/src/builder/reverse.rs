//! The index of addresses: which roles hold each.
//!
//! Roles that point at another hold its addresses too. They are kept beside
//! that one, not beside each of its addresses: a hundred names for a farm of a
//! thousand machines are a hundred entries here, not a hundred thousand.

use std::collections::HashMap;

use super::BuildError;
use crate::format;
use crate::view::{LIST, MAX_NAMES, View};

/// The parts of the table that reverse look-ups read.
pub(super) struct Reverse {
    pub(super) addresses: u32,
    pub(super) slots: Vec<u8>,
    pub(super) lists: Vec<u8>,
}

/// Makes them for the records at `starts`. The lists will stand right after
/// the records.
pub(super) fn index(view: View<'_>, starts: &[u32], seed: u64) -> Result<Reverse, BuildError> {
    let mut v4: Vec<([u8; 4], u32)> = Vec::with_capacity(starts.len());
    let mut v6: Vec<([u8; 16], u32)> = Vec::new();
    let mut lists = Lists {
        view,
        pointing: Vec::new(),
        bytes: Vec::new(),
        written: HashMap::new(),
    };
    for &at in starts {
        let Some(record) = view.record(at) else {
            continue;
        };
        if record.wildcard {
            continue;
        }
        if let Some(target) = record.target {
            lists.pointing.push((target, record.name.len(), at));
        }
        v4.extend(record.v4.iter().map(|&address| (address, at)));
        v6.extend(record.v6.iter().map(|&address| (address, at)));
    }
    lists.pointing.sort_unstable();
    let mut entries = Vec::with_capacity(v4.len() + v6.len());
    group(v4, &mut lists, seed, &mut entries);
    group(v6, &mut lists, seed, &mut entries);
    Ok(Reverse {
        addresses: entries.len() as u32,
        slots: super::index(entries.len(), entries.iter().copied())?,
        lists: lists.bytes,
    })
}

/// Brings together the roles that hold each address.
fn group<const N: usize>(
    mut held: Vec<([u8; N], u32)>,
    lists: &mut Lists<'_>,
    seed: u64,
    entries: &mut Vec<(u64, u32)>,
) {
    held.sort_unstable();
    held.dedup();
    let mut holders = Vec::new();
    for group in held.chunk_by(|a, b| a.0 == b.0) {
        let Some(&(address, _)) = group.first() else {
            continue;
        };
        holders.clear();
        holders.extend(group.iter().map(|&(_, at)| at));
        let slot = lists.slot(&holders);
        entries.push((format::hash_address(&address, seed), slot));
    }
}

/// The lists of roles that share addresses, each written once.
struct Lists<'t> {
    view: View<'t>,
    /// For each pointer: the record it points at, the length of its name, its
    /// own record. In this order, which is the one in which the pointers at a
    /// record are named.
    pointing: Vec<(u32, usize, u32)>,
    bytes: Vec<u8>,
    /// By the records that hold the addresses themselves.
    written: HashMap<Vec<u32>, u32>,
}

impl Lists<'_> {
    /// What the slot of an address leads to that these records hold: the one
    /// record, or a list whose first is the canonical name.
    fn slot(&mut self, holders: &[u32]) -> u32 {
        if let &[only] = holders
            && self.pointing_at(only).next().is_none()
        {
            return only;
        }
        if let Some(&slot) = self.written.get(holders) {
            return slot;
        }
        let mut names = holders.to_vec();
        names.extend(holders.iter().flat_map(|&holder| self.pointing_at(holder)));
        // Names stand in alphabetical order, so offsets compare as names do.
        names.sort_by_cached_key(|&at| {
            let record = self.view.record(at);
            record.map(|record| (record.points(), record.name.len(), at))
        });
        names.truncate(MAX_NAMES as usize);
        let slot = (self.view.records.end + self.bytes.len() as u32) | LIST;
        let count = names.len() as u32;
        self.bytes.extend_from_slice(&count.to_le_bytes());
        let names = names.iter().flat_map(|name| name.to_le_bytes());
        self.bytes.extend(names);
        self.written.insert(holders.to_vec(), slot);
        slot
    }

    /// The pointers at a record, as many as a list can have use for.
    fn pointing_at(&self, holder: u32) -> impl Iterator<Item = u32> {
        let first = self.pointing.partition_point(|&(at, ..)| at < holder);
        let rest = self.pointing.get(first..).unwrap_or_default();
        rest.iter()
            .take_while(move |&&(at, ..)| at == holder)
            .take(MAX_NAMES as usize)
            .map(|&(_, _, at)| at)
    }
}
