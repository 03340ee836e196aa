//! Which names an address has, kept up to date as roles change.
//!
//! The slot of an address that one role has refers to that role's record. It
//! may be an older record of the role: that still says its name, and has the
//! address. Where several roles have the address, the slot refers to a list of
//! them. Roles that are aliases are not beside each address of their target but
//! in one list for it: a hundred names for a farm of a thousand machines are a
//! hundred entries, not a hundred thousand.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::format::{
    ALIAS, CANONICAL, LIST, RecordFields, UNANSWERED, WILDCARD, encode_record, hash_address,
    hash_aliases,
};
use crate::memory::Memory;
use crate::reverse::MAX_NAMES;
use crate::roles::addresses;
use crate::shm::Words;
use crate::table::{Record, Table};

use super::index::replace;
use super::{RegionWriter, WriteError, table};

/// What the writer has to know beyond the table itself.
#[derive(Debug, Default)]
pub(super) struct Reversal {
    /// Of each address that several roles have: their records.
    shared: HashMap<IpAddr, Vec<u32>>,
    /// Those whose list is to be written at the next commit.
    stale: HashSet<IpAddr>,
    /// How many addresses each list is used for.
    users: HashMap<u32, u32>,
}

impl RegionWriter {
    /// Takes in that a role has other addresses now.
    pub(super) fn follow_addresses(
        &mut self,
        name: &str,
        old: Option<Record>,
        new: Option<(Record, u32)>,
    ) -> Result<(), WriteError> {
        if !self.settings.reverse {
            return Ok(());
        }
        let region = Arc::clone(&self.region);
        let table = table(&region);
        let before = old.map(|old| held(&table, &old)).unwrap_or_default();
        let after = new.map(|(new, _)| held(&table, &new)).unwrap_or_default();
        let points = |record: Record| record.shape.is(CANONICAL);
        // One that has become the canonical name, or is so no more, changes its
        // place in every list.
        let same = old.map(points) == new.map(|(new, _)| points(new));
        for &address in &before {
            if !same || after.binary_search(&address).is_err() {
                self.drop_holder(&table, address, name);
            }
        }
        let Some((_, reference)) = new else {
            return Ok(());
        };
        for &address in &after {
            if !same || before.binary_search(&address).is_err() {
                self.add_holder(&table, address, reference)?;
            }
        }
        Ok(())
    }

    fn drop_holder(&mut self, table: &Table<'_, Words<'_>>, address: IpAddr, name: &str) {
        let is_other = |record: Record| !table.is_named(&record, name.as_bytes());
        if let Some(holders) = self.reversal.shared.get_mut(&address) {
            holders.retain(|&holder| table.record(holder).is_some_and(is_other));
            self.reversal.stale.insert(address);
        } else if let Some(entry) = table.address(&octets(&address)) {
            let region = Arc::clone(&self.region);
            self.reverse.remove(&region, entry.position);
        }
    }

    fn add_holder(
        &mut self,
        table: &Table<'_, Words<'_>>,
        address: IpAddr,
        reference: u32,
    ) -> Result<(), WriteError> {
        if let Some(holders) = self.reversal.shared.get_mut(&address) {
            holders.push(reference);
            self.reversal.stale.insert(address);
        } else if let Some(entry) = table.address(&octets(&address)) {
            let holders = vec![entry.reference, reference];
            self.reversal.shared.insert(address, holders);
            self.reversal.stale.insert(address);
        } else {
            let hash = hash_address(&octets(&address), table.layout.seed);
            self.reverse.insert(&self.region, hash, reference)?;
        }
        Ok(())
    }

    /// Writes the lists that are not what they should be.
    pub(super) fn write_lists(&mut self) -> Result<(), WriteError> {
        // Addresses of one farm have the same names, and one list does.
        let mut written = HashMap::new();
        for address in std::mem::take(&mut self.reversal.stale) {
            self.write_address(address, &mut written)?;
        }
        for target in std::mem::take(&mut self.stale_aliases) {
            self.write_aliases(&target)?;
        }
        Ok(())
    }

    fn write_address(
        &mut self,
        address: IpAddr,
        written: &mut HashMap<Vec<u32>, u32>,
    ) -> Result<(), WriteError> {
        let region = Arc::clone(&self.region);
        let table = table(&region);
        let Some(entry) = table.address(&octets(&address)) else {
            return Ok(());
        };
        self.let_go(entry.reference);
        let holders = self.reversal.shared.get(&address);
        let mut holders = holders.cloned().unwrap_or_default();
        if holders.len() < 2 {
            self.reversal.shared.remove(&address);
        }
        let reference = match holders[..] {
            [] => {
                self.reverse.remove(&region, entry.position);
                return Ok(());
            }
            [only] => only,
            _ => {
                holders.sort_by_cached_key(|&holder| rank(&table, holder));
                holders.truncate(MAX_NAMES);
                let list = match written.get(&holders) {
                    Some(&list) => list,
                    None => {
                        let list = self.write_list("", &holders)?;
                        written.insert(holders, list);
                        list
                    }
                };
                *self.reversal.users.entry(list).or_default() += 1;
                list
            }
        };
        let hash = hash_address(&octets(&address), table.layout.seed);
        replace(&region, self.reverse.part, entry.position, hash, reference);
        Ok(())
    }

    /// Counts an address out of those that a list is used for.
    fn let_go(&mut self, list: u32) {
        if let Some(users) = self.reversal.users.get_mut(&list) {
            *users -= 1;
            if *users == 0 {
                self.reversal.users.remove(&list);
                self.garbage += self.record_words(list);
            }
        }
    }

    fn write_aliases(&mut self, target: &str) -> Result<(), WriteError> {
        let region = Arc::clone(&self.region);
        let table = table(&region);
        let before = table.aliases(target.as_bytes());
        let mut aliases = self.aliases.get(target).cloned().unwrap_or_default();
        aliases.sort_by_cached_key(|&alias| rank(&table, alias));
        aliases.truncate(MAX_NAMES);
        if let Some(before) = before {
            self.garbage += self.record_words(before.reference);
        }
        if aliases.is_empty() {
            self.aliases.remove(target);
            if let Some(before) = before {
                self.forward.remove(&region, before.position);
            }
            return Ok(());
        }
        let list = self.write_list(target, &aliases)?;
        let hash = hash_aliases(target.as_bytes(), table.layout.seed);
        match before {
            Some(before) => replace(&region, self.forward.part, before.position, hash, list),
            None => self.forward.insert(&region, hash, list)?,
        }
        Ok(())
    }

    fn write_list(&mut self, name: &str, references: &[u32]) -> Result<u32, WriteError> {
        let references: Vec<_> = references.iter().map(|one| one.to_le_bytes()).collect();
        let fields = RecordFields {
            flags: LIST,
            name,
            v4: &references,
            ..RecordFields::default()
        };
        encode_record(&mut self.scratch, &fields);
        self.append()
    }
}

/// The addresses that a role has itself and answers to, sorted, each once.
fn held<M: Memory>(table: &Table<'_, M>, record: &Record) -> Vec<IpAddr> {
    if record.shape.flags & (WILDCARD | UNANSWERED | ALIAS | LIST) != 0 {
        return Vec::new();
    }
    let v4: Option<Vec<[u8; 4]>> = addresses(table, record.v4_at(), record.shape.v4());
    let v6: Option<Vec<[u8; 16]>> = addresses(table, record.v6_at(), record.shape.v6());
    let v4 = v4.unwrap_or_default().into_iter().map(IpAddr::from);
    let v6 = v6.unwrap_or_default().into_iter().map(IpAddr::from);
    let mut all: Vec<_> = v4.chain(v6).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn octets(address: &IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// A role that has an address comes before one that points at another; then
/// the shortest, then the alphabetically first.
fn rank<M: Memory>(table: &Table<'_, M>, reference: u32) -> Option<(bool, usize, String)> {
    let record = table.record(reference)?;
    let name = table.name(&record)?.to_string();
    Some((record.shape.is(CANONICAL), name.len(), name))
}
