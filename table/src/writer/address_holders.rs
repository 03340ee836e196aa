//! Updates the reverse index: which roles hold which address.
//!
//! If one role has an address, the slot of the address refers to a record of that
//! role, perhaps an older one, which has the same name and the address too. If
//! several roles have it, the slot refers to a list of them. Aliases are not in
//! these lists, but in one list for each target, under the target's name: a
//! hundred aliases of a role with a thousand addresses take a hundred entries, not
//! a hundred thousand.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::index::replace;
use super::{RegionWriter, WriteError, table};
use crate::format::{
    ALIAS, CANONICAL, LIST, RecordFields, UNANSWERED, WILDCARD, encode_record, hash_address,
    hash_aliases,
};
use crate::memory::Memory;
use crate::reverse::MAX_NAMES;
use crate::roles::addresses;
use crate::shm::Words;
use crate::table::{Record, Table};

/// What the writer knows about the reverse index besides the table itself.
#[derive(Debug, Default)]
pub(super) struct AddressHolders {
    /// For each address that several roles have, references to their records.
    shared: HashMap<IpAddr, Vec<u32>>,
    /// The addresses whose list the next commit writes.
    stale: HashSet<IpAddr>,
    /// The number of addresses that share each list.
    users: HashMap<u32, u32>,
}

impl RegionWriter {
    /// Updates the addresses that a role has gained or lost.
    pub(super) fn update_addresses(
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
        let before = old
            .map(|old| own_addresses(&table, &old))
            .unwrap_or_default();
        let after = new
            .map(|(new, _)| own_addresses(&table, &new))
            .unwrap_or_default();
        let points = |record: Record| record.shape.is(CANONICAL);
        // A role that has got or lost another canonical name changes its rank in
        // every list.
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
        if let Some(holders) = self.address_holders.shared.get_mut(&address) {
            holders.retain(|&holder| table.record(holder).is_some_and(is_other));
            self.address_holders.stale.insert(address);
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
        if let Some(holders) = self.address_holders.shared.get_mut(&address) {
            holders.push(reference);
            self.address_holders.stale.insert(address);
        } else if let Some(entry) = table.address(&octets(&address)) {
            let holders = vec![entry.reference, reference];
            self.address_holders.shared.insert(address, holders);
            self.address_holders.stale.insert(address);
        } else {
            let hash = hash_address(&octets(&address), table.layout.seed);
            self.reverse.insert(&self.region, hash, reference)?;
        }
        Ok(())
    }

    /// Writes the lists that are out of date.
    pub(super) fn write_lists(&mut self) -> Result<(), WriteError> {
        // Addresses that the same roles have share one list.
        let mut written = HashMap::new();
        for address in std::mem::take(&mut self.address_holders.stale) {
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
        self.release_list(entry.reference);
        let holders = self.address_holders.shared.get(&address);
        let mut holders = holders.cloned().unwrap_or_default();
        if holders.len() < 2 {
            self.address_holders.shared.remove(&address);
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
                *self.address_holders.users.entry(list).or_default() += 1;
                list
            }
        };
        let hash = hash_address(&octets(&address), table.layout.seed);
        replace(&region, self.reverse.part, entry.position, hash, reference);
        Ok(())
    }

    /// Decrements the number of addresses that share a list.
    fn release_list(&mut self, list: u32) {
        if let Some(users) = self.address_holders.users.get_mut(&list) {
            *users -= 1;
            if *users == 0 {
                self.address_holders.users.remove(&list);
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

/// The addresses that a role has itself, sorted and without duplicates.
fn own_addresses<M: Memory>(table: &Table<'_, M>, record: &Record) -> Vec<IpAddr> {
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

/// The order of names in a list: roles whose own name is canonical come before
/// others, then shorter names, then alphabetical order.
fn rank<M: Memory>(table: &Table<'_, M>, reference: u32) -> Option<(bool, usize, String)> {
    let record = table.record(reference)?;
    let name = table.name(&record)?.to_string();
    Some((record.shape.is(CANONICAL), name.len(), name))
}
