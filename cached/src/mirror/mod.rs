//! The mirror: what the Redis hashes hold, as far as it can be trusted and
//! used, and the roles that follow from it. It takes changes in, and what one
//! costs depends on the roles it touches, not on how many there are.
//!
//! - `fields`: the fields in use of all hashes, compact and in order;
//! - `hash`: one hash: bad values, last good values, lost fields;
//! - `directory`: which role answers for a name;
//! - `resolve` and `farm`: what a role answers, where pointers lead;
//! - `graph`: who points at whom;
//! - `apply`: a batch of changes, and whose answers it changes;
//! - `roles`: the roles as they are to stand in the table;
//! - `rejected`: what can't be used, for the status file.
//!
//! A table holds what the fields say that it was made from, and the daemon's
//! state how they were written, so the mirror of a daemon that starts is that of
//! the one before it.

mod addresses;
mod apply;
mod directory;
mod farm;
mod fault;
mod fields;
mod graph;
mod hash;
mod normal_name;
mod parsed;
mod raw_values;
mod rejected;
mod resolve;
mod roles;
mod spellings;
#[cfg(test)]
mod tests;
mod unusable;

pub(crate) use apply::Changed;
use cloudhosts_config::Zone;
use cloudhosts_config::status::HashStatus;
use cloudhosts_config::{Allow, Config};
use cloudhosts_registry::follow::{Baseline, Checkpoint};
use cloudhosts_registry::pairs::Pairs;
use cloudhosts_table::{MAX_HASHES, Settings, View};
use directory::Directory;
use fault::Faults;
use fields::{Bulk, FieldRef, Fields, StoredField};
use graph::{Graph, Names};
use hash::Hash;
use parsed::Parsed;
pub(crate) use raw_values::RawValues;
use resolve::Resolver;

use crate::last_good::version_1;

/// The state of all hashes.
#[derive(Debug)]
pub(crate) struct Mirror {
    settings: Settings,
    allow: Allow,
    /// The zone of this machine.
    zone: Option<Zone>,
    /// The hashes of the configuration, the deciding one first, and after them
    /// those that have left it, until all others have been read.
    hashes: Vec<Hash>,
    /// How many hashes the configuration has.
    configured: usize,
    fields: Fields,
    graph: Graph,
    faults: Faults,
    /// The roles that had fields in the last batch.
    touched: Names,
}

impl Mirror {
    /// An empty mirror.
    #[must_use]
    pub(crate) fn new(config: &Config) -> Mirror {
        let domain = config.domain.map(|domain| domain.to_string());
        let hashes = config.hashes.iter().enumerate();
        Mirror {
            settings: Settings {
                generation: 0,
                stale_max: config.stale_max,
                order: config.order,
                domain: domain.unwrap_or_default(),
                reverse: config.reverse,
                hashes: config.hashes.clone(),
            },
            allow: config.allow.clone(),
            zone: config.zone.clone(),
            hashes: hashes.map(|(number, key)| Hash::new(key, number)).collect(),
            configured: config.hashes.len(),
            fields: Fields::default(),
            graph: Graph::default(),
            faults: Faults::default(),
            touched: Names::new(),
        }
    }

    /// The settings of the table. The generation is the last known one.
    #[must_use]
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Restores the fields that a table was made from, of the hashes that are
    /// still mirrored, and continues its generation. `written` has the raw values
    /// of fields that are not in normal form in Redis.
    pub(crate) fn restore(&mut self, table: &View<'_>, written: &RawValues) {
        let keys = table.hashes();
        let numbers: Vec<Option<usize>> = keys.iter().map(|key| self.number(key)).collect();
        let mut bulk = Bulk::default();
        for role in table.roles() {
            if !self.allow.allows(&role.name) {
                continue;
            }
            for source in &role.sources {
                let Some(&Some(number)) = numbers.get(source.hash) else {
                    continue;
                };
                let member = source.member.as_deref().unwrap_or_default();
                let key = keys.get(source.hash).map_or("", String::as_str);
                let raw = written.get(key, &role.name, member);
                if let Some(value) = Parsed::restored(source, raw) {
                    let retained = source.retained;
                    bulk.push(&role.name, number, member, StoredField { value, retained });
                }
            }
        }
        self.settings.generation = table.generation();
        self.take_up(bulk);
    }

    /// The same from a table of format 1.
    pub(crate) fn restore_version_1(&mut self, table: &version_1::Table) {
        let keys = table.hashes();
        let numbers: Vec<Option<usize>> = keys.iter().map(|key| self.number(key)).collect();
        let mut bulk = Bulk::default();
        for source in table.sources() {
            let retained = source.retained;
            if let Some(&Some(number)) = numbers.get(source.hash)
                && let Ok(value) = Parsed::parse(source.value)
                && self.allow.allows(source.role)
            {
                let field = StoredField { value, retained };
                bulk.push(source.role, number, source.member, field);
            }
        }
        self.settings.generation = table.generation();
        self.take_up(bulk);
    }

    /// The raw values of fields that are not in normal form in Redis.
    #[must_use]
    pub(crate) fn raw_values(&self) -> RawValues {
        let mut written = RawValues::default();
        for at in self.fields.unusual() {
            if let (Some(hash), Some(raw)) = (self.hashes.get(at.hash), at.field.value.unusual()) {
                written.add(hash.key(), at.role, at.member, raw);
            }
        }
        written
    }

    /// The mirror for a new configuration, with the fields of this one. Hashes
    /// that have left the configuration still answer, after all others, until all
    /// configured hashes have been read. What can't be used is reported again when
    /// it is read again.
    #[must_use]
    pub(crate) fn reconfigured(self, config: &Config) -> Mirror {
        let mut new = Mirror::new(config);
        let mut numbers = Vec::new();
        for hash in &self.hashes {
            let number = new.number(hash.key()).or_else(|| new.add_leaving(hash));
            numbers.push(number);
        }
        let mut bulk = Bulk::default();
        for at in self.fields.iter() {
            if let Some(&Some(number)) = numbers.get(at.hash)
                && new.allow.allows(at.role)
            {
                bulk.push(at.role, number, at.member, at.field.clone());
            }
        }
        new.settings.generation = self.settings.generation;
        new.take_up(bulk);
        new
    }

    /// A hash that has left the configuration; none where there is no room for
    /// it, or nothing in it.
    fn add_leaving(&mut self, hash: &Hash) -> Option<usize> {
        let number = self.hashes.len();
        if number == MAX_HASHES || hash.status().fields == 0 {
            return None;
        }
        self.hashes.push(Hash::new(hash.key(), number));
        self.settings.hashes.push(hash.key().into());
        Some(number)
    }

    fn number(&self, key: &str) -> Option<usize> {
        self.hashes.iter().position(|hash| hash.key() == key)
    }

    /// Puts restored fields into an empty mirror.
    fn take_up(&mut self, bulk: Bulk) {
        self.fields.add(bulk);
        for at in self.fields.iter() {
            if let Some(hash) = self.hashes.get_mut(at.hash) {
                hash.note(at.role, at.member, at.field);
            }
        }
        self.start_over();
    }

    /// What a follower needs to know to go on from here.
    #[must_use]
    pub(crate) fn baseline(&self, checkpoint: Checkpoint) -> Baseline {
        let known = || self.fields.iter().filter(|at| !at.field.retained);
        let mut sizes = vec![(0, 0); self.configured];
        for at in known() {
            if let Some((fields, bytes)) = sizes.get_mut(at.hash) {
                *fields += 1;
                *bytes += at.role.len() + 1 + at.member.len() + at.field.value.raw().len();
            }
        }
        let room = |(fields, bytes)| Pairs::with_capacity(fields, bytes);
        let mut hashes: Vec<Pairs> = sizes.into_iter().map(room).collect();
        let mut raw = String::new();
        for at in known() {
            let Some(pairs) = hashes.get_mut(at.hash) else {
                continue;
            };
            raw.clear();
            // Writing to a string cannot fail.
            let _ = normal_name::write_field(&mut raw, at.role, at.member);
            // What does not fit is read as if it were new.
            let _ = pairs.push(raw.as_bytes(), &at.field.value.raw());
        }
        Baseline { hashes, checkpoint }
    }

    /// Whether fields are retained that Redis has lost.
    #[must_use]
    pub(crate) fn is_guarded(&self) -> bool {
        self.hashes.iter().any(|hash| hash.retained() > 0)
    }

    /// How the hashes of the configuration are.
    #[must_use]
    pub(crate) fn hashes(&self) -> Vec<HashStatus> {
        let hashes = self.hashes.iter().take(self.configured);
        hashes.map(Hash::status).collect()
    }

    fn directory(&self) -> Directory<'_> {
        Directory::new(&self.fields, &self.settings.domain)
    }

    fn resolver(&self) -> Resolver<'_> {
        Resolver::new(self.directory(), self.zone.as_ref())
    }
}

/// The fields of each role together, in order.
fn by_role<'f>(
    fields: impl Iterator<Item = FieldRef<'f>>,
    mut each: impl FnMut(&'f str, &[FieldRef<'f>]),
) {
    let mut role: Vec<FieldRef<'f>> = Vec::new();
    for field in fields {
        if let Some(first) = role.first()
            && first.role != field.role
        {
            each(first.role, &role);
            role.clear();
        }
        role.push(field);
    }
    if let Some(first) = role.first() {
        each(first.role, &role);
    }
}

/// Of the fields of a role those that decide it: those of its first hash.
fn deciding<'r, 'f>(role: &'r [FieldRef<'f>]) -> &'r [FieldRef<'f>] {
    let Some(first) = role.first() else {
        return role;
    };
    let end = role.partition_point(|field| field.hash == first.hash);
    role.get(..end).unwrap_or_default()
}
