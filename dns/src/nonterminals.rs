//! Empty non-terminals: names that are no roles themselves, while there are
//! roles below them (RFC 4592, section 2.2.2). A table finds a role by its whole
//! name and says nothing of what is above it, so these are gathered from the
//! list of all roles, after each change.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{PoisonError, RwLock};

use cloudhosts_table::View;

/// The names above roles, as hashes with a seed of their own.
///
/// Two names may share a hash, once in 2^64: then a name that does not exist is
/// said to have no data.
#[derive(Debug, Default)]
pub struct NonTerminals {
    names: RwLock<HashSet<u64>>,
    seed: RandomState,
}

impl NonTerminals {
    /// Gathers them anew.
    pub fn gather(&self, view: &View<'_>) {
        let mut names = HashSet::new();
        for (name, role) in view.role_refs() {
            if !role.has_answer() {
                continue;
            }
            let mut rest = name.name().as_str();
            if name.is_wildcard() {
                names.insert(self.seed.hash_one(rest));
            }
            while let Some((_, above)) = rest.split_once('.') {
                // What is above that is there already.
                if !names.insert(self.seed.hash_one(above)) {
                    break;
                }
                rest = above;
            }
        }
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// Whether there is a role below this name, in lower case.
    pub(crate) fn contains(&self, name: &str) -> bool {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        !names.is_empty() && names.contains(&self.seed.hash_one(name))
    }
}
