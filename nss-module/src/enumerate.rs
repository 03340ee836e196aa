//! The list of all hosts (`getent hosts`), and how far this process is in it.
//!
//! Each role is one host a family, IPv4 first, in no particular order. An alias
//! appears under its own name with its target's addresses. Wildcards stand for
//! no name in particular and are left out. This shows what there is and spreads
//! no load, so all addresses are given, as they were written, whatever `pick`
//! and `order` say.
//!
//! The table may change in the middle. A role that stays keeps its place, so it
//! is neither repeated nor lost. In another region, which there is after a
//! restart of the daemon, the list begins anew, so that nothing is lost.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use std::{iter, process, thread};

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Cursor, Listed, View};

use crate::abi::hostent::{Host, HostSlot};
use crate::lookup::Family;
use crate::status::Situation;

/// The position of this process. glibc too has one for all threads.
pub(crate) static HOSTS: Hosts = Hosts::new();

/// A place in the list of hosts that threads, and children after a fork, may
/// use at once.
///
/// glibc holds a lock of its own around these functions; this one is for whoever
/// calls the module directly. It is no blocking lock: a child may have been
/// forked while another thread of its parent held it.
pub(crate) struct Hosts {
    /// Process id of the holder, 0 when free.
    holder: AtomicU32,
    /// Which of the two places is the current one. The other is written first,
    /// so that a fork in the middle of a step leaves a whole place behind.
    current: AtomicU32,
    places: [Place; 2],
}

/// How far the list was read, in a form that needs no lock to be sound: should
/// two writers ever meet, the place is wrong, but nothing worse.
struct Place {
    step: AtomicU32,
    cursor: AtomicU32,
    tag: AtomicU32,
    begun: AtomicU32,
    region: AtomicU64,
}

/// The same, taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    step: Step,
    /// In [`Step::Role`] where to go on, in [`Step::SecondFamily`] the role
    /// itself.
    cursor: Cursor,
    /// Of the role last given.
    tag: u32,
    /// In how many regions the list was begun.
    begun: u32,
    /// The region that `cursor` is a place of.
    region: u64,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The role at the cursor or after it.
    Role = 0,
    /// The IPv6 addresses of the role last given.
    SecondFamily = 1,
}

/// In how many regions a list is begun at most: something hostile that moves
/// from one to the next shall not make a list without end.
const BEGUN: u32 = 4;

/// How long another thread may be in the middle of a step. One takes
/// microseconds; a thread that was interrupted there by a signal handler that
/// asks for a host itself never finishes it.
const PATIENCE: Duration = Duration::from_millis(50);

impl Hosts {
    pub(crate) const fn new() -> Hosts {
        Hosts {
            holder: AtomicU32::new(0),
            current: AtomicU32::new(0),
            places: [const { Place::new() }; 2],
        }
    }

    /// Starts anew.
    pub(crate) fn rewind(&self) -> Situation {
        let Some(held) = self.hold() else {
            return Situation::Unavailable;
        };
        held.save(&Position::START);
        Situation::Found
    }

    /// Hands over the next host. The position stays when it does not fit.
    pub(crate) fn next(&self, view: &View<'_>, slot: HostSlot<'_>) -> Situation {
        let Some(held) = self.hold() else {
            return Situation::Unavailable;
        };
        let Some((role, family, after)) = held.position().next(view) else {
            return Situation::NoSuchName;
        };
        let (name, aliases) = (role.name.as_str(), iter::empty::<&str>());
        let answer = role.answer();
        let situation = match family {
            Family::V4 => slot.put(&Host {
                name,
                aliases,
                addresses: answer.v4(),
            }),
            Family::V6 => slot.put(&Host {
                name,
                aliases,
                addresses: answer.v6(),
            }),
        };
        if situation == Situation::Found {
            held.save(&after);
        }
        situation
    }

    /// Takes the position, or gives up.
    fn hold(&self) -> Option<Held<'_>> {
        let me = process::id();
        let started = monotonic();
        loop {
            let take = |from| {
                let (holder, relaxed) = (&self.holder, Ordering::Relaxed);
                holder.compare_exchange(from, me, Ordering::Acquire, relaxed)
            };
            let taken = take(0).or_else(|holder| {
                if holder == me {
                    Err(holder)
                } else {
                    // It stayed behind in the parent of this process.
                    take(holder)
                }
            });
            if taken.is_ok() {
                return Some(Held { hosts: self, me });
            }
            if monotonic().since(started) > PATIENCE {
                return None;
            }
            thread::yield_now();
        }
    }
}

/// The position while one thread works on it; let go of at a panic as well.
struct Held<'h> {
    hosts: &'h Hosts,
    me: u32,
}

impl Held<'_> {
    fn position(&self) -> Position {
        let current = self.hosts.current.load(Ordering::Relaxed);
        let [first, second] = &self.hosts.places;
        if current == 0 { first } else { second }.load()
    }

    fn save(&self, position: &Position) {
        let current = self.hosts.current.load(Ordering::Relaxed);
        let [first, second] = &self.hosts.places;
        if current == 0 { second } else { first }.store(position);
        let other = u32::from(current == 0);
        self.hosts.current.store(other, Ordering::Release);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Not when it was taken over, as a child of vfork might have done.
        let _ =
            self.hosts
                .holder
                .compare_exchange(self.me, 0, Ordering::Release, Ordering::Relaxed);
    }
}

impl Place {
    const fn new() -> Place {
        Place {
            step: AtomicU32::new(0),
            cursor: AtomicU32::new(0),
            tag: AtomicU32::new(0),
            begun: AtomicU32::new(0),
            region: AtomicU64::new(0),
        }
    }

    fn load(&self) -> Position {
        Position {
            step: match self.step.load(Ordering::Relaxed) {
                1 => Step::SecondFamily,
                _ => Step::Role,
            },
            cursor: Cursor(self.cursor.load(Ordering::Relaxed)),
            tag: self.tag.load(Ordering::Relaxed),
            begun: self.begun.load(Ordering::Relaxed),
            region: self.region.load(Ordering::Relaxed),
        }
    }

    fn store(&self, position: &Position) {
        self.step.store(position.step as u32, Ordering::Relaxed);
        self.cursor.store(position.cursor.0, Ordering::Relaxed);
        self.tag.store(position.tag, Ordering::Relaxed);
        self.begun.store(position.begun, Ordering::Relaxed);
        self.region.store(position.region, Ordering::Relaxed);
    }
}

impl Position {
    const START: Position = Position {
        step: Step::Role,
        cursor: Cursor(0),
        tag: 0,
        begun: 0,
        region: 0,
    };

    /// The host that comes next in this table, and the position after it.
    fn next<'t>(&self, view: &View<'t>) -> Option<(Listed<'t>, Family, Position)> {
        let here = self.within(view)?;
        let (role, second) = here.role(view)?;
        let more = role.answer().v6().len() > 0;
        let family = if second || role.answer().v4().len() == 0 {
            Family::V6
        } else {
            Family::V4
        };
        let (step, cursor) = if family == Family::V4 && more {
            (Step::SecondFamily, role.at)
        } else {
            (Step::Role, Cursor(role.at.0.saturating_add(1)))
        };
        let tag = role.tag;
        let after = Position {
            step,
            cursor,
            tag,
            ..here
        };
        Some((role, family, after))
    }

    /// This position, or the first one of a region that it is not a place of.
    fn within(&self, view: &View<'_>) -> Option<Position> {
        let region = view.edition().region;
        if self.region == region && self.begun > 0 {
            return Some(*self);
        }
        let begun = self.begun + 1;
        (begun <= BEGUN).then_some(Position {
            begun,
            region,
            ..Position::START
        })
    }

    /// The role whose turn it is, and whether that of its second family is.
    fn role<'t>(&self, view: &View<'t>) -> Option<(Listed<'t>, bool)> {
        let role = view.list(self.cursor)?;
        if self.step == Step::Role || (role.at, role.tag) != (self.cursor, self.tag) {
            return Some((role, false));
        }
        if role.answer().v6().len() > 0 {
            return Some((role, true));
        }
        // It has lost its IPv6 addresses meanwhile.
        let role = view.list(Cursor(role.at.0.saturating_add(1)))?;
        Some((role, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOMEWHERE: Position = Position {
        step: Step::SecondFamily,
        cursor: Cursor(40),
        tag: 9,
        begun: 2,
        region: 7,
    };

    #[test]
    fn a_position_is_kept() {
        let hosts = Hosts::new();
        for cursor in [Cursor(1), Cursor(2), Cursor(u32::MAX)] {
            let position = Position {
                cursor,
                ..SOMEWHERE
            };
            hosts.hold().unwrap().save(&position);
            assert_eq!(hosts.hold().unwrap().position(), position);
        }
        assert_eq!(hosts.rewind(), Situation::Found);
        assert_eq!(hosts.hold().unwrap().position(), Position::START);
    }

    #[test]
    fn what_a_parent_held_is_taken_over() {
        let hosts = Hosts::new();
        hosts.hold().unwrap().save(&SOMEWHERE);
        // A thread of the parent was in the middle of writing the other place.
        hosts.holder.store(process::id() ^ 1, Ordering::Relaxed);
        hosts.places[0].step.store(2, Ordering::Relaxed);
        assert_eq!(hosts.hold().unwrap().position(), SOMEWHERE);
        assert_eq!(hosts.holder.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_this_process_holds_is_waited_for_and_not_for_ever() {
        let hosts = Hosts::new();
        let held = hosts.hold().unwrap();
        let started = monotonic();
        assert_eq!(hosts.rewind(), Situation::Unavailable);
        let waited = monotonic().since(started);
        assert!(waited >= PATIENCE && waited < 100 * PATIENCE, "{waited:?}");
        drop(held);
        assert_eq!(hosts.rewind(), Situation::Found);
    }
}
