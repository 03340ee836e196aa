//! The steps of [`Slots`](super::Slots) in all orders.
//!
//! Every operation that readers and installers agree by is sequentially
//! consistent, so what can happen is what some order of single steps makes
//! happen. This goes through all of them, for readers that enter and leave and
//! installers that replace the region at the same time, and sees to it that no
//! reader is ever in a slot that is empty or being filled.
use std::collections::HashSet;

const SLOTS: usize = 3;
const LINES: usize = 2;

/// What the threads share.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Shared {
    /// The current slot; none to begin with is slot 0 here, which holds a region.
    current: usize,
    closed: [bool; SLOTS],
    /// Whether there is a mapping, whole.
    whole: [bool; SLOTS],
    readers: [[u8; SLOTS]; LINES],
}

/// Where a thread is. Each is one access of [`Shared`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum At {
    // A reader.
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
    CountLine(usize, usize, Then),
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

/// What comes after a step that several parts share.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Then {
    /// A reader that was in the right slot ends.
    End,
    /// One that was not tries again.
    Retry,
    /// An installer goes on to look for a slot, at this one.
    Seek(usize),
    /// It goes on to release others, at this one.
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

/// One step of a thread that reads by this line.
fn step(shared: &mut Shared, line: usize, at: At) -> At {
    match at {
        At::LoadCurrent => At::CountIn(shared.current),
        At::CountIn(slot) => {
            shared.readers[line][slot] += 1;
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
            shared.readers[line][slot] -= 1;
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
                At::CountLine(slot, 0, then)
            }
        }
        At::CountLine(slot, line, then) => {
            if line == LINES {
                At::Clear(slot, then)
            } else if shared.readers[line][slot] > 0 {
                At::OpenRead(slot, then)
            } else {
                At::CountLine(slot, line + 1, then)
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
        At::CountAgain(slot, line, then) => {
            if line == LINES {
                At::NotCurrent(slot, then)
            } else if shared.readers[line][slot] > 0 {
                then.at()
            } else {
                At::CountAgain(slot, line + 1, then)
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

/// Goes through all orders of the steps of these threads; returns how many
/// states there are.
fn explore(threads: &[At]) -> usize {
    let shared = Shared {
        current: 0,
        closed: [false; SLOTS],
        whole: [true, false, false],
        readers: [[0; SLOTS]; LINES],
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
            assert_eq!(whole, 1, "a mapping that nobody reads is left");
            assert_eq!(shared.closed, [false; SLOTS]);
        }
        for thread in 0..threads.len() {
            if threads[thread] == At::Done {
                continue;
            }
            let (mut shared, mut threads) = (shared.clone(), threads.clone());
            threads[thread] = step(&mut shared, thread % LINES, threads[thread]);
            left.push((shared, threads));
        }
    }
    known.len()
}

fn installer() -> At {
    Then::Seek(0).at()
}

#[test]
fn nothing_is_taken_away_under_a_reader() {
    let reader = At::LoadCurrent;
    let states = explore(&[reader, reader, installer()]);
    assert!(states > 1000, "{states}");
    explore(&[reader, installer(), installer()]);
}

#[test]
#[should_panic(expected = "a reader in a slot that is not whole")]
fn the_model_finds_what_goes_wrong() {
    // A thread that empties slots without looking who is in them.
    explore(&[At::LoadCurrent, installer(), At::Clear(0, Then::End)]);
}
