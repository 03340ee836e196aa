//! What is wrong with roles whose fields are each valid.

use std::collections::BTreeMap;

use cloudhosts_registry::record::MAX_ADDRESSES;

use super::resolve::MAX_CHAIN;

/// What is wrong with a role, and with which of its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The field, or the role.
    pub(super) field: Box<str>,
    /// What is wrong.
    pub(super) kind: FaultKind,
}

/// What can be wrong with a role whose fields are each valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// It points at a name that has no address.
    Dangling(Box<str>),
    /// Its pointers lead in a circle, by way of this name.
    Loop(Box<str>),
    /// More than [`MAX_CHAIN`] pointers in a row.
    TooLong,
    /// Its pointers lead to too many addresses to look at, most of them again
    /// and again.
    TooMuch,
    /// The members have too many addresses together.
    TooMany,
}

impl std::fmt::Display for FaultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FaultKind::Dangling(name) => write!(
                f,
                "it points at {name}, which has no address; register {name} or point elsewhere"
            ),
            FaultKind::Loop(name) => write!(f, "its pointers lead in a circle through {name}"),
            FaultKind::TooLong => write!(f, "more than {MAX_CHAIN} pointers in a row"),
            FaultKind::TooMuch => f.write_str(
                "too many pointers at farms of pointers to follow; point at addresses directly",
            ),
            FaultKind::TooMany => write!(
                f,
                "the role has more than {MAX_ADDRESSES} addresses of a family; the rest is left out"
            ),
        }
    }
}

/// What is wrong with one role.
#[derive(Debug)]
pub(super) struct Faulty {
    /// The hash that decides it.
    pub(super) hash: usize,
    /// What is wrong; at least one fault.
    pub(super) faults: Box<[Fault]>,
    /// Whether it has an answer all the same.
    pub(super) answered: bool,
}

/// The roles that something is wrong with.
#[derive(Debug, Default)]
pub(super) struct Faults {
    roles: BTreeMap<Box<str>, Faulty>,
    count: usize,
}

impl Faults {
    /// Records what is wrong with a role now.
    pub(super) fn set(&mut self, role: &str, faulty: Faulty) {
        self.clear(role);
        if !faulty.faults.is_empty() {
            self.count += faulty.faults.len();
            self.roles.insert(role.into(), faulty);
        }
    }

    /// Nothing is wrong with a role any more.
    pub(super) fn clear(&mut self, role: &str) {
        if let Some(before) = self.roles.remove(role) {
            self.count -= before.faults.len();
        }
    }

    /// How many faults there are in all.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The roles in order.
    pub(super) fn roles(&self) -> impl Iterator<Item = &Faulty> {
        self.roles.values()
    }
}
