//! The current region of a process, its readers, and how it is replaced.
//!
//! Any number of threads may look up while one of them attaches to another
//! region. There is no lock, because a lock that another thread holds at the
//! moment of a fork is never released in the child.
//!
//! Each mapping is in a slot, with a count of its readers. A reader increments
//! the count of the current slot, and then checks that the slot is still the
//! current one. A thread that installs a region fills a free slot, makes it the
//! current one, and then unmaps the regions in all slots that have no readers.
//! The others are unmapped by their last reader. A slot is filled or emptied by
//! one thread at a time, which closes it meanwhile.
//!
//! No region is unmapped while it is read. All these operations are sequentially
//! consistent. A reader (1) increments the count and (2) loads `current`. A
//! thread that empties slot `n` (a) sees that `n` is not current while it has
//! closed it, which keeps it from becoming current, and (b) sees a count of zero.
//! If (1) came before (b), the thread would see the count, and not empty the
//! slot. If (b) came before (1), so did (a), and at (2) the reader sees that the
//! slot is not current; or it has been filled and made current again, and then it
//! has a whole region. `region_slots_model` checks all orders of these steps.
//!
//! The counts are striped: threads use different cache lines, so that they don't
//! slow each other down.
//!
//! # Fork, signals and jumps
//!
//! A forked child inherits counts and mappings. If the fork happens in a signal
//! handler during a lookup, the child's handler returns to that lookup, so its
//! count must be valid in the child too, and it is. Counts of threads that do not
//! exist in the child are never decremented there: if the child replaces the
//! region, one mapping is leaked. The same goes for a lookup that siglongjmp has
//! left. If all slots are in use like that, no other region can be installed, and
//! the client answers from the file.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};

use super::mapping::{Mapping, Words};
use crate::clock::Monotonic;
use crate::format::Layout;

/// How many mappings a process can have at once: the current one, and older ones
/// that still have readers.
const SLOTS: usize = 16;

/// How many counts of readers each slot has.
const STRIPES: usize = 32;

/// A region that was received from the daemon.
#[derive(Debug)]
pub(crate) struct AttachedRegion {
    pub(crate) mapping: Mapping,
    /// Its header, as checked. The one in the mapping may be another by now.
    pub(crate) layout: Layout,
    /// The daemon's clock minus this process's, wrapping. They differ if the two
    /// are in different time namespaces.
    pub(crate) ahead: u64,
}

/// The regions that a process has mapped.
#[derive(Debug)]
pub(crate) struct RegionSlots {
    /// The number of the current slot plus one; 0 for none.
    current: AtomicU32,
    /// Until when a thread has the turn to attach; 0 if none has.
    turn: AtomicU64,
    slots: [RegionSlot; SLOTS],
    stripes: [Stripe; STRIPES],
}

/// For each slot the count of those readers that use this stripe. It fills two
/// cache lines, because processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Stripe {
    readers: [AtomicU32; SLOTS],
}

/// One mapping, in parts. Written by the thread that has closed the slot, read by
/// the readers that are counted.
#[derive(Debug)]
struct RegionSlot {
    /// 1 while a thread fills or empties the slot.
    closed: AtomicU32,
    start: AtomicPtr<u8>,
    len: AtomicUsize,
    ahead: AtomicU64,
    layout: UnsafeCell<MaybeUninit<Layout>>,
}

// SAFETY: `layout` is only written by the thread that has closed the slot, while
// the slot has no readers, and only read by counted readers (see the module).
unsafe impl Sync for RegionSlot {}

/// A counted reader: the region stays mapped until this is dropped.
pub(crate) struct RegionGuard<'s> {
    slots: &'s RegionSlots,
    stripe: &'s Stripe,
    number: u32,
    slot: &'s RegionSlot,
}

/// The turn to attach, so that threads don't all do so at once. Another thread may
/// take it over after its time, because two that attach do no harm.
pub(crate) struct AttachTurn<'s> {
    slots: &'s RegionSlots,
    until: u64,
}

impl RegionSlots {
    pub(crate) const fn new() -> RegionSlots {
        RegionSlots {
            current: AtomicU32::new(0),
            turn: AtomicU64::new(0),
            slots: [const { RegionSlot::empty() }; SLOTS],
            stripes: [const { Stripe::new() }; STRIPES],
        }
    }

    /// Starts to read the current region, if there is one.
    #[inline]
    pub(crate) fn enter(&self) -> Option<RegionGuard<'_>> {
        let mut number = self.current.load(SeqCst);
        let stripe = self.stripes.get(stripe_of_this_thread())?;
        loop {
            let at = number.checked_sub(1)? as usize;
            let slot = self.slots.get(at)?;
            let readers = stripe.readers.get(at)?;
            readers.fetch_add(1, SeqCst);
            let current = self.current.load(SeqCst);
            // Decrements the count again if the slot is not the current one.
            let held = RegionGuard {
                slots: self,
                stripe,
                number,
                slot,
            };
            if current == number {
                return Some(held);
            }
            drop(held);
            number = current;
        }
    }

    /// Takes the turn to attach until a moment; none if another thread has it.
    pub(crate) fn turn(&self, now: Monotonic, until: Monotonic) -> Option<AttachTurn<'_>> {
        let held = self.turn.load(SeqCst);
        if held != 0 && now.0 < held {
            return None;
        }
        // Not 0, which means that no thread has it.
        let until = until.0.max(1);
        let taken = self.turn.compare_exchange(held, until, SeqCst, Relaxed);
        taken.is_ok().then_some(AttachTurn { slots: self, until })
    }

    /// Makes a region the current one, and unmaps the older ones that have no
    /// readers. False if no slot is free.
    pub(crate) fn install(&self, attached: AttachedRegion) -> bool {
        let numbers = 1..=SLOTS as u32;
        let mut free = numbers.clone().filter_map(|number| self.vacate(number));
        let Some((number, slot)) = free.next() else {
            return false;
        };
        drop(free);
        slot.put(attached);
        self.current.store(number, SeqCst);
        slot.open();
        for other in numbers {
            self.release(other);
        }
        true
    }

    /// Closes and empties a slot that is not the current one and has no readers.
    fn vacate(&self, number: u32) -> Option<(u32, &RegionSlot)> {
        let slot = self.slots.get(number as usize - 1)?;
        loop {
            if self.current.load(SeqCst) == number || !slot.close() {
                return None;
            }
            // While it is closed it can't become the current one.
            if self.current.load(SeqCst) == number {
                slot.open();
                return None;
            }
            if !self.is_read(number) {
                slot.clear();
                return Some((number, slot));
            }
            slot.open();
            // Its last reader empties it, but can't have done so while it was
            // closed.
            if self.is_read(number) {
                return None;
            }
        }
    }

    /// Unmaps the region in a slot that is not the current one and has no readers.
    fn release(&self, number: u32) {
        if let Some((_, slot)) = self.vacate(number) {
            slot.open();
        }
    }

    fn is_read(&self, number: u32) -> bool {
        let at = number as usize - 1;
        let mut counts = self
            .stripes
            .iter()
            .filter_map(|stripe| stripe.readers.get(at));
        counts.any(|readers| readers.load(SeqCst) != 0)
    }
}

/// The stripe that this thread uses, by the address of its stack. Threads may
/// share one, and a thread may change it: that only costs time.
#[inline]
fn stripe_of_this_thread() -> usize {
    let here = 0u8;
    let stack = (&raw const here).addr() as u64 >> 15;
    (stack.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59) as usize
}

const _: () = assert!(STRIPES == 1 << (64 - 59));

impl Stripe {
    const fn new() -> Stripe {
        Stripe {
            readers: [const { AtomicU32::new(0) }; SLOTS],
        }
    }
}

impl RegionSlot {
    const fn empty() -> RegionSlot {
        RegionSlot {
            closed: AtomicU32::new(0),
            start: AtomicPtr::new(ptr::null_mut()),
            len: AtomicUsize::new(0),
            ahead: AtomicU64::new(0),
            layout: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    fn close(&self) -> bool {
        self.closed.compare_exchange(0, 1, SeqCst, Relaxed).is_ok()
    }

    fn open(&self) {
        self.closed.store(0, SeqCst);
    }

    /// Fills a closed slot that has no readers. The address is stored last: after
    /// a fork in between, the slot is empty for the child.
    fn put(&self, attached: AttachedRegion) {
        let (start, len) = attached.mapping.into_parts();
        // SAFETY: the slot is closed and has no readers, so nobody else has a
        // reference to it.
        unsafe { (*self.layout.get()).write(attached.layout) };
        self.ahead.store(attached.ahead, SeqCst);
        self.len.store(len, SeqCst);
        self.start.store(start, SeqCst);
    }

    /// Empties a closed slot that has no readers. The address is removed before
    /// the region is unmapped: after a fork in between, the child leaks the
    /// mapping, but never unmaps it twice.
    fn clear(&self) {
        let start = self.start.swap(ptr::null_mut(), SeqCst);
        // SAFETY: `put` stored these parts, no reader uses them, and only this
        // thread got them from the swap.
        drop(unsafe { Mapping::from_parts(start, self.len.load(SeqCst)) });
    }
}

impl RegionGuard<'_> {
    /// The words of the region, and its layout.
    #[inline]
    pub(crate) fn region(&self) -> Option<(Words<'_>, &Layout)> {
        let start = NonNull::new(self.slot.start.load(Relaxed))?;
        let len = self.slot.len.load(Relaxed);
        // SAFETY: this reader is counted, so the mapping stays, and `put` stored
        // its address and its length.
        let words = unsafe { Words::new(start, len) };
        // SAFETY: nobody writes to it while this reader is counted.
        let layout = unsafe { &*self.slot.layout.get() };
        // SAFETY: `put` wrote it before it stored the address.
        Some((words, unsafe { layout.assume_init_ref() }))
    }

    /// Converts a moment of this process to the daemon's clock.
    #[inline]
    pub(crate) fn on_its_clock(&self, now: Monotonic) -> Monotonic {
        Monotonic(now.0.wrapping_add(self.slot.ahead.load(Relaxed)))
    }
}

impl Drop for RegionGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        let at = self.number as usize - 1;
        if let Some(readers) = self.stripe.readers.get(at) {
            readers.fetch_sub(1, SeqCst);
        }
        if self.slots.current.load(SeqCst) != self.number {
            self.slots.release(self.number);
        }
    }
}

impl Drop for AttachTurn<'_> {
    fn drop(&mut self) {
        // Unless another thread has taken it over.
        let turn = &self.slots.turn;
        let _ = turn.compare_exchange(self.until, 0, SeqCst, Relaxed);
    }
}

#[cfg(test)]
mod tests;
