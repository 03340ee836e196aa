//! The one region of a process: who reads it, and how it is replaced.
//!
//! Any number of threads look up at the same time while one of them attaches
//! another region. Nobody waits: there is no lock, because a lock that another
//! thread held at the moment of a fork would be held for ever in the child.
//!
//! Each mapping lives in a slot. A reader counts itself in for the current slot
//! and then makes sure that the slot still is the current one. Whoever installs
//! another region makes that slot current first, and then unmaps what counts no
//! reader; what somebody is still in is unmapped by the last to leave it. To
//! fill or empty a slot one has to close it, which one thread at a time can.
//!
//! Why nothing is unmapped under a reader: all of these operations are
//! sequentially consistent. A reader (1) counts itself in and (2) loads
//! `current`. Whoever empties slot `n` has (a) seen that `n` is not current
//! while it was closed, so that nobody can make it so, and (b) sees no count.
//! If (1) came before (b), the count was seen, and nothing is emptied. If (b)
//! came before (1), so did (a), and the reader finds at (2) that the slot is
//! not the current one, unless it was filled again meanwhile, and then it is
//! whole. `slots_model` goes through all orders of these steps.
//!
//! The counts are spread over lines of their own by thread, so that threads
//! that look up at the same time do not slow each other down.
//!
//! # Fork, signals and jumps
//!
//! A forked child inherits counts and mappings. The thread that forked may have
//! done so in a signal's handler, in the middle of a lookup, which goes on when
//! the handler returns: so its count must hold in the child too, and it does. A
//! count of a thread that does not exist in the child is never taken off there.
//! All that follows is that one mapping stays, should the region ever be
//! replaced in that child. The same is true of a lookup that was left by
//! siglongjmp. Should all slots be held like that, no other region is installed
//! any more, and the client answers from the file.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};

use super::mapping::{Mapping, Words};
use crate::clock::Monotonic;
use crate::format::Layout;

/// How many mappings a process can have at once: the current one, and older
/// ones in which some thread was interrupted.
const SLOTS: usize = 16;

/// Lines over which the counts of readers are spread.
const LINES: usize = 32;

/// A region as it was attached.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) mapping: Mapping,
    /// What its header said. The mapping may say something else by now.
    pub(crate) layout: Layout,
    /// What the daemon's clock is ahead of ours, wrapping: they differ where
    /// the two are in different time namespaces.
    pub(crate) ahead: u64,
}

/// The slots of a process.
#[derive(Debug)]
pub(crate) struct Slots {
    /// The number of the current slot plus one; 0 for none.
    current: AtomicU32,
    /// Until when the thread that attaches has the turn; 0 when nobody has.
    turn: AtomicU64,
    slots: [Slot; SLOTS],
    lines: [Line; LINES],
}

/// The counts of the readers that came by this line. Two cache lines, because
/// processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Line {
    readers: [AtomicU32; SLOTS],
}

/// One mapping, in parts. Written by whoever has closed the slot, read by those
/// counted among its readers.
#[derive(Debug)]
struct Slot {
    /// 1 while it is being filled or emptied.
    closed: AtomicU32,
    start: AtomicPtr<u8>,
    len: AtomicUsize,
    ahead: AtomicU64,
    layout: UnsafeCell<MaybeUninit<Layout>>,
}

// SAFETY: `layout` is written only by whoever has closed the slot while it
// counts no reader, and read only by counted readers (see the module).
unsafe impl Sync for Slot {}

/// A reader's stay in a slot: the mapping outlives it.
pub(crate) struct Held<'s> {
    slots: &'s Slots,
    line: &'s Line,
    number: u32,
    slot: &'s Slot,
}

/// The right to attach. Another thread may take it over once its time is up:
/// that two of them attach does no harm, it only is not worth it.
pub(crate) struct Turn<'s> {
    slots: &'s Slots,
    until: u64,
}

impl Slots {
    pub(crate) const fn new() -> Slots {
        Slots {
            current: AtomicU32::new(0),
            turn: AtomicU64::new(0),
            slots: [const { Slot::empty() }; SLOTS],
            lines: [const { Line::new() }; LINES],
        }
    }

    /// Enters the current slot, when there is one.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Held<'_>> {
        let mut number = self.current.load(SeqCst);
        let line = self.lines.get(line_of_this_thread())?;
        loop {
            let at = number.checked_sub(1)? as usize;
            let slot = self.slots.get(at)?;
            let readers = line.readers.get(at)?;
            readers.fetch_add(1, SeqCst);
            let current = self.current.load(SeqCst);
            // Also counts out again, should it not be the current one.
            let held = Held {
                slots: self,
                line,
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

    /// Takes the turn to attach until that moment; none when another thread has
    /// it.
    pub(crate) fn turn(&self, now: Monotonic, until: Monotonic) -> Option<Turn<'_>> {
        let held = self.turn.load(SeqCst);
        if held != 0 && now.0 < held {
            return None;
        }
        // Not 0, which is nobody's.
        let until = until.0.max(1);
        let taken = self.turn.compare_exchange(held, until, SeqCst, Relaxed);
        taken.is_ok().then_some(Turn { slots: self, until })
    }

    /// Makes what was attached the current region, and unmaps those before it
    /// that nobody reads any more. False when no slot is free.
    pub(crate) fn install(&self, attached: Attached) -> bool {
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

    /// Closes and empties a slot that is not the current one and that nobody is
    /// in.
    fn vacate(&self, number: u32) -> Option<(u32, &Slot)> {
        let slot = self.slots.get(number as usize - 1)?;
        loop {
            if self.current.load(SeqCst) == number || !slot.close() {
                return None;
            }
            // From here on it can't become current.
            if self.current.load(SeqCst) == number {
                slot.open();
                return None;
            }
            if !self.is_read(number) {
                slot.clear();
                return Some((number, slot));
            }
            slot.open();
            // The last one to leave empties it, but could not while it was
            // closed here.
            if self.is_read(number) {
                return None;
            }
        }
    }

    /// Unmaps what a slot holds, if it is not current and nobody reads it.
    fn release(&self, number: u32) {
        if let Some((_, slot)) = self.vacate(number) {
            slot.open();
        }
    }

    fn is_read(&self, number: u32) -> bool {
        let at = number as usize - 1;
        let mut counts = self.lines.iter().filter_map(|line| line.readers.get(at));
        counts.any(|readers| readers.load(SeqCst) != 0)
    }
}

/// The line by which this thread counts itself in: told by where its stack is.
/// It is only about speed: threads may share one, and a thread may change.
#[inline]
fn line_of_this_thread() -> usize {
    let here = 0u8;
    let stack = (&raw const here).addr() as u64 >> 15;
    (stack.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59) as usize
}

const _: () = assert!(LINES == 1 << (64 - 59));

impl Line {
    const fn new() -> Line {
        Line {
            readers: [const { AtomicU32::new(0) }; SLOTS],
        }
    }
}

impl Slot {
    const fn empty() -> Slot {
        Slot {
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

    /// Puts a mapping into a closed slot that nobody is in. Its address comes
    /// last: a fork in between leaves a slot that the child takes for empty.
    fn put(&self, attached: Attached) {
        let (start, len) = attached.mapping.into_parts();
        // SAFETY: the slot is closed and counts no reader, so nobody else has
        // a reference to it.
        unsafe { (*self.layout.get()).write(attached.layout) };
        self.ahead.store(attached.ahead, SeqCst);
        self.len.store(len, SeqCst);
        self.start.store(start, SeqCst);
    }

    /// Empties a closed slot that nobody is in. The address is taken away
    /// before it is unmapped: a fork in between leaks it in the child, never
    /// unmaps twice.
    fn clear(&self) {
        let start = self.start.swap(ptr::null_mut(), SeqCst);
        // SAFETY: `put` stored these parts, no reader has them, and the swap
        // gave them to us alone.
        drop(unsafe { Mapping::from_parts(start, self.len.load(SeqCst)) });
    }
}

impl Held<'_> {
    /// The words of the region, and what its header said.
    #[inline]
    pub(crate) fn region(&self) -> Option<(Words<'_>, &Layout)> {
        let start = NonNull::new(self.slot.start.load(Relaxed))?;
        let len = self.slot.len.load(Relaxed);
        // SAFETY: the slot is ours to read while we are counted, so the mapping
        // stays, and `put` stored its address and its length.
        let words = unsafe { Words::new(start, len) };
        // SAFETY: as above; nobody writes to it while we are counted.
        let layout = unsafe { &*self.slot.layout.get() };
        // SAFETY: `put` wrote it before it stored the address.
        Some((words, unsafe { layout.assume_init_ref() }))
    }

    /// A moment of ours on the daemon's clock.
    #[inline]
    pub(crate) fn on_its_clock(&self, now: Monotonic) -> Monotonic {
        Monotonic(now.0.wrapping_add(self.slot.ahead.load(Relaxed)))
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        let at = self.number as usize - 1;
        if let Some(readers) = self.line.readers.get(at) {
            readers.fetch_sub(1, SeqCst);
        }
        if self.slots.current.load(SeqCst) != self.number {
            self.slots.release(self.number);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Not when somebody has taken it over.
        let turn = &self.slots.turn;
        let _ = turn.compare_exchange(self.until, 0, SeqCst, Relaxed);
    }
}

#[cfg(test)]
mod tests;
