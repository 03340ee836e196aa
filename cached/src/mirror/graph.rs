//! Who points at whom: what else a role that has changed touches.
//!
//! A name that is pointed at has two kinds of roles that point at it. *Aliases*
//! that nobody points at themselves have the name's answer as long as it leads
//! to the same end, whatever the addresses are there: a farm that moves does
//! not touch them, however many they are. All others are *carriers*: farms,
//! which have the addresses in their own answer, and aliases on the way to
//! others.

use std::collections::{BTreeMap, BTreeSet};

use super::directory::Directory;

/// A set of names.
pub(super) type Names = BTreeSet<Box<str>>;

/// The roles that point at names, by these names.
#[derive(Debug, Default)]
pub(super) struct Graph {
    names: BTreeMap<Box<str>, PointedAt>,
    /// Names pointed at that have no entry of their own, backwards, so that
    /// those a wildcard covers stand together.
    open: BTreeSet<Box<[u8]>>,
}

/// Who points at one name. Not there when nobody does.
#[derive(Debug, Default)]
struct PointedAt {
    carriers: Names,
    aliases: Names,
}

impl Graph {
    /// Adds a role's pointers.
    pub(super) fn link(&mut self, role: &str, directory: Directory<'_>) {
        let is_leaf =
            directory.fields.alias(role).is_some() && !self.is_pointed_at(role, directory);
        for field in directory.fields.deciding(role) {
            let Some(name) = field.field.value.pointer() else {
                continue;
            };
            let is_new = !self.names.contains_key(name);
            let pointed_at = self.names.entry(name.into()).or_default();
            let those = if is_leaf {
                &mut pointed_at.aliases
            } else {
                &mut pointed_at.carriers
            };
            those.insert(role.into());
            if is_new {
                self.note_exact(name, directory);
                self.note_pointed_at(name, directory);
            }
        }
    }

    /// Removes a role's pointers, which are as they were when it was linked.
    pub(super) fn unlink(&mut self, role: &str, directory: Directory<'_>) {
        for field in directory.fields.deciding(role) {
            let Some(name) = field.field.value.pointer() else {
                continue;
            };
            let Some(pointed_at) = self.names.get_mut(name) else {
                continue;
            };
            pointed_at.carriers.remove(role);
            pointed_at.aliases.remove(role);
            if pointed_at.carriers.is_empty() && pointed_at.aliases.is_empty() {
                self.names.remove(name);
                self.open.remove(&backwards(name)[..]);
                self.note_pointed_at(name, directory);
            }
        }
    }

    /// Takes note that a role may have appeared or disappeared: what its name
    /// means to pointers has or has not an entry of its own now.
    pub(super) fn note(&mut self, role: &str, directory: Directory<'_>) {
        if self.names.is_empty() {
            return;
        }
        self.note_exact(role, directory);
        if let Some(name) = in_domain(role, directory.domain) {
            self.note_exact(&name, directory);
        }
    }

    /// The names pointed at that a role may answer for.
    pub(super) fn answered_by(&self, role: &str, domain: &str) -> Vec<Box<str>> {
        if self.names.is_empty() {
            return Vec::new();
        }
        let mut names: Vec<Box<str>> = Vec::new();
        if let Some(suffix) = role.strip_prefix('*') {
            names.extend(self.open_below(suffix));
            names.extend(
                in_domain(suffix, domain)
                    .iter()
                    .flat_map(|suffix| self.open_below(suffix)),
            );
            return names;
        }
        let is_there = |name: &&str| self.names.contains_key(*name);
        names.extend(Some(role).filter(is_there).map(Into::into));
        let longer = in_domain(role, domain);
        names.extend(longer.as_deref().filter(is_there).map(Into::into));
        names
    }

    /// The roles whose answer has the addresses in it that are at a name, or
    /// that lead others there.
    pub(super) fn carriers(&self, name: &str) -> impl Iterator<Item = &str> {
        let carriers = self.names.get(name).map(|at| &at.carriers);
        carriers.into_iter().flatten().map(|role| &**role)
    }

    /// The roles that have the answer of a name, and nobody points at.
    pub(super) fn aliases(&self, name: &str) -> impl Iterator<Item = &str> {
        let aliases = self.names.get(name).map(|at| &at.aliases);
        aliases.into_iter().flatten().map(|role| &**role)
    }

    /// The names without an entry of their own that end in this suffix, which
    /// begins with a dot.
    fn open_below(&self, suffix: &str) -> impl Iterator<Item = Box<str>> {
        let start = backwards(suffix);
        let prefix = start.clone();
        let names = self.open.range(start..);
        let below = names.take_while(move |name| name.starts_with(&prefix));
        below.map(|name| {
            let forwards = name.iter().rev().copied().collect();
            String::from_utf8(forwards).unwrap_or_default().into()
        })
    }

    /// Takes note whether a name that is pointed at has an entry of its own.
    fn note_exact(&mut self, name: &str, directory: Directory<'_>) {
        if !self.names.contains_key(name) {
            return;
        }
        if directory.is_exact(name) {
            self.open.remove(&backwards(name)[..]);
        } else {
            self.open.insert(backwards(name));
        }
    }

    /// Takes note that a name is pointed at from now on, or is no longer. A
    /// role that it means is a carrier, if it is an alias, only as long as
    /// somebody points at it.
    fn note_pointed_at(&mut self, name: &str, directory: Directory<'_>) {
        let roles = [Some(name), directory.without_domain(name)];
        for role in roles.into_iter().flatten() {
            let Some(alias) = directory.fields.alias(role) else {
                continue;
            };
            let carries = self.is_pointed_at(role, directory);
            let Some(at) = self.names.get_mut(alias.target) else {
                continue;
            };
            let (from, to) = if carries {
                (&mut at.aliases, &mut at.carriers)
            } else {
                (&mut at.carriers, &mut at.aliases)
            };
            to.extend(from.take(role));
        }
    }

    /// Whether somebody points at a role, or, where it is a wildcard, might.
    fn is_pointed_at(&self, role: &str, directory: Directory<'_>) -> bool {
        role.starts_with('*')
            || self.names.contains_key(role)
            || in_domain(role, directory.domain).is_some_and(|name| self.names.contains_key(&*name))
    }
}

/// A name with the domain behind it, which means the same role; none where
/// there is no domain.
fn in_domain(name: &str, domain: &str) -> Option<Box<str>> {
    (!domain.is_empty()).then(|| format!("{name}.{domain}").into())
}

fn backwards(name: &str) -> Box<[u8]> {
    name.bytes().rev().collect()
}
