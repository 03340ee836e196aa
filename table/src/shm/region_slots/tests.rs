use std::time::Duration;

use super::*;
use crate::clock::monotonic;

/// A region in which each word is this one.
fn attached(word: u64) -> AttachedRegion {
    let mapping = Mapping::copied(&[word.to_ne_bytes(); 1024]).unwrap();
    AttachedRegion {
        mapping,
        layout: Layout::new(word, 0, 0, 0, 0),
        ahead: word,
    }
}

/// The word that a reader finds.
fn word(held: &RegionGuard<'_>) -> u64 {
    let (words, layout) = held.region().expect("a region");
    let word = words.relaxed(1023).unwrap();
    assert_eq!(layout.region, word);
    word
}

/// How many slots have a mapping.
fn mapped(slots: &RegionSlots) -> usize {
    let holds = |slot: &&RegionSlot| !slot.start.load(SeqCst).is_null();
    slots.slots.iter().filter(holds).count()
}

#[test]
fn what_was_installed_last_is_entered() {
    let slots = RegionSlots::new();
    assert!(slots.enter().is_none());
    for n in 1..100 {
        assert!(slots.install(attached(n)));
        let held = slots.enter().unwrap();
        assert_eq!(word(&held), n);
        assert_eq!(held.on_its_clock(Monotonic(5)), Monotonic(n + 5));
        drop(held);
        assert_eq!(mapped(&slots), 1);
    }
}

#[test]
fn what_is_read_stays_until_the_last_reader_leaves() {
    let slots = RegionSlots::new();
    slots.install(attached(1));
    let (first, second) = (slots.enter().unwrap(), slots.enter().unwrap());
    slots.install(attached(2));
    assert_eq!(mapped(&slots), 2);
    assert_eq!((word(&first), word(&second)), (1, 1));
    drop(first);
    assert_eq!(mapped(&slots), 2);
    assert_eq!(word(&second), 1);
    drop(second);
    assert_eq!(mapped(&slots), 1);
    assert_eq!(word(&slots.enter().unwrap()), 2);
}

/// Lookups that never end (siglongjmp) cost a slot for each region that they
/// read. Without a free slot the current region stays, and answers.
#[test]
fn lookups_that_never_end_cost_slots_and_nothing_else() {
    let slots = RegionSlots::new();
    for n in 1..=SLOTS as u64 {
        assert!(slots.install(attached(n)), "{n}");
        core::mem::forget(slots.enter());
    }
    assert!(!slots.install(attached(77)));
    assert_eq!(word(&slots.enter().unwrap()), SLOTS as u64);
    assert_eq!(mapped(&slots), SLOTS);
}

#[test]
fn a_turn_that_is_never_given_back_runs_out() {
    let slots = RegionSlots::new();
    let (now, span) = (monotonic(), Duration::from_millis(100));
    let turn = slots.turn(now, now + span).unwrap();
    assert!(slots.turn(now, now + span).is_none());
    drop(turn);
    let turn = slots.turn(now, now + span).unwrap();
    core::mem::forget(turn);
    let late = now + span;
    let taken_over = slots.turn(late, late + span).unwrap();
    assert!(slots.turn(late, late + span).is_none());
    drop(taken_over);
    assert!(slots.turn(late, late + span).is_some());
}

/// A thread that is late does not give back another's turn.
#[test]
fn a_turn_that_was_taken_over_is_not_given_back_twice() {
    let slots = RegionSlots::new();
    let (now, span) = (monotonic(), Duration::from_millis(100));
    let late = slots.turn(now, now + span).unwrap();
    let next = now + span;
    let _holds = slots.turn(next, next + span).unwrap();
    drop(late);
    assert!(slots.turn(next, next + span).is_none());
}

/// A child that was forked during a lookup, in a signal handler, attaches to other
/// regions and then goes on with the lookup: its region is still mapped.
#[test]
fn a_fork_within_a_lookup_keeps_what_it_is_in() {
    let slots = RegionSlots::new();
    slots.install(attached(1));
    let held = slots.enter().unwrap();
    // SAFETY: the child touches only this memory, and exits.
    let child = match unsafe { libc::fork() } {
        0 => {
            for n in 2..10 {
                slots.install(attached(n));
            }
            let right = word(&held) == 1 && word(&slots.enter().unwrap()) == 9;
            let two = mapped(&slots) == 2;
            drop(held);
            let one = mapped(&slots) == 1;
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(i32::from(!(right && two && one))) }
        }
        child => child,
    };
    let mut status = 0;
    // SAFETY: waits for the child made above.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0);
    assert_eq!(word(&held), 1);
}

#[test]
fn threads_of_one_process_use_different_lines() {
    let barrier = std::sync::Barrier::new(8);
    let alive = std::thread::scope(|scope| {
        let spawn = || {
            scope.spawn(|| {
                barrier.wait();
                let stripe = stripe_of_this_thread();
                assert!(stripe < STRIPES);
                stripe
            })
        };
        let threads: Vec<_> = (0..8).map(|_| spawn()).collect();
        let stripes = threads.into_iter().map(|thread| thread.join().unwrap());
        stripes.collect::<std::collections::BTreeSet<_>>().len()
    });
    assert!(alive >= 4, "8 threads share {alive} stripes");
}
