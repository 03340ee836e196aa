//! The list of all hosts, which `getent hosts` reads with `gethostent`, and how
//! far this process has read it.
//!
//! Each role is one host per family, IPv4 first, in no particular order. An alias
//! is listed under its own name with its target's addresses. Wildcards are left
//! out, because they name no host. The list shows the table and spreads no load,
//! so each host has all its addresses in the order written, whatever `pick` and
//! `order` say.
//!
//! The table may change during an enumeration. A role keeps its slot in the index
//! for as long as it exists, so none is repeated or lost. A new region, as after
//! a restart of the daemon, has other slots: there the list starts over, and may
//! repeat hosts, but loses none.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use std::{iter, process, thread};

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Cursor, ListedRole, View};

use crate::abi::hostent::{Host, HostSlot};
use crate::lookup::Family;
use crate::outcome::Outcome;

/// The enumeration of this process. As in glibc, all threads share one.
pub(crate) static ENUMERATION: HostEnumeration = HostEnumeration::new();

/// A cursor in the list of hosts, with a lock that survives a fork.
///
/// glibc locks around these functions; this lock is for programs that call the
/// module directly. A child may be forked while another thread of its parent
/// holds it, so the lock names the process that holds it, and nobody waits for
/// it without a limit.
pub(crate) struct HostEnumeration {
    /// Process ID of the holder, 0 if there is none.
    holder: AtomicU32,
    /// Which of the two cursors is valid. A new one is written to the other
    /// first, so that a fork meanwhile leaves the child a valid one.
    current: AtomicU32,
    cursors: [StoredCursor; 2],
}

/// An [`EnumerationCursor`] in atomics: should two threads ever write it at once,
/// the cursor is wrong, but there is no data race.
struct StoredCursor {
    next: AtomicU32,
    slot: AtomicU32,
    tag: AtomicU32,
    regions: AtomicU32,
    region: AtomicU64,
}

/// How far the list was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EnumerationCursor {
    next: NextHost,
    /// Where to look for the next role, or where the last one is if its second
    /// family comes next.
    slot: Cursor,
    /// The tag of the last role, which tells it from another in the same slot.
    tag: u32,
    /// How many regions the list was started in.
    regions: u32,
    /// The region that `slot` belongs to.
    region: u64,
}

/// What the next host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NextHost {
    /// The first role at the slot or after it.
    Role = 0,
    /// The IPv6 addresses of the last role.
    SecondFamily = 1,
}

/// The list is started in at most this many regions, so that a hostile daemon
/// can't make it endless by moving from one to the next.
const MAX_REGIONS: u32 = 4;

/// How long to wait for the lock. It is held for microseconds, unless a signal
/// handler that enumerates hosts itself has interrupted the holder, which then
/// never releases it.
const MAX_WAIT: Duration = Duration::from_millis(50);

impl HostEnumeration {
    pub(crate) const fn new() -> HostEnumeration {
        HostEnumeration {
            holder: AtomicU32::new(0),
            current: AtomicU32::new(0),
            cursors: [const { StoredCursor::new() }; 2],
        }
    }

    /// Starts over.
    pub(crate) fn rewind(&self) -> Outcome {
        let Some(guard) = self.lock() else {
            return Outcome::Unavailable;
        };
        guard.save(&EnumerationCursor::START);
        Outcome::Found
    }

    /// Writes the next host to `slot`. If it does not fit, the next call returns
    /// the same host.
    pub(crate) fn next(&self, view: &View<'_>, slot: HostSlot<'_>) -> Outcome {
        let Some(guard) = self.lock() else {
            return Outcome::Unavailable;
        };
        let Some((role, family, after)) = guard.cursor().next(view) else {
            return Outcome::NoSuchName;
        };
        let (name, aliases) = (role.name.as_bytes(), iter::empty::<&[u8]>());
        let answer = role.answer();
        let outcome = match family {
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
        if outcome == Outcome::Found {
            guard.save(&after);
        }
        outcome
    }

    /// Takes the lock; none if that takes longer than [`MAX_WAIT`].
    fn lock(&self) -> Option<EnumerationGuard<'_>> {
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
                    // A thread of the parent held it at the fork.
                    take(holder)
                }
            });
            if taken.is_ok() {
                return Some(EnumerationGuard {
                    enumeration: self,
                    me,
                });
            }
            if monotonic().since(started) > MAX_WAIT {
                return None;
            }
            thread::yield_now();
        }
    }
}

/// Holds the lock until it is dropped, also by a panic.
struct EnumerationGuard<'e> {
    enumeration: &'e HostEnumeration,
    me: u32,
}

impl EnumerationGuard<'_> {
    fn cursor(&self) -> EnumerationCursor {
        let current = self.enumeration.current.load(Ordering::Relaxed);
        let [first, second] = &self.enumeration.cursors;
        if current == 0 { first } else { second }.load()
    }

    fn save(&self, cursor: &EnumerationCursor) {
        let current = self.enumeration.current.load(Ordering::Relaxed);
        let [first, second] = &self.enumeration.cursors;
        if current == 0 { second } else { first }.store(cursor);
        let other = u32::from(current == 0);
        self.enumeration.current.store(other, Ordering::Release);
    }
}

impl Drop for EnumerationGuard<'_> {
    fn drop(&mut self) {
        // Unless another process has taken it over, as a child of vfork might.
        let holder = &self.enumeration.holder;
        let _ = holder.compare_exchange(self.me, 0, Ordering::Release, Ordering::Relaxed);
    }
}

impl StoredCursor {
    const fn new() -> StoredCursor {
        StoredCursor {
            next: AtomicU32::new(0),
            slot: AtomicU32::new(0),
            tag: AtomicU32::new(0),
            regions: AtomicU32::new(0),
            region: AtomicU64::new(0),
        }
    }

    fn load(&self) -> EnumerationCursor {
        EnumerationCursor {
            next: match self.next.load(Ordering::Relaxed) {
                1 => NextHost::SecondFamily,
                _ => NextHost::Role,
            },
            slot: Cursor(self.slot.load(Ordering::Relaxed)),
            tag: self.tag.load(Ordering::Relaxed),
            regions: self.regions.load(Ordering::Relaxed),
            region: self.region.load(Ordering::Relaxed),
        }
    }

    fn store(&self, cursor: &EnumerationCursor) {
        self.next.store(cursor.next as u32, Ordering::Relaxed);
        self.slot.store(cursor.slot.0, Ordering::Relaxed);
        self.tag.store(cursor.tag, Ordering::Relaxed);
        self.regions.store(cursor.regions, Ordering::Relaxed);
        self.region.store(cursor.region, Ordering::Relaxed);
    }
}

impl EnumerationCursor {
    const START: EnumerationCursor = EnumerationCursor {
        next: NextHost::Role,
        slot: Cursor(0),
        tag: 0,
        regions: 0,
        region: 0,
    };

    /// The next host in this table, and the cursor after it.
    fn next<'t>(&self, view: &View<'t>) -> Option<(ListedRole<'t>, Family, EnumerationCursor)> {
        let here = self.within(view)?;
        let (role, second) = here.role(view)?;
        let more = role.answer().v6().len() > 0;
        let family = if second || role.answer().v4().len() == 0 {
            Family::V6
        } else {
            Family::V4
        };
        let (next, slot) = if family == Family::V4 && more {
            (NextHost::SecondFamily, role.at)
        } else {
            (NextHost::Role, Cursor(role.at.0.saturating_add(1)))
        };
        let tag = role.tag;
        let after = EnumerationCursor {
            next,
            slot,
            tag,
            ..here
        };
        Some((role, family, after))
    }

    /// This cursor, or the first one of the view's region if it belongs to
    /// another; none after [`MAX_REGIONS`].
    fn within(&self, view: &View<'_>) -> Option<EnumerationCursor> {
        let region = view.revision().region;
        if self.region == region && self.regions > 0 {
            return Some(*self);
        }
        let regions = self.regions + 1;
        (regions <= MAX_REGIONS).then_some(EnumerationCursor {
            regions,
            region,
            ..EnumerationCursor::START
        })
    }

    /// The next role, and whether its second family is next.
    fn role<'t>(&self, view: &View<'t>) -> Option<(ListedRole<'t>, bool)> {
        let role = view.list(self.slot)?;
        if self.next == NextHost::Role || (role.at, role.tag) != (self.slot, self.tag) {
            return Some((role, false));
        }
        if role.answer().v6().len() > 0 {
            return Some((role, true));
        }
        // It has lost its IPv6 addresses since.
        let role = view.list(Cursor(role.at.0.saturating_add(1)))?;
        Some((role, false))
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    const SOMEWHERE: EnumerationCursor = EnumerationCursor {
        next: NextHost::SecondFamily,
        slot: Cursor(40),
        tag: 9,
        regions: 2,
        region: 7,
    };

    #[test]
    fn a_cursor_that_was_saved_is_read() {
        let enumeration = HostEnumeration::new();
        for slot in [Cursor(1), Cursor(2), Cursor(u32::MAX)] {
            let cursor = EnumerationCursor { slot, ..SOMEWHERE };
            enumeration.lock().unwrap().save(&cursor);
            assert_eq!(enumeration.lock().unwrap().cursor(), cursor);
        }
        assert_eq!(enumeration.rewind(), Outcome::Found);
        assert_eq!(
            enumeration.lock().unwrap().cursor(),
            EnumerationCursor::START
        );
    }

    #[test]
    fn a_lock_that_the_parent_held_is_taken_over() {
        let enumeration = HostEnumeration::new();
        enumeration.lock().unwrap().save(&SOMEWHERE);
        // A thread of the parent was writing the other cursor at the fork.
        enumeration
            .holder
            .store(process::id() ^ 1, Ordering::Relaxed);
        enumeration.cursors[0].next.store(2, Ordering::Relaxed);
        assert_eq!(enumeration.lock().unwrap().cursor(), SOMEWHERE);
        assert_eq!(enumeration.holder.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_lock_that_this_process_holds_is_waited_for_but_not_for_ever() {
        let enumeration = HostEnumeration::new();
        let guard = enumeration.lock().unwrap();
        let started = monotonic();
        assert_eq!(enumeration.rewind(), Outcome::Unavailable);
        let waited = monotonic().since(started);
        assert!(waited >= MAX_WAIT && waited < 100 * MAX_WAIT, "{waited:?}");
        drop(guard);
        assert_eq!(enumeration.rewind(), Outcome::Found);
    }
}
