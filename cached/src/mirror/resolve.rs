//! From fields to answers: which hash decides a role, what its members add up
//! to, and where its pointers lead in the end.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::hash::Hash as Key;
use std::ops::Range;
use std::rc::Rc;

use cloudhosts_registry::record::{MAX_ADDRESSES, Target, Value};
use cloudhosts_table::Name;

use super::fields::{FieldRef, Fields};
use super::hash::Hash;

/// Most pointers in a row.
pub(super) const MAX_CHAIN: usize = 8;

/// Most targets of pointers that are remembered while a table is made.
const REMEMBERED: usize = 10_000;

/// Most fields that are visited behind the pointers of one role. Members that
/// point at roles whose members point at roles, and so on in a circle, would
/// make work without end.
const VISITS: usize = 20_000;
/// What each role has once all together have used up [`ALL_VISITS`].
const FEW_VISITS: usize = 64;
/// For one table.
const ALL_VISITS: usize = 5_000_000;

/// What a role answers.
#[derive(Debug, Clone, Default)]
pub(super) struct Resolved {
    /// Where a pointer leads in the end; none when the role has addresses of
    /// its own.
    pub(super) end: Option<End>,
    pub(super) v4: Vec<[u8; 4]>,
    pub(super) v6: Vec<[u8; 16]>,
    /// How many addresses to answer; 0 is all.
    pub(super) pick: u16,
    /// Pointers in a row that were followed to get here.
    depth: usize,
}

/// The end of a chain of pointers.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// Its name, as pointed at.
    pub(super) name: Name,
    /// Whether that is an entry of its own, not a name that a wildcard covers.
    pub(super) entry: bool,
}

/// What is wrong with a role, and with which of its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) field: String,
    pub(super) what: FaultKind,
}

/// What can be wrong with a role whose fields are each right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// It points at a name that is not there.
    Dangling(Box<str>),
    /// Its pointers lead in a circle, by way of this name.
    Loop(Box<str>),
    /// More than [`MAX_CHAIN`] pointers in a row.
    TooLong,
    /// All pointers together take too many steps to follow.
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

/// The hashes in order of precedence, to look roles up in while one table is
/// made.
#[derive(Debug)]
pub(super) struct Resolver<'m> {
    hashes: &'m [Hash],
    /// Names under it are the same roles; may be empty.
    domain: &'m str,
    /// Fields that may still be visited: for this role, and for all.
    visits: Cell<usize>,
    all_visits: Cell<usize>,
    /// What has been pointed at and found right, by name.
    known: RefCell<HashMap<String, Rc<Resolved>>>,
}

/// The fields that decide a role.
#[derive(Debug, Clone)]
pub(super) struct Deciding<'m> {
    fields: &'m Fields,
    range: Range<usize>,
}

impl<'m> Deciding<'m> {
    /// The fields of a role at a place in a hash.
    #[must_use]
    pub(super) fn new(fields: &'m Fields, range: Range<usize>) -> Deciding<'m> {
        Deciding { fields, range }
    }

    /// The fields.
    pub(super) fn iter(&self) -> impl Iterator<Item = FieldRef<'m>> + use<'m> {
        self.fields.range(self.range.clone())
    }
}

impl<'m> Resolver<'m> {
    /// A resolver over these hashes, the deciding one first.
    #[must_use]
    pub(super) fn new(hashes: &'m [Hash], domain: &'m str) -> Resolver<'m> {
        Resolver {
            hashes,
            domain,
            visits: Cell::new(0),
            all_visits: Cell::new(ALL_VISITS),
            known: RefCell::default(),
        }
    }

    /// What a role answers that these fields decide. Nothing when there is no
    /// address; the faults say why.
    pub(super) fn resolve(&self, role: &Deciding<'m>, faults: &mut Vec<Fault>) -> Option<Resolved> {
        let visits = self.all_visits.get().clamp(FEW_VISITS, VISITS);
        self.visits.set(visits);
        let resolved = self.follow(role, &mut Vec::new(), faults);
        let used = visits - self.visits.get();
        self.all_visits
            .set(self.all_visits.get().saturating_sub(used));
        resolved
    }

    /// As [`Resolver::resolve`], for a role that `chain` has led to.
    fn follow(
        &self,
        role: &Deciding<'m>,
        chain: &mut Vec<Name>,
        faults: &mut Vec<Fault>,
    ) -> Option<Resolved> {
        let mut all = Resolved::default();
        let mut plain_pick = 0;
        let (mut count, mut overfull) = (0, false);
        for field in role.iter() {
            count += 1;
            // It was checked when it was read.
            let Ok(value) = Value::parse(field.value) else {
                continue;
            };
            match value.target {
                Target::Addresses { v4, v6 } => {
                    overfull |= add(&mut all.v4, v4) | add(&mut all.v6, v6);
                }
                Target::Pointer(name) => match self.target(name, chain, faults) {
                    Ok(target) => {
                        all.end = target.end;
                        all.pick = smaller(all.pick, target.pick);
                        all.depth = all.depth.max(target.depth);
                        let (v4, v6) = (target.v4.clone(), target.v6.clone());
                        overfull |= add(&mut all.v4, v4) | add(&mut all.v6, v6);
                    }
                    Err(what) => {
                        let field = field.to_string();
                        faults.push(Fault { field, what });
                    }
                },
            }
            if field.member.is_empty() {
                plain_pick = value.pick;
            }
            all.pick = smaller(all.pick, value.pick);
        }
        if overfull {
            let field = role.iter().next().map_or("", |field| field.role).into();
            let what = FaultKind::TooMany;
            faults.push(Fault { field, what });
        }
        // Only a role that is nothing but a pointer has another's name.
        if count > 1 {
            all.end = None;
        }
        if plain_pick != 0 {
            all.pick = plain_pick;
        }
        (!all.v4.is_empty() || !all.v6.is_empty()).then_some(all)
    }

    /// What the name answers that a pointer leads to, and the end of it.
    fn target(
        &self,
        name: Name,
        chain: &mut Vec<Name>,
        faults: &mut Vec<Fault>,
    ) -> Result<Rc<Resolved>, FaultKind> {
        if chain.contains(&name) {
            return Err(FaultKind::Loop(name.as_str().into()));
        }
        if let Some(known) = self.known.borrow().get(name.as_str())
            && chain.len() + known.depth <= MAX_CHAIN
        {
            return Ok(Rc::clone(known));
        }
        if chain.len() == MAX_CHAIN {
            return Err(FaultKind::TooLong);
        }
        let (role, end) = self
            .find(name)
            .ok_or(FaultKind::Dangling(name.as_str().into()))?;
        let left = self.visits.get().checked_sub(role.range.len());
        self.visits.set(left.ok_or(FaultKind::TooMuch)?);
        chain.push(name);
        // What is wrong further on is told of the role it is wrong with.
        let before = faults.len();
        let found = self.follow(&role, chain, faults);
        chain.pop();
        let right = faults.len() == before;
        let why = faults.drain(before..).find_map(|fault| match fault.what {
            FaultKind::Dangling(_) | FaultKind::TooMany => None,
            what => Some(what),
        });
        let mut found =
            found.ok_or_else(|| why.unwrap_or(FaultKind::Dangling(name.as_str().into())))?;
        found.end = found.end.or(Some(end));
        found.depth += 1;
        let found = Rc::new(found);
        let mut known = self.known.borrow_mut();
        if right && known.len() < REMEMBERED {
            known.insert(name.as_str().into(), Rc::clone(&found));
        }
        Ok(found)
    }

    /// The fields that decide what a name is: its own, those of the role it is
    /// under the domain, or those of the wildcard with the longest suffix. The
    /// same order as that of a look-up in the table.
    fn find(&self, name: Name) -> Option<(Deciding<'m>, End)> {
        let stripped = self.without_domain(&name);
        for meant in [Some(name), stripped].into_iter().flatten() {
            if let Some(role) = self.deciding(meant.as_str()) {
                let (name, entry) = (meant, true);
                return Some((role, End { name, entry }));
            }
        }
        for meant in [Some(name), stripped].into_iter().flatten() {
            let mut rest = meant.as_str();
            while let Some((_, suffix)) = rest.split_once('.') {
                if let Some(role) = self.deciding(&format!("*.{suffix}")) {
                    let (name, entry) = (meant, false);
                    return Some((role, End { name, entry }));
                }
                rest = suffix;
            }
        }
        None
    }

    fn without_domain(&self, name: &Name) -> Option<Name> {
        if self.domain.is_empty() {
            return None;
        }
        let role = name.as_str().strip_suffix(self.domain)?.strip_suffix('.')?;
        Name::parse(role.as_bytes()).ok()
    }

    /// The fields of a role in the first hash that has it.
    fn deciding(&self, role: &str) -> Option<Deciding<'m>> {
        self.hashes
            .iter()
            .map(|hash| (hash.fields(), hash.fields().of_role(role)))
            .find(|(_, range)| !range.is_empty())
            .map(|(fields, range)| Deciding::new(fields, range))
    }
}

/// The smaller of two numbers to pick, of which 0 is all.
fn smaller(a: u16, b: u16) -> u16 {
    match (a, b) {
        (0, other) | (other, 0) => other,
        (a, b) => a.min(b),
    }
}

/// Adds the addresses that are not there yet, in order. True when there is no
/// room for all of them.
fn add<T: Copy + Eq + Key>(to: &mut Vec<T>, more: Vec<T>) -> bool {
    if to.is_empty() {
        *to = more;
        return false;
    }
    let there: HashSet<T> = to.iter().copied().collect();
    to.extend(more.iter().filter(|address| !there.contains(address)));
    let overfull = to.len() > MAX_ADDRESSES;
    to.truncate(MAX_ADDRESSES);
    overfull
}
