//! The addresses of a role that come from several places.

use std::collections::HashSet;
use std::hash::Hash;

use cloudhosts_registry::record::MAX_ADDRESSES;

/// Among up to so many addresses one is found by comparing.
const FEW: usize = 16;

/// Most addresses that the pointers of one role are followed to, those of both
/// families together and one that comes again counted again. Pointers at farms
/// of pointers can lead to the same addresses over and over.
const MOST_LOOKED_AT: usize = 8 * MAX_ADDRESSES;

/// Addresses of both families.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) v4: Vec<[u8; 4]>,
    pub(super) v6: Vec<[u8; 16]>,
}

impl Addresses {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

/// Addresses being gathered, each once and in the order in which they come.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    v4: Distinct<[u8; 4]>,
    v6: Distinct<[u8; 16]>,
    looked_at: usize,
    /// There was no room for all of them.
    pub(super) overfull: bool,
}

impl Gathered {
    /// Adds those of a field's own that are not there yet.
    pub(super) fn add(&mut self, v4: &[[u8; 4]], v6: &[[u8; 16]]) {
        self.overfull |= !self.v4.add(v4) | !self.v6.add(v6);
    }

    /// Adds those that a pointer leads to. False when the role's pointers led
    /// to too many already: then none is added.
    pub(super) fn add_led_to(&mut self, led_to: &Addresses) -> bool {
        if self.looked_at > MOST_LOOKED_AT {
            return false;
        }
        self.looked_at += led_to.v4.len() + led_to.v6.len();
        self.add(&led_to.v4, &led_to.v6);
        true
    }

    /// From here on what is added is another role's.
    pub(super) fn next_role(&mut self) {
        self.looked_at = 0;
    }

    /// What was gathered.
    pub(super) fn finish(self) -> Addresses {
        Addresses {
            v4: self.v4.list,
            v6: self.v6.list,
        }
    }
}

/// Different addresses of one family.
#[derive(Debug)]
struct Distinct<T> {
    list: Vec<T>,
    /// All of them, once they are more than [`FEW`].
    seen: HashSet<T>,
}

impl<T> Default for Distinct<T> {
    fn default() -> Distinct<T> {
        Distinct {
            list: Vec::new(),
            seen: HashSet::new(),
        }
    }
}

impl<T: Copy + Eq + Hash> Distinct<T> {
    /// Adds the new ones. False when there is no room for all of them.
    fn add(&mut self, more: &[T]) -> bool {
        if self.list.is_empty() {
            // The addresses of one place are different ones.
            self.list.extend(more.iter().take(MAX_ADDRESSES).copied());
            return more.len() <= MAX_ADDRESSES;
        }
        more.iter().all(|&address| self.add_one(address))
    }

    fn add_one(&mut self, address: T) -> bool {
        let there = if self.list.len() <= FEW {
            self.list.contains(&address)
        } else {
            if self.seen.is_empty() {
                self.seen.extend(&self.list);
            }
            self.seen.contains(&address)
        };
        if there {
            return true;
        }
        if self.list.len() == MAX_ADDRESSES {
            return false;
        }
        self.list.push(address);
        if !self.seen.is_empty() {
            self.seen.insert(address);
        }
        true
    }
}
