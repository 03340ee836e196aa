//! The one table of a process: who reads it, and how it is replaced.
//!
//! Any number of threads look up at the same time while one of them attaches a
//! newer table. Nobody waits: there is no lock, because a lock that another
//! thread held at the moment of a fork would be held for ever in the child.
//!
//! Each mapping lives in a slot with a count of its readers. A reader enters
//! the current slot by adding itself and then making sure that the slot still
//! is the current one. A writer makes another slot current first and then
//! unmaps those that count no reader, after marking them [`CLOSED`], which no
//! reader's coming and going undoes. What a reader was still in at that moment
//! is unmapped by the last to leave it.
//!
//! The counts live in a page that the kernel zeroes in a forked child
//! (`MADV_WIPEONFORK`): the threads that held them do not exist there. What
//! the child inherits is otherwise left as it is.

use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};

use rustix::mm::{Advice, madvise};

use super::epoch::{Epoch, Pulse, pulse_at};
use super::pages::{MapError, Pages};
use crate::clock::Monotonic;

/// How many mappings a process can have at once: the current one, and older
/// ones in which some thread was interrupted. Should all be held, the table
/// stays the same until one is free.
const SLOTS: usize = 32;

/// Set in a slot's count while its mapping is being taken away or put in.
const CLOSED: u32 = 1 << 31;

/// What an attach brings: the table, and the daemon's epoch where one stands
/// behind it.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) table: Pages,
    pub(crate) epoch: Option<Epoch>,
    pub(crate) orphan: Orphan,
}

/// How long a table has had no daemon behind it, where no epoch tells (it came
/// from a file, or its heartbeat cannot be true): so many nanoseconds at that
/// moment. (The clock may have started later than that long ago.)
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Orphan {
    pub(crate) age: u64,
    pub(crate) at: Monotonic,
}

/// The slots of a process.
#[derive(Debug)]
pub(crate) struct Slots {
    counts: AtomicPtr<Counts>,
    /// The number of the current slot plus one; 0 for none.
    current: AtomicU32,
    slots: [Slot; SLOTS],
}

/// What the kernel wipes on fork. Zero means nobody.
#[repr(C)]
#[derive(Debug)]
struct Counts {
    readers: [AtomicU32; SLOTS],
    attaching: AtomicU32,
}

/// One mapping, in parts. Written by whoever closed the slot, `table` last;
/// read by those counted among its readers.
#[derive(Debug)]
struct Slot {
    table: AtomicPtr<u8>,
    len: AtomicUsize,
    epoch: AtomicPtr<u8>,
    orphan_age: AtomicU64,
    orphan_at: AtomicU64,
}

/// A reader's stay in a slot: the mapping outlives it.
pub(crate) struct Held<'s> {
    slots: &'s Slots,
    place: Place<'s>,
}

/// A slot and its count. Its number is that of the slot plus one.
#[derive(Clone, Copy)]
struct Place<'s> {
    number: u32,
    readers: &'s AtomicU32,
    slot: &'s Slot,
}

/// The right to attach, which one thread at a time has.
pub(crate) struct Turn<'s> {
    counts: &'s Counts,
    /// Not to be given to another thread: the fork that wipes it spares only
    /// the thread it is in.
    thread: PhantomData<*const ()>,
}

impl Slots {
    pub(crate) const fn new() -> Slots {
        Slots {
            counts: AtomicPtr::new(ptr::null_mut()),
            current: AtomicU32::new(0),
            slots: [const { Slot::empty() }; SLOTS],
        }
    }

    /// Enters the current slot, when there is one.
    pub(crate) fn enter(&self) -> Option<Held<'_>> {
        let counts = self.counts_made()?;
        loop {
            let current = self.current.load(SeqCst);
            let at = current.checked_sub(1)? as usize;
            let place = Place {
                number: current,
                readers: counts.readers.get(at)?,
                slot: self.slots.get(at)?,
            };
            place.readers.fetch_add(1, SeqCst);
            // From here on the slot can't be closed. It may have been before.
            if self.current.load(SeqCst) == current {
                return Some(Held { slots: self, place });
            }
            self.leave(place);
        }
    }

    /// Takes the turn to attach; none when another thread has it.
    pub(crate) fn turn(&self) -> Result<Option<Turn<'_>>, MapError> {
        let counts = self.counts()?;
        let free = counts.attaching.compare_exchange(0, 1, SeqCst, Relaxed);
        // Made only when it is had: dropping one gives the turn back.
        Ok(free.is_ok().then(|| Turn {
            counts,
            thread: PhantomData,
        }))
    }

    /// Makes what was attached the current table, and unmaps those before it
    /// that nobody reads any more. False when no slot is free.
    pub(crate) fn install(&self, turn: &Turn<'_>, attached: Attached) -> bool {
        let current = self.current.load(SeqCst);
        let free = self
            .others(turn, current)
            .find(|place| close(place.readers));
        let Some(place) = free else {
            return false;
        };
        place.slot.clear();
        place.slot.put(attached);
        // Current before it is open: whoever finds it open and not current
        // may clear it.
        self.current.store(place.number, SeqCst);
        open(place.readers);
        for place in self.others(turn, place.number) {
            self.release(place);
        }
        true
    }

    /// All the slots but the current one.
    fn others<'s>(&'s self, turn: &Turn<'s>, current: u32) -> impl Iterator<Item = Place<'s>> {
        let slots = turn.counts.readers.iter().zip(&self.slots);
        let places = (1..).zip(slots).map(|(number, (readers, slot))| Place {
            number,
            readers,
            slot,
        });
        places.filter(move |place| place.number != current)
    }

    /// Takes a reader off the count. In a child forked from within a look-up
    /// (by a signal's handler) the count is gone already.
    fn leave(&self, place: Place<'_>) {
        let _ = place
            .readers
            .fetch_update(SeqCst, SeqCst, |count| match count & !CLOSED {
                0 => None,
                _ => Some(count - 1),
            });
        if self.current.load(SeqCst) != place.number {
            self.release(place);
        }
    }

    /// Unmaps what a slot holds, if it is not current and nobody reads it.
    fn release(&self, place: Place<'_>) {
        if place.slot.table.load(SeqCst).is_null() || !close(place.readers) {
            return;
        }
        // It may have become current, and been entered, before it was closed.
        // While it is closed it can't become so. Whoever entered counted
        // himself before it ceased to be current, so look at that first.
        let current = self.current.load(SeqCst) == place.number;
        if !current && place.readers.load(SeqCst) == CLOSED {
            place.slot.clear();
        }
        open(place.readers);
    }

    /// The page of counts, made at first use.
    fn counts(&self) -> Result<&Counts, MapError> {
        if let Some(counts) = self.counts_made() {
            return Ok(counts);
        }
        let pages = Pages::anonymous(size_of::<Counts>())?;
        let (start, len) = pages.into_parts();
        // SAFETY: the range is one mapping of our own. A kernel that does not
        // know the advice (before 4.14) refuses it and changes nothing: then a
        // child forked from a busy process may keep an old table mapped for
        // nobody, or never attach a newer one.
        let _ = unsafe { madvise(start.cast(), len, Advice::LinuxWipeOnFork) };
        let made = start.cast();
        match self
            .counts
            .compare_exchange(ptr::null_mut(), made, SeqCst, SeqCst)
        {
            Ok(_) => {}
            // Another thread was first: its page is the one.
            // SAFETY: nobody else has seen ours.
            Err(_) => drop(unsafe { Pages::from_parts(start, len) }),
        }
        self.counts_made().ok_or(MapError::Size)
    }

    fn counts_made(&self) -> Option<&Counts> {
        // SAFETY: when not null this is the page `counts` mapped: large enough,
        // aligned, zeroed at first (valid for atomics), never unmapped.
        unsafe { self.counts.load(SeqCst).as_ref() }
    }
}

/// Marks a slot that has no reader, so that none can stay in it.
fn close(readers: &AtomicU32) -> bool {
    readers.compare_exchange(0, CLOSED, SeqCst, Relaxed).is_ok()
}

fn open(readers: &AtomicU32) {
    readers.fetch_and(!CLOSED, SeqCst);
}

impl Slot {
    const fn empty() -> Slot {
        Slot {
            table: AtomicPtr::new(ptr::null_mut()),
            len: AtomicUsize::new(0),
            epoch: AtomicPtr::new(ptr::null_mut()),
            orphan_age: AtomicU64::new(0),
            orphan_at: AtomicU64::new(0),
        }
    }

    /// Puts a mapping into a closed slot. The table's address comes last: a
    /// fork in between leaves a slot that the child takes for empty.
    fn put(&self, attached: Attached) {
        let epoch = attached.epoch.map_or(ptr::null_mut(), Epoch::into_start);
        let (table, len) = attached.table.into_parts();
        self.orphan_age.store(attached.orphan.age, SeqCst);
        self.orphan_at.store(attached.orphan.at.0, SeqCst);
        self.epoch.store(epoch, SeqCst);
        self.len.store(len, SeqCst);
        self.table.store(table, SeqCst);
    }

    /// Empties a closed slot. Each address is taken away before it is
    /// unmapped: a fork in between leaks it in the child, never unmaps twice.
    fn clear(&self) {
        let table = self.table.swap(ptr::null_mut(), SeqCst);
        // SAFETY: `put` stored these parts, the slot is closed, so no reader
        // has them, and the swap gave them to us alone.
        drop(unsafe { Pages::from_parts(table, self.len.load(SeqCst)) });
        let epoch = self.epoch.swap(ptr::null_mut(), SeqCst);
        // SAFETY: as above.
        drop(unsafe { Epoch::from_start(epoch) });
    }
}

impl Held<'_> {
    /// The table's bytes.
    pub(crate) fn table(&self) -> &[u8] {
        let slot = self.place.slot;
        let (start, len) = (slot.table.load(SeqCst), slot.len.load(SeqCst));
        match NonNull::new(start) {
            // SAFETY: the slot is ours to read while we are counted, so the
            // mapping stays; `Pages::bytes` says why it does not change.
            Some(start) => unsafe { core::slice::from_raw_parts(start.as_ptr(), len) },
            None => &[],
        }
    }

    /// What the daemon's epoch says; none when the table came from a file.
    pub(crate) fn pulse(&self) -> Option<Pulse> {
        let epoch = NonNull::new(self.place.slot.epoch.load(SeqCst))?;
        // SAFETY: as in `table`.
        Some(unsafe { pulse_at(epoch) })
    }

    /// How long a table that came from a file has had no daemon.
    pub(crate) fn orphan(&self) -> Orphan {
        Orphan {
            age: self.place.slot.orphan_age.load(SeqCst),
            at: Monotonic(self.place.slot.orphan_at.load(SeqCst)),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.slots.leave(self.place);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.counts.attaching.store(0, SeqCst);
    }
}

#[cfg(test)]
mod tests;
