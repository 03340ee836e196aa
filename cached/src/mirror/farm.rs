//! Roles that answer several places together, and whose members may point at
//! others of their kind, in circles too.
//!
//! Farms that point at each other in a circle have all one answer: what any of
//! them has, each can be reached from. They are found as the strongly
//! connected components of the graph of farms (Tarjan's algorithm, with a
//! stack of its own, because somebody else says how deep it goes). So each
//! farm is added up once, whatever way leads to it.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::addresses::{Addresses, Gathered};
use super::fault::{Fault, FaultKind};
use super::fields::FieldRef;
use super::parsed::Location;
use super::resolve::{Resolver, Walk, smaller};

/// A farm of up to so many fields, none of them a pointer, is added up anew
/// each time; others are remembered.
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
        let mut sum = Sum::default();
        let own = self.add_parts(role, &parts, &HashSet::new(), &mut sum);
        let few = parts.len() <= FEW;
        let farm = Rc::new(sum.finish().farm(own));
        if !few {
            self.farms.insert(role, Rc::clone(&farm));
        }
        farm
    }

    /// Adds up a farm, or the farms of a circle, after all that they lead to.
    fn add_up(&mut self, mut circle: Vec<Node<'m>>) {
        circle.sort_unstable_by_key(|node| node.role);
        let inside: HashSet<&str> = circle.iter().map(|node| node.role).collect();
        let mut sum = Sum::default();
        let mut owns = Vec::new();
        for node in &circle {
            owns.push(self.add_parts(node.role, &node.parts, &inside, &mut sum));
        }
        let total = sum.finish();
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
        sum: &mut Sum,
    ) -> Own {
        let mut own = Own::default();
        let (mut pick, mut complete) = (0, true);
        sum.addresses.next_role();
        for part in parts {
            let value = &part.field.field.value;
            if part.field.member.is_empty() {
                own.pick = value.pick();
            }
            pick = smaller(pick, value.pick());
            let mut fault = |kind| {
                let field = part.field.to_string().into();
                own.faults.push(Fault { field, kind });
            };
            match (&part.pointer, value.location()) {
                (None, Location::Addresses { v4, v6 }) => {
                    sum.addresses.add(v4, v6);
                    sum.distance = Some(0);
                }
                (Some(Err(kind)), _) => fault(kind.clone()),
                (Some(Ok(walk)), _) if inside.contains(walk.farm) => {
                    own.circular
                        .push((part.field.to_string().into(), walk.start.clone()));
                }
                (Some(Ok(walk)), _) => match self.arrive(walk) {
                    Ok((farm, distance)) => {
                        complete &= sum.addresses.add_led_to(&farm.addresses);
                        let nearest = sum.distance.unwrap_or(distance);
                        sum.distance = Some(nearest.min(distance));
                        pick = smaller(pick, walk.pick(farm.pick));
                    }
                    Err(kind) => fault(kind),
                },
                // A pointer is always walked.
                (None, Location::Pointer(_)) => {}
            }
        }
        sum.pick = smaller(sum.pick, if own.pick == 0 { pick } else { own.pick });
        let kind = if sum.addresses.overfull {
            Some(FaultKind::TooMany)
        } else {
            (!complete).then_some(FaultKind::TooMuch)
        };
        let field = || role.into();
        own.faults.extend(kind.map(|kind| Fault {
            field: field(),
            kind,
        }));
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
}

/// What a farm, or all farms of a circle, add up to.
#[derive(Debug, Default)]
struct Sum {
    addresses: Gathered,
    pick: u16,
    distance: Option<usize>,
}

/// The same, when all is added.
#[derive(Debug)]
struct Total {
    addresses: Rc<Addresses>,
    pick: u16,
    distance: usize,
}

impl Sum {
    fn finish(self) -> Total {
        Total {
            addresses: Rc::new(self.addresses.finish()),
            pick: self.pick,
            distance: self.distance.unwrap_or(0),
        }
    }
}

impl Total {
    /// One of the farms.
    fn farm(&self, own: Own) -> Farm {
        let mut faults = own.faults;
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
