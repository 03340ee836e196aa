//! Roles that answer several places together, and whose members may point at
//! others of their kind, in circles too.
//!
//! Farms that point at each other in a circle have all one answer: what any of
//! them has, each can be reached from. They are found as the strongly
//! connected components of the graph of farms (Tarjan's algorithm, with a
//! stack of its own, because whoever writes to Redis decides how deep it goes). So each
//! farm is added up once, whatever way leads to it.
//!
//! Members of this machine's zone are added up a second time by themselves, and
//! are the answer while they have an address.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::addresses::{Addresses, Gathered};
use super::fault::{Fault, FaultKind};
use super::fields::FieldRef;
use super::parsed::Location;
use super::resolve::{Resolver, Walk, smaller};

/// A farm of up to so many fields, none of them a pointer, is summed up
/// each time; the results of others are cached.
const FEW: usize = 16;

/// What a farm answers, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Farm {
    /// Its addresses; none when it has no answer.
    pub(super) addresses: Rc<Addresses>,
    /// How many of them to answer; 0 is all.
    pub(super) pick: u16,
    /// How many pointers away the nearest address is; 0 if it is its own.
    pub(super) distance: usize,
    /// What is wrong with it.
    pub(super) faults: Vec<Fault>,
}

impl Farm {
    /// Whether it has an address.
    pub(super) fn is_answered(&self) -> bool {
        !self.addresses.is_empty()
    }

    /// Why it has none, if it is not just that there is none.
    pub(super) fn why(&self) -> Option<FaultKind> {
        let mut kinds = self.faults.iter().map(|fault| &fault.kind);
        let why = kinds.find(|kind| matches!(kind, FaultKind::Loop(_) | FaultKind::TooLong));
        why.cloned()
    }
}

/// A field of a farm, and where it leads.
#[derive(Debug)]
struct Part<'m> {
    field: FieldRef<'m>,
    /// Where its pointer leads; none if it has addresses.
    pointer: Option<Result<Walk<'m>, FaultKind>>,
}

/// A farm with pointers while the search is on.
#[derive(Debug)]
struct Node<'m> {
    role: &'m str,
    parts: Vec<Part<'m>>,
    /// The farms that its pointers lead to.
    leads_to: Vec<&'m str>,
    /// How many of these were gone to.
    gone_to: usize,
    /// The earliest node that can be got at from here, as far as is known.
    earliest: usize,
}

/// Tarjan's search. Nodes are numbered in the order in which they are found.
#[derive(Debug, Default)]
struct Search<'m> {
    /// Those found, and not yet taken off the stack.
    open: Vec<Node<'m>>,
    numbers: HashMap<&'m str, usize>,
    /// The way from where the search began to where it is.
    path: Vec<usize>,
}

impl<'m> Search<'m> {
    fn enter(&mut self, role: &'m str, parts: Vec<Part<'m>>) {
        let walks = parts.iter().filter_map(|part| part.walk());
        let mut leads_to: Vec<&str> = walks.map(|walk| walk.farm).collect();
        leads_to.sort_unstable();
        leads_to.dedup();
        let number = self.open.len();
        self.numbers.insert(role, number);
        self.path.push(number);
        self.open.push(Node {
            role,
            parts,
            leads_to,
            gone_to: 0,
            earliest: number,
        });
    }

    /// The next farm to go to from where the search is.
    fn next(&mut self) -> Option<&'m str> {
        let node = self.open.get_mut(*self.path.last()?)?;
        let next = node.leads_to.get(node.gone_to).copied();
        node.gone_to += usize::from(next.is_some());
        next
    }

    /// Where the search is, node number `other` can be got at.
    fn reaches(&mut self, other: usize) {
        if let Some(&number) = self.path.last()
            && let Some(node) = self.open.get_mut(number)
        {
            node.earliest = node.earliest.min(other);
        }
    }

    /// Goes one step back. When all that can be got at from the node it leaves
    /// is found, returns that node and those it is in a circle with.
    fn back(&mut self) -> Option<Vec<Node<'m>>> {
        let number = self.path.pop()?;
        let earliest = self.open.get(number)?.earliest;
        self.reaches(earliest);
        if earliest < number {
            return None;
        }
        let circle = self.open.split_off(number);
        for node in &circle {
            self.numbers.remove(node.role);
        }
        Some(circle)
    }
}

impl<'m> Part<'m> {
    fn walk(&self) -> Option<&Walk<'m>> {
        self.pointer.as_ref()?.as_ref().ok()
    }
}

impl<'m> Resolver<'m> {
    /// Adds a farm up.
    pub(super) fn farm(&mut self, role: &'m str) -> Rc<Farm> {
        if let Some(farm) = self.farms.get(role) {
            return Rc::clone(farm);
        }
        let parts = self.parts(role);
        if parts.iter().all(|part| part.pointer.is_none()) {
            return self.add_up_alone(role, parts);
        }
        let mut search = Search::default();
        search.enter(role, parts);
        while !search.path.is_empty() {
            let Some(next) = search.next() else {
                if let Some(circle) = search.back() {
                    self.add_up(circle);
                }
                continue;
            };
            if self.farms.contains_key(next) {
                continue;
            }
            if let Some(&number) = search.numbers.get(next) {
                search.reaches(number);
                continue;
            }
            let parts = self.parts(next);
            if parts.iter().all(|part| part.pointer.is_none()) {
                self.add_up_alone(next, parts);
            } else {
                search.enter(next, parts);
            }
        }
        self.farms.get(role).map(Rc::clone).unwrap_or_default()
    }

    /// The fields that decide a role, and where they lead.
    fn parts(&self, role: &str) -> Vec<Part<'m>> {
        let fields = self.directory.fields.deciding(role);
        let part = |field: FieldRef<'m>| Part {
            field,
            pointer: field.field.value.pointer().map(|name| self.walk(name)),
        };
        fields.map(part).collect()
    }

    /// Adds up a farm without pointers.
    fn add_up_alone(&mut self, role: &'m str, parts: Vec<Part<'m>>) -> Rc<Farm> {
        let mut sums = Sums::default();
        let own = self.add_parts(role, &parts, &HashSet::new(), &mut sums);
        let few = parts.len() <= FEW;
        let farm = Rc::new(sums.finish().farm(own));
        if !few {
            self.farms.insert(role, Rc::clone(&farm));
        }
        farm
    }

    /// Adds up a farm, or the farms of a circle, after all that they lead to.
    fn add_up(&mut self, mut circle: Vec<Node<'m>>) {
        circle.sort_unstable_by_key(|node| node.role);
        let inside: HashSet<&str> = circle.iter().map(|node| node.role).collect();
        let mut sums = Sums::default();
        let mut owns = Vec::new();
        for node in &circle {
            owns.push(self.add_parts(node.role, &node.parts, &inside, &mut sums));
        }
        let total = sums.finish();
        for (node, own) in circle.iter().zip(owns) {
            self.farms.insert(node.role, Rc::new(total.farm(own)));
        }
    }

    /// Adds what the fields of one farm lead to outside of its circle.
    fn add_parts(
        &mut self,
        role: &str,
        parts: &[Part<'m>],
        inside: &HashSet<&str>,
        sums: &mut Sums,
    ) -> Own {
        let mut own = Own::default();
        sums.each(|sum| sum.begin());
        for part in parts {
            let value = &part.field.field.value;
            let near = self.zone.is_some() && value.zone() == self.zone;
            if part.field.member.is_empty() {
                own.pick = value.pick();
            }
            sums.add(near, |sum| sum.add_pick(value.pick()));
            let mut fault = |kind| {
                let field = part.field.to_string().into();
                own.faults.push(Fault { field, kind });
            };
            match (&part.pointer, value.location()) {
                (None, Location::Addresses { v4, v6 }) => {
                    sums.add(near, |sum| sum.add_own(v4, v6));
                }
                (Some(Err(kind)), _) => fault(kind.clone()),
                (Some(Ok(walk)), _) if inside.contains(walk.farm) => {
                    own.circular
                        .push((part.field.to_string().into(), walk.start.clone()));
                }
                (Some(Ok(walk)), _) => match self.arrive(walk) {
                    Ok((farm, distance)) => sums.add(near, |sum| {
                        sum.add_led_to(&farm.addresses, distance);
                        sum.add_pick(walk.pick(farm.pick));
                    }),
                    Err(kind) => fault(kind),
                },
                // A pointer is always walked.
                (None, Location::Pointer(_)) => {}
            }
        }
        let fault = |kind| Fault {
            field: role.into(),
            kind,
        };
        own.of_all = sums.all.end(own.pick).map(fault);
        own.of_near = sums.near.end(own.pick).map(fault);
        own
    }
}

/// What one farm has for itself.
#[derive(Debug, Default)]
struct Own {
    /// What its plain field says of how many addresses to answer.
    pick: u16,
    faults: Vec<Fault>,
    /// Its fields that lead into its own circle, and the names they point at.
    circular: Vec<(Box<str>, Box<str>)>,
    /// What is left out where all its members answer ...
    of_all: Option<Fault>,
    /// ... or those of this machine's zone.
    of_near: Option<Fault>,
}

/// What a farm, or all farms of a circle, add up to.
#[derive(Debug, Default)]
struct Sums {
    /// All members.
    all: Sum,
    /// Those of this machine's zone.
    near: Sum,
}

/// What some of the members add up to.
#[derive(Debug, Default)]
struct Sum {
    addresses: Gathered,
    pick: u16,
    /// The smallest pick of the farm that is being added.
    pick_here: u16,
    /// Whether a pointer of that farm led to too much.
    too_much: bool,
    distance: Option<usize>,
}

/// The same, when all is added.
#[derive(Debug)]
struct Total {
    addresses: Rc<Addresses>,
    pick: u16,
    distance: usize,
    /// It is that of the members of this machine's zone.
    near: bool,
}

impl Sums {
    fn each(&mut self, mut change: impl FnMut(&mut Sum)) {
        change(&mut self.all);
        change(&mut self.near);
    }

    /// Adds what a member has; `near`: it is in this machine's zone.
    fn add(&mut self, near: bool, mut member: impl FnMut(&mut Sum)) {
        member(&mut self.all);
        if near {
            member(&mut self.near);
        }
    }

    fn finish(self) -> Total {
        // How far an address is does not depend on the zone: else a member
        // more could make a chain too long that was not.
        let distance = self.all.distance.unwrap_or(0);
        let near = self.near.distance.is_some();
        let sum = if near { self.near } else { self.all };
        Total {
            addresses: Rc::new(sum.addresses.finish()),
            pick: sum.pick,
            distance,
            near,
        }
    }
}

impl Sum {
    /// The next farm is added.
    fn begin(&mut self) {
        self.addresses.next_role();
        self.pick_here = 0;
        self.too_much = false;
    }

    fn add_pick(&mut self, pick: u16) {
        self.pick_here = smaller(self.pick_here, pick);
    }

    fn add_own(&mut self, v4: &[[u8; 4]], v6: &[[u8; 16]]) {
        self.addresses.add(v4, v6);
        self.distance = Some(0);
    }

    fn add_led_to(&mut self, addresses: &Addresses, distance: usize) {
        self.too_much |= !self.addresses.add_led_to(addresses);
        let nearest = self.distance.unwrap_or(distance);
        self.distance = Some(nearest.min(distance));
    }

    /// The farm is added, whose plain field says so of how many addresses to
    /// answer. What had to be left out.
    fn end(&mut self, plain: u16) -> Option<FaultKind> {
        let pick = if plain == 0 { self.pick_here } else { plain };
        self.pick = smaller(self.pick, pick);
        if self.addresses.overfull {
            Some(FaultKind::TooMany)
        } else {
            self.too_much.then_some(FaultKind::TooMuch)
        }
    }
}

impl Total {
    /// One of the farms.
    fn farm(&self, own: Own) -> Farm {
        let mut faults = own.faults;
        faults.extend(if self.near { own.of_near } else { own.of_all });
        // A circle does no harm as long as there are addresses in it.
        if self.addresses.is_empty() {
            let faulty = |(field, name)| Fault {
                field,
                kind: FaultKind::Loop(name),
            };
            faults.extend(own.circular.into_iter().map(faulty));
        }
        Farm {
            addresses: Rc::clone(&self.addresses),
            pick: if own.pick == 0 { self.pick } else { own.pick },
            distance: self.distance,
            faults,
        }
    }
}
