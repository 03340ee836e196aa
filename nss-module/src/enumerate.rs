//! The list of all hosts (`getent hosts`), and how far this process is in it.
//!
//! Each role is one host a family, IPv4 first, in the order of the names.
//! A role that points elsewhere appears under its own name with its target's
//! addresses. Wildcards stand for no name in particular and are left out.
//! This shows what there is and spreads no load, so all addresses are given, as
//! they were written, whatever `pick` and `order` say.
//!
//! A table may be published in the middle. The position then is found again by
//! the last name given, so that no role is repeated or lost.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use std::{iter, process, thread};

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::name::MAX_NAME;
use cloudhosts_table::{Answer, Cursor, View};

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
    generation: AtomicU64,
    len: AtomicU32,
    name: [AtomicU64; WORDS],
}

/// The same, taken out.
#[derive(Clone, Copy)]
struct Position {
    step: Step,
    /// The table that `cursor` is a place of.
    generation: u64,
    /// In [`Step::Role`] where to go on, in [`Step::SecondFamily`] the role itself.
    cursor: u32,
    name: [u8; WORDS * 8],
    len: usize,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The first role.
    Start = 0,
    /// The role after the one last given.
    Role = 1,
    /// The IPv6 addresses of the role last given.
    SecondFamily = 2,
}

/// Words that hold a name.
const WORDS: usize = MAX_NAME.div_ceil(8);

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
        let Some((answer, family, after)) = held.position().next(view) else {
            return Situation::NoSuchName;
        };
        let (name, aliases) = (answer.asked, iter::empty());
        let situation = match family {
            Family::V4 => slot.put(&Host {
                name,
                aliases,
                addresses: answer.v4.iter(),
            }),
            Family::V6 => slot.put(&Host {
                name,
                aliases,
                addresses: answer.v6.iter(),
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
            let taken = self
                .holder
                .compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed)
                .or_else(|holder| match holder == me {
                    true => Err(holder),
                    // It stayed behind in the parent of this process.
                    false => self.holder.compare_exchange(
                        holder,
                        me,
                        Ordering::Acquire,
                        Ordering::Relaxed,
                    ),
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
            generation: AtomicU64::new(0),
            len: AtomicU32::new(0),
            name: [const { AtomicU64::new(0) }; WORDS],
        }
    }

    fn load(&self) -> Position {
        let mut name = [0; WORDS * 8];
        for (to, word) in name.chunks_exact_mut(8).zip(&self.name) {
            to.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        Position {
            step: match self.step.load(Ordering::Relaxed) {
                1 => Step::Role,
                2 => Step::SecondFamily,
                _ => Step::Start,
            },
            generation: self.generation.load(Ordering::Relaxed),
            cursor: self.cursor.load(Ordering::Relaxed),
            name,
            len: self.len.load(Ordering::Relaxed) as usize,
        }
    }

    fn store(&self, position: &Position) {
        self.step.store(position.step as u32, Ordering::Relaxed);
        self.generation
            .store(position.generation, Ordering::Relaxed);
        self.cursor.store(position.cursor, Ordering::Relaxed);
        self.len.store(position.len as u32, Ordering::Relaxed);
        for (from, word) in position.name.chunks_exact(8).zip(&self.name) {
            let bytes = from.try_into().unwrap_or_default();
            word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
        }
    }
}

impl Position {
    const START: Position = Position {
        step: Step::Start,
        generation: 0,
        cursor: 0,
        name: [0; WORDS * 8],
        len: 0,
    };

    /// The host that comes next in this table, and the position after it.
    fn next<'t>(&self, view: &View<'t>) -> Option<(Answer<'t>, Family, Position)> {
        let (answer, here, after) = self.role(view)?;
        let second = self.step == Step::SecondFamily && answer.asked == self.name();
        let family = match second || answer.v4.is_empty() {
            true => Family::V6,
            false => Family::V4,
        };
        let position = if family == Family::V4 && !answer.v6.is_empty() {
            Position::new(Step::SecondFamily, view, here, answer.asked)
        } else {
            Position::new(Step::Role, view, after, answer.asked)
        };
        Some((answer, family, position))
    }

    /// The role whose turn it is, its place, and the place after it.
    fn role<'t>(&self, view: &View<'t>) -> Option<(Answer<'t>, Cursor, Cursor)> {
        let same = self.generation == view.generation();
        let here = match self.step {
            Step::Start => view.first(),
            _ if same => Cursor(self.cursor),
            Step::Role => view.cursor_after(self.name()),
            Step::SecondFamily => view.cursor_at(self.name()),
        };
        let (answer, after) = view.entry(here)?;
        // The role may have lost its IPv6 addresses in a newer table.
        let done =
            self.step == Step::SecondFamily && answer.asked == self.name() && answer.v6.is_empty();
        if done {
            let (answer, next) = view.entry(after)?;
            return Some((answer, after, next));
        }
        Some((answer, here, after))
    }

    fn new(step: Step, view: &View<'_>, cursor: Cursor, last: &str) -> Position {
        let mut name = [0; WORDS * 8];
        for (to, byte) in name.iter_mut().zip(last.bytes()) {
            *to = byte;
        }
        Position {
            step,
            generation: view.generation(),
            cursor: cursor.0,
            name,
            len: last.len(),
        }
    }

    fn name(&self) -> &str {
        let bytes = self.name.get(..self.len).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn named(name: &str) -> Position {
        let mut position = Position {
            step: Step::Role,
            generation: 7,
            cursor: 40,
            len: name.len(),
            ..Position::START
        };
        position.name[..name.len()].copy_from_slice(name.as_bytes());
        position
    }

    #[test]
    fn a_position_is_kept() {
        let hosts = Hosts::new();
        let longest = "n".repeat(MAX_NAME);
        for name in ["web", "", &longest] {
            hosts.hold().unwrap().save(&named(name));
            let kept = hosts.hold().unwrap().position();
            assert_eq!(kept.name(), name);
            assert_eq!((kept.generation, kept.cursor), (7, 40));
            assert_eq!(kept.step, Step::Role);
        }
        assert_eq!(hosts.rewind(), Situation::Found);
        assert_eq!(hosts.hold().unwrap().position().step, Step::Start);
    }

    #[test]
    fn what_a_parent_held_is_taken_over() {
        let hosts = Hosts::new();
        hosts.hold().unwrap().save(&named("web"));
        // A thread of the parent was in the middle of writing the other place.
        hosts.holder.store(process::id() ^ 1, Ordering::Relaxed);
        hosts.places[0].step.store(2, Ordering::Relaxed);
        assert_eq!(hosts.hold().unwrap().position().name(), "web");
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
