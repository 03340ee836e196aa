//! The slots alone, without the sockets that keep installs rare.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use core::sync::atomic::AtomicBool;

use super::*;

/// A page with the number at both its ends.
fn page(number: u64) -> Attached {
    let mut table = Pages::anonymous(4096).unwrap();
    table.bytes_mut()[..8].copy_from_slice(&number.to_le_bytes());
    table.bytes_mut()[4088..].copy_from_slice(&number.to_le_bytes());
    Attached {
        table,
        epoch: None,
        orphan: Orphan::default(),
    }
}

fn number(held: &Held<'_>) -> u64 {
    let table = held.table();
    let first = u64::from_le_bytes(*table.first_chunk().expect("an emptied slot"));
    let last = u64::from_le_bytes(*table.last_chunk().expect("an emptied slot"));
    assert_eq!(first, last);
    first
}

/// The slots that hold a mapping.
fn mapped(slots: &Slots) -> usize {
    let is_mapped = |slot: &&Slot| !slot.table.load(SeqCst).is_null();
    slots.slots.iter().filter(is_mapped).count()
}

fn install(slots: &Slots, number: u64) -> bool {
    let turn = slots.turn().unwrap().unwrap();
    slots.install(&turn, page(number))
}

#[test]
fn one_thread_has_the_turn_until_it_gives_it_back() {
    let slots = Slots::new();
    assert!(slots.enter().is_none());
    let turn = slots.turn().unwrap();
    assert!(turn.is_some());
    // Asking in vain takes nothing from who has it.
    assert!(slots.turn().unwrap().is_none());
    assert!(slots.turn().unwrap().is_none());
    drop(turn);
    assert!(slots.turn().unwrap().is_some());
}

#[test]
fn the_last_reader_of_an_old_table_unmaps_it() {
    let slots = Slots::new();
    assert!(install(&slots, 1));
    let (first, again) = (slots.enter().unwrap(), slots.enter().unwrap());
    assert!(install(&slots, 2));
    assert_eq!((number(&first), number(&again)), (1, 1));
    assert_eq!(number(&slots.enter().unwrap()), 2);
    drop(first);
    assert_eq!((number(&again), mapped(&slots)), (1, 2));
    drop(again);
    assert_eq!(mapped(&slots), 1);
}

#[test]
fn with_every_slot_held_the_table_stays() {
    let slots = Slots::new();
    let mut held = Vec::new();
    for n in 0..SLOTS as u64 {
        assert!(install(&slots, n));
        held.push(slots.enter().unwrap());
    }
    assert!(!install(&slots, 99));
    let newest = SLOTS as u64 - 1;
    assert_eq!(number(&slots.enter().unwrap()), newest);
    assert!(held.iter().map(number).eq(0..SLOTS as u64));
    drop(held.remove(3));
    assert!(install(&slots, 100));
    assert_eq!(number(&slots.enter().unwrap()), 100);
    drop(held);
    assert_eq!(mapped(&slots), 1);
}

/// Readers come and go as fast as they can while tables do.
#[test]
fn no_reader_meets_an_emptied_slot() {
    let (slots, done) = (Slots::new(), AtomicBool::new(false));
    assert!(install(&slots, 0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Relaxed) {
                    let now = number(&slots.enter().unwrap());
                    assert!(now >= last);
                    last = now;
                }
            });
        }
        for n in 1..100_000 {
            while !install(&slots, n) {}
        }
        done.store(true, Relaxed);
    });
    assert!(install(&slots, 100_000));
    assert_eq!(mapped(&slots), 1);
}

/// What a reader does who left a slot, was delayed, and finds that it has
/// become the current one again.
#[test]
fn the_current_table_is_never_released() {
    let slots = Slots::new();
    assert!(install(&slots, 1));
    let place = slots.enter().unwrap().place;
    slots.release(place);
    assert_eq!(number(&slots.enter().unwrap()), 1);
    assert!(install(&slots, 2));
    slots.release(place);
    assert_eq!((number(&slots.enter().unwrap()), mapped(&slots)), (2, 1));
}
