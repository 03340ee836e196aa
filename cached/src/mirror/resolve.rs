//! From fields to answers: where pointers lead, and what a role answers.
//!
//! A role whose only deciding field is a pointer is an *alias*: it has the
//! answer, and the canonical name, of the role it leads to. Any other role is
//! a *farm*: it answers all its addresses, and those that its pointers lead
//! to, under its own name ([`super::farm`]); of these only what its members of
//! this machine's zone have, while they have any.
//!
//! Nothing computed here is retained from one batch to the next, so nothing can
//! be out of date.

use std::collections::HashMap;
use std::rc::Rc;

use cloudhosts_config::Zone;

use super::addresses::Addresses;
use super::directory::Directory;
use super::farm::Farm;
use super::fault::{Fault, FaultKind};
use super::fields::Alias;

/// Most pointers in a row until there is an address.
pub(super) const MAX_CHAIN: usize = 8;

/// What a role answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Where its pointer leads in the end; none when it is a farm.
    pub(super) end: Option<End>,
    /// Its addresses; none where they stand at the entry that is its end.
    pub(super) addresses: Rc<Addresses>,
    /// How many addresses to answer; 0 is all.
    pub(super) pick: u16,
}

/// The end of a chain of pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// Its name, as pointed at.
    pub(super) name: Box<str>,
    /// Whether that is an entry of its own, not a name that a wildcard covers.
    pub(super) entry: bool,
}

/// What a role answers, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// Nothing when there is no address; the faults say why.
    pub(super) answer: Option<Answer>,
    /// What is wrong.
    pub(super) faults: Vec<Fault>,
}

/// What is found at a name by whoever points at it, or why there is nothing.
pub(super) type Face = Result<Reached, FaultKind>;

/// What is found at a name by whoever points at it. As long as this stays the
/// same, so do the answers of all its aliases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) answer: Answer,
    /// Pointers in a row to get at an address, the one at this name among them.
    pub(super) distance: usize,
}

/// Where a chain of aliases leads.
#[derive(Debug)]
pub(super) struct Walk<'m> {
    /// The name at which it begins.
    pub(super) start: Box<str>,
    /// The farm at its end.
    pub(super) farm: &'m str,
    /// How that is called.
    end: End,
    /// Pointers in a row to get there, the one at the start among them.
    steps: usize,
    /// What the aliases on the way say of how many addresses to answer.
    picks: Vec<(u16, bool)>,
}

/// Works out what roles answer, as long as no field changes.
#[derive(Debug)]
pub(super) struct Resolver<'m> {
    pub(super) directory: Directory<'m>,
    /// The zone of this machine.
    pub(super) zone: Option<&'m Zone>,
    /// The farms that were worked out and may be asked for again.
    pub(super) farms: HashMap<&'m str, Rc<Farm>>,
}

impl<'m> Resolver<'m> {
    /// A resolver that has worked out nothing yet.
    pub(super) fn new(directory: Directory<'m>, zone: Option<&'m Zone>) -> Resolver<'m> {
        Resolver {
            directory,
            zone,
            farms: HashMap::new(),
        }
    }

    /// What a role answers.
    pub(super) fn resolve(&mut self, role: &str) -> Resolved {
        if let Some(alias) = self.directory.fields.alias(role) {
            let face = self.face(alias.target);
            return self.through(role, alias, &face);
        }
        let Some(first) = self.directory.fields.deciding(role).next() else {
            return Resolved::default();
        };
        let farm = self.farm(first.role);
        let answer = farm.is_answered().then(|| Answer {
            end: None,
            addresses: Rc::clone(&farm.addresses),
            pick: farm.pick,
        });
        Resolved {
            answer,
            faults: farm.faults.clone(),
        }
    }

    /// What an alias answers, given what is found at the name it points at.
    pub(super) fn through(&self, role: &str, alias: Alias<'_>, face: &Face) -> Resolved {
        match face {
            Ok(reached) => Resolved {
                answer: Some(Answer {
                    pick: picked(alias.pick, alias.plain, reached.answer.pick),
                    ..reached.answer.clone()
                }),
                faults: Vec::new(),
            },
            Err(kind) => {
                let field = self.directory.fields.deciding(role).next();
                let fault = Fault {
                    field: field.map_or(role.into(), |field| field.to_string().into()),
                    kind: kind.clone(),
                };
                Resolved {
                    answer: None,
                    faults: vec![fault],
                }
            }
        }
    }

    /// What is found at a name.
    pub(super) fn face(&mut self, name: &str) -> Face {
        let walk = self.walk(name)?;
        let (farm, distance) = self.arrive(&walk)?;
        let pick = walk.pick(farm.pick);
        let addresses = if walk.end.entry {
            Rc::default()
        } else {
            Rc::clone(&farm.addresses)
        };
        Ok(Reached {
            answer: Answer {
                end: Some(walk.end),
                addresses,
                pick,
            },
            distance,
        })
    }

    /// The farm at the end of a walk, if it has an answer that is near enough,
    /// and how many pointers away the nearest address is.
    pub(super) fn arrive(&mut self, walk: &Walk<'m>) -> Result<(Rc<Farm>, usize), FaultKind> {
        let farm = self.farm(walk.farm);
        if !farm.is_answered() {
            let dangling = || FaultKind::Dangling(walk.start.clone());
            return Err(farm.why().unwrap_or_else(dangling));
        }
        let distance = walk.steps + farm.distance;
        if distance > MAX_CHAIN {
            return Err(FaultKind::TooLong);
        }
        Ok((farm, distance))
    }

    /// Follows aliases from a name that is pointed at.
    pub(super) fn walk(&self, start: &str) -> Result<Walk<'m>, FaultKind> {
        let mut seen: Vec<&str> = Vec::new();
        let mut picks = Vec::new();
        let mut name = start;
        while seen.len() < MAX_CHAIN {
            if seen.contains(&name) {
                return Err(FaultKind::Loop(name.into()));
            }
            seen.push(name);
            let found = self
                .directory
                .find(name)
                .ok_or_else(|| FaultKind::Dangling(start.into()))?;
            let Some(alias) = self.directory.fields.alias(found.role) else {
                return Ok(Walk {
                    start: start.into(),
                    farm: found.role,
                    end: End {
                        name: found.name.into(),
                        entry: found.exact,
                    },
                    steps: seen.len(),
                    picks,
                });
            };
            picks.push((alias.pick, alias.plain));
            name = alias.target;
        }
        Err(if seen.contains(&name) {
            FaultKind::Loop(name.into())
        } else {
            FaultKind::TooLong
        })
    }
}

impl Walk<'_> {
    /// How many addresses to answer where the farm at the end says so many.
    pub(super) fn pick(&self, farm: u16) -> u16 {
        let back = self.picks.iter().rev();
        back.fold(farm, |pick, &(own, plain)| picked(own, plain, pick))
    }
}

/// How many addresses an alias answers: as many as its plain field says, else
/// the smaller of what it and its target say.
fn picked(own: u16, plain: bool, target: u16) -> u16 {
    if plain && own != 0 {
        own
    } else {
        smaller(own, target)
    }
}

/// The smaller of two numbers to pick, of which 0 is all.
pub(super) fn smaller(a: u16, b: u16) -> u16 {
    match (a, b) {
        (0, other) | (other, 0) => other,
        (a, b) => a.min(b),
    }
}
