//! A model of [`RegionSlots`](super::RegionSlots), checked exhaustively.
//!
//! All operations by which readers and installers synchronize are sequentially
//! consistent, so every execution is some order of their single steps. This tries
//! all orders, for readers that enter and leave while installers replace the
//! region, and checks that no reader is ever in a slot that is empty or being
//! filled.
use std::collections::HashSet;

const SLOTS: usize = 3;
const STRIPES: usize = 2;

/// The state that the threads share.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Shared {
    /// The current slot. At first it is slot 0, which has a region.
    current: usize,
    closed: [bool; SLOTS],
    /// Whether the slot has a whole region.
    whole: [bool; SLOTS],
    readers: [[u8; SLOTS]; STRIPES],
}

/// The next step of a thread. Each accesses [`Shared`] once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum At {
    // The steps of a reader.
    LoadCurrent,
    CountIn(usize),
    LookAgain(usize),
    Read(usize),
    CountOut(usize, Then),
    IsItCurrent(usize, Then),
    // Emptying a slot.
    NotCurrent(usize, Then),
    Close(usize, Then),
    StillNotCurrent(usize, Then),
    CountStripe(usize, usize, Then),
    Clear(usize, Then),
    Open(usize, Then),
    OpenRead(usize, Then),
    CountAgain(usize, usize, Then),
    // An installer that has emptied a slot.
    Fill(usize),
    MakeCurrent(usize),
    OpenFilled(usize),
    Done,
}

/// What comes after the steps that readers and installers have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Then {
    /// A reader that was in the current slot is done.
    End,
    /// A reader that was in another tries again.
    Retry,
    /// An installer looks for a free slot, from this one on.
    Seek(usize),
    /// An installer releases the other slots, from this one on.
    Release(usize),
}

impl Then {
    fn at(self) -> At {
        match self {
            Then::End => At::Done,
            Then::Retry => At::LoadCurrent,
            Then::Seek(slot) if slot < SLOTS => At::NotCurrent(slot, Then::Seek(slot + 1)),
            Then::Release(slot) if slot < SLOTS => At::NotCurrent(slot, Then::Release(slot + 1)),
            Then::Seek(_) | Then::Release(_) => At::Done,
        }
    }
}

/// Takes one step of a thread that uses this stripe.
fn step(shared: &mut Shared, stripe: usize, at: At) -> At {
    match at {
        At::LoadCurrent => At::CountIn(shared.current),
        At::CountIn(slot) => {
            shared.readers[stripe][slot] += 1;
            At::LookAgain(slot)
        }
        At::LookAgain(slot) => {
            if shared.current == slot {
                At::Read(slot)
            } else {
                At::CountOut(slot, Then::Retry)
            }
        }
        At::Read(slot) => {
            assert!(shared.whole[slot], "a reader in a slot that is not whole");
            At::CountOut(slot, Then::End)
        }
        At::CountOut(slot, then) => {
            shared.readers[stripe][slot] -= 1;
            At::IsItCurrent(slot, then)
        }
        At::IsItCurrent(slot, then) => {
            if shared.current == slot {
                then.at()
            } else {
                At::NotCurrent(slot, then)
            }
        }
        At::NotCurrent(slot, then) => {
            if shared.current == slot {
                then.at()
            } else {
                At::Close(slot, then)
            }
        }
        At::Close(slot, then) => {
            if shared.closed[slot] {
                return then.at();
            }
            shared.closed[slot] = true;
            At::StillNotCurrent(slot, then)
        }
        At::StillNotCurrent(slot, then) => {
            if shared.current == slot {
                At::Open(slot, then)
            } else {
                At::CountStripe(slot, 0, then)
            }
        }
        At::CountStripe(slot, stripe, then) => {
            if stripe == STRIPES {
                At::Clear(slot, then)
            } else if shared.readers[stripe][slot] > 0 {
                At::OpenRead(slot, then)
            } else {
                At::CountStripe(slot, stripe + 1, then)
            }
        }
        At::Clear(slot, then) => {
            shared.whole[slot] = false;
            match then {
                Then::Seek(_) => At::Fill(slot),
                _ => At::Open(slot, then),
            }
        }
        At::Open(slot, then) => {
            shared.closed[slot] = false;
            then.at()
        }
        At::OpenRead(slot, then) => {
            shared.closed[slot] = false;
            At::CountAgain(slot, 0, then)
        }
        At::CountAgain(slot, stripe, then) => {
            if stripe == STRIPES {
                At::NotCurrent(slot, then)
            } else if shared.readers[stripe][slot] > 0 {
                then.at()
            } else {
                At::CountAgain(slot, stripe + 1, then)
            }
        }
        At::Fill(slot) => {
            assert!(!shared.whole[slot], "two fill one slot");
            shared.whole[slot] = true;
            At::MakeCurrent(slot)
        }
        At::MakeCurrent(slot) => {
            shared.current = slot;
            At::OpenFilled(slot)
        }
        At::OpenFilled(slot) => {
            shared.closed[slot] = false;
            Then::Release(0).at()
        }
        At::Done => At::Done,
    }
}

/// Tries all orders of the steps of these threads. Returns the number of states.
fn explore(threads: &[At]) -> usize {
    let shared = Shared {
        current: 0,
        closed: [false; SLOTS],
        whole: [true, false, false],
        readers: [[0; SLOTS]; STRIPES],
    };
    let mut known = HashSet::new();
    let mut left = vec![(shared, threads.to_vec())];
    while let Some((shared, threads)) = left.pop() {
        if !known.insert((shared.clone(), threads.clone())) {
            continue;
        }
        if threads.iter().all(|at| *at == At::Done) {
            assert!(shared.whole[shared.current]);
            let whole = shared.whole.iter().filter(|whole| **whole).count();
            assert_eq!(whole, 1, "a region without readers is left");
            assert_eq!(shared.closed, [false; SLOTS]);
        }
        for thread in 0..threads.len() {
            if threads[thread] == At::Done {
                continue;
            }
            let (mut shared, mut threads) = (shared.clone(), threads.clone());
            threads[thread] = step(&mut shared, thread % STRIPES, threads[thread]);
            left.push((shared, threads));
        }
    }
    known.len()
}

fn installer() -> At {
    Then::Seek(0).at()
}

#[test]
fn no_region_is_unmapped_while_it_is_read() {
    let reader = At::LoadCurrent;
    let states = explore(&[reader, reader, installer()]);
    assert!(states > 1000, "{states}");
    explore(&[reader, installer(), installer()]);
}

#[test]
#[should_panic(expected = "a reader in a slot that is not whole")]
fn the_model_finds_a_defect() {
    // A thread that empties a slot without checking for readers.
    explore(&[At::LoadCurrent, installer(), At::Clear(0, Then::End)]);
}
