//! A batch of changes: what it changes in the fields, and which answers
//! differ because of it.

use std::collections::BTreeSet;

use cloudhosts_registry::follow::{Batch, Changes};
use cloudhosts_registry::log::DropScope;
use cloudhosts_registry::record::{Field, MAX_ADDRESSES};

use super::directory::Directory;
use super::fault::{Faults, Faulty};
use super::fields::Fields;
use super::graph::{Graph, Names};
use super::hash::Hash;
use super::normal_name::NormalName;
use super::parsed::Location;
use super::resolve::{Answer, Face, Resolved, Resolver};
use super::{Mirror, by_role, deciding};

/// From this many changes on it may be cheaper to recompute everything ...
const MANY: usize = 1_000;
/// ... if they are more than this fraction of all fields.
const PART: usize = 4;

/// What a batch changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// Nothing: the table stays as it is.
    Nothing,
    /// The answers of these roles; none where only the bookkeeping of fields
    /// has changed, such as that they are retained ([`Mirror::touched`]).
    Roles(BTreeSet<Box<str>>),
    /// So much that every answer may have changed.
    All,
}

/// What a batch touches, and how it was before.
struct Affected {
    /// The roles with fields in the batch.
    touched: Names,
    /// These, and the roles that have their answers from them; not those that
    /// nobody points at and that have but one name to look at.
    roles: Vec<(Box<str>, Option<Answer>)>,
    /// The names pointed at that these roles answer for.
    faces: Vec<(Box<str>, Face)>,
}

impl Mirror {
    /// Applies a batch.
    pub(crate) fn apply(&mut self, batch: &Batch) -> Changed {
        let mut changes = Vec::new();
        for read in &batch.hashes {
            let Some(hash) = self.hashes.get_mut(read.hash) else {
                continue;
            };
            match &read.outcome {
                Ok(of_hash) => {
                    hash.readable();
                    changes.push((read.hash, of_hash));
                }
                Err(unreadable) => hash.unreadable(unreadable.clone()),
            }
        }
        // Only now is it known what the hashes hold that replace those that
        // have left the configuration.
        let mut configured = self.hashes.iter().take(self.configured);
        let leave = self.hashes.len() > self.configured
            && batch.full.is_some()
            && configured.all(Hash::is_readable);
        if leave || self.is_large(&changes) {
            return self.apply_many(&changes, leave);
        }
        let affected = self.affected(&changes);
        self.touched.clone_from(&affected.touched);
        let before = Directory::new(&self.fields, &self.settings.domain);
        for role in &affected.touched {
            self.graph.unlink(role, before);
        }
        let changed = self.change(&changes);
        let after = Directory::new(&self.fields, &self.settings.domain);
        for role in &affected.touched {
            self.graph.link(role, after);
            self.graph.note(role, after);
        }
        if changed {
            Changed::Roles(self.compare(&affected))
        } else {
            Changed::Nothing
        }
    }

    /// The roles that had fields in the last batch, where that did not change
    /// all: what is remembered of them may be another.
    #[must_use]
    pub(crate) fn touched(&self) -> &BTreeSet<Box<str>> {
        &self.touched
    }

    /// Recomputes everything that follows from the fields.
    pub(super) fn start_over(&mut self) {
        let directory = Directory::new(&self.fields, &self.settings.domain);
        let (mut graph, mut faults) = (Graph::default(), Faults::default());
        let mut resolver = Resolver::new(directory, self.zone.as_ref());
        by_role(self.fields.iter(), |role, fields| {
            let fields = deciding(fields);
            let (mut points, mut addresses) = (false, 0);
            for field in fields {
                match field.field.value.location() {
                    Location::Addresses { v4, v6 } => addresses += v4.len() + v6.len(),
                    Location::Pointer(_) => points = true,
                }
            }
            if points {
                graph.link(role, directory);
            }
            if points || addresses > MAX_ADDRESSES {
                note(&mut faults, &self.fields, role, resolver.resolve(role));
            }
        });
        self.graph = graph;
        self.faults = faults;
    }

    /// Whether a batch has so many changes that following each to what it
    /// touches costs more than to recompute everything.
    fn is_large(&self, changes: &[(usize, &Changes)]) -> bool {
        let count = |&(hash, changes): &(usize, &Changes)| {
            let all = changes.dropped.contains(&DropScope::All);
            let hash = self.hashes.get(hash).filter(|_| all);
            let dropped = hash.map_or(changes.dropped.len(), |hash| hash.retained());
            changes.set.len() + changes.removed.len() + changes.lost.len() + dropped
        };
        let count: usize = changes.iter().map(count).sum();
        count > MANY && count > self.fields.len() / PART
    }

    /// Applies so many changes that everything is recomputed; `leave`: and drops
    /// the hashes that have left the configuration.
    fn apply_many(&mut self, changes: &[(usize, &Changes)], leave: bool) -> Changed {
        let mut changed = self.change(changes);
        if leave {
            self.hashes.truncate(self.configured);
            self.settings.hashes.truncate(self.configured);
            changed |= self.fields.keep_hashes(self.configured);
        }
        if !changed {
            return Changed::Nothing;
        }
        self.start_over();
        Changed::All
    }

    /// Takes changes into the fields; true when one is another now.
    fn change(&mut self, changes: &[(usize, &Changes)]) -> bool {
        let mut changed = false;
        for &(hash, changes) in changes {
            if let Some(hash) = self.hashes.get_mut(hash) {
                changed |= hash.apply(changes, &mut self.fields, &self.allow);
            }
        }
        changed
    }

    /// What changes will touch, as it is before.
    fn affected(&self, changes: &[(usize, &Changes)]) -> Affected {
        let mut touched = Names::new();
        for &(hash, changes) in changes {
            self.touch(hash, changes, &mut touched);
        }
        let domain = &self.settings.domain;
        let mut roles = touched.clone();
        let mut names = BTreeSet::new();
        let mut to_visit: Vec<Box<str>> = touched.iter().cloned().collect();
        while let Some(role) = to_visit.pop() {
            for name in self.graph.answered_by(&role, domain) {
                if names.contains(&name) {
                    continue;
                }
                for carrier in self.graph.carriers(&name) {
                    if roles.insert(carrier.into()) {
                        to_visit.push(carrier.into());
                    }
                }
                names.insert(name);
            }
        }
        let mut resolver = self.resolver();
        let roles = roles.into_iter().map(|role| {
            let answer = resolver.resolve(&role).answer;
            (role, answer)
        });
        let roles = roles.collect();
        let faces = names.into_iter().map(|name| {
            let face = resolver.face(&name);
            (name, face)
        });
        Affected {
            touched,
            roles,
            faces: faces.collect(),
        }
    }

    /// The roles that changes of a hash name.
    fn touch(&self, hash: usize, changes: &Changes, touched: &mut Names) {
        let set = changes.set.iter().map(|(raw, _)| raw);
        let missing = changes.removed.iter().chain(&changes.lost);
        for raw in set.chain(missing.map(|raw| &raw[..])) {
            if let Ok(field) = Field::parse(raw) {
                let name = NormalName::of(&field);
                if self.allow.allows(name.role()) {
                    touched.insert(name.role().into());
                }
            }
        }
        if self
            .hashes
            .get(hash)
            .is_none_or(|hash| hash.retained() == 0)
        {
            return;
        }
        for scope in &changes.dropped {
            match scope {
                DropScope::Role(role) => {
                    touched.insert(role.as_str().into());
                }
                DropScope::All => {
                    let retained = self.fields.iter().filter(|at| at.field.retained);
                    touched.extend(retained.map(|at| at.role.into()));
                }
            }
        }
    }

    /// The roles whose answers are others than before.
    fn compare(&mut self, affected: &Affected) -> Names {
        let directory = Directory::new(&self.fields, &self.settings.domain);
        let mut resolver = Resolver::new(directory, self.zone.as_ref());
        let mut changed = Names::new();
        for (role, before) in &affected.roles {
            let resolved = resolver.resolve(role);
            if resolved.answer != *before {
                changed.insert(role.clone());
            }
            note(&mut self.faults, &self.fields, role, resolved);
        }
        let compared = |role: &str| {
            let roles = &affected.roles;
            roles.binary_search_by(|(one, _)| (**one).cmp(role)).is_ok()
        };
        for (name, before) in &affected.faces {
            let face = resolver.face(name);
            if face == *before {
                continue;
            }
            // An alias that somebody points at since this batch is a carrier.
            let pointing = self.graph.aliases(name).chain(self.graph.carriers(name));
            for role in pointing.filter(|role| !compared(role)) {
                let Some(alias) = self.fields.alias(role) else {
                    continue;
                };
                let resolved = resolver.through(role, alias, &face);
                if resolved.answer != resolver.through(role, alias, before).answer {
                    changed.insert(role.into());
                }
                note(&mut self.faults, &self.fields, role, resolved);
            }
        }
        changed
    }
}

/// Records what is wrong with a role.
fn note(faults: &mut Faults, fields: &Fields, role: &str, resolved: Resolved) {
    if resolved.faults.is_empty() {
        faults.clear(role);
        return;
    }
    let faulty = Faulty {
        hash: fields.deciding(role).next().map_or(0, |field| field.hash),
        faults: resolved.faults.into(),
        answered: resolved.answer.is_some(),
    };
    faults.set(role, faulty);
}
