//! The words of a table that change: by them the daemon tells every process
//! how it is, without being asked.

use core::mem::offset_of;

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{HEADER_BYTES, WORD};

/// The word at which they begin.
pub(crate) const LIVE_AT: usize = HEADER_BYTES / WORD;

/// How many words they are: two cache lines.
pub(crate) const LIVE_WORDS: usize = size_of::<Live>() / WORD;

/// The words, in their order. The first line is what a lookup reads.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Live {
    /// A [`State`].
    pub(crate) state: U64,
    /// The daemon's clock when it last said that it is alive, in nanoseconds.
    pub(crate) heartbeat: U64,
    /// Bit `n` is set when a wildcard's suffix has `n` labels; 31 stands for
    /// all above. Spares a lookup the depths at which there is none.
    pub(crate) depths: U64,
    /// The number of the last change that is complete. Counts on from region
    /// to region, and over restarts of the daemon.
    pub(crate) generation: U64,
    /// The number of the change that was begun last.
    pub(crate) begun: U64,
    /// How often those who wait were woken up; its lower half is the futex.
    pub(crate) wakes: U64,
    /// Words of the arena in use.
    pub(crate) end: U64,
    reserved: U64,
    /// Roles that have an answer, wildcards included.
    pub(crate) names: U64,
    /// Different addresses that have names.
    pub(crate) addresses: U64,
    /// When the last change was complete, in nanoseconds since 1970.
    pub(crate) published: U64,
    padding: [U64; 5],
}

const _: () = assert!(size_of::<Live>() == 128);

/// One of the words of [`Live`]: where it stands in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) usize);

macro_rules! word {
    ($name:ident, $field:ident) => {
        #[doc = concat!("[`Live::", stringify!($field), "`].")]
        pub(crate) const $name: Word = Word(LIVE_AT + offset_of!(Live, $field) / WORD);
    };
}

impl Word {
    word!(STATE, state);
    word!(HEARTBEAT, heartbeat);
    word!(DEPTHS, depths);
    word!(GENERATION, generation);
    word!(BEGUN, begun);
    word!(WAKES, wakes);
    word!(END, end);
    word!(NAMES, names);
    word!(ADDRESSES, addresses);
    word!(PUBLISHED, published);
}

/// What a region says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The daemon writes to it.
    Serving = 1,
    /// The daemon writes to another one now, which it offers at the socket.
    Moved = 2,
    /// The daemon has exited, and said so.
    Retired = 3,
}

impl State {
    /// The state of that number; any other is one of a daemon that can't be
    /// believed, so it counts as gone.
    pub(crate) fn of(number: u64) -> State {
        match number {
            1 => State::Serving,
            2 => State::Moved,
            _ => State::Retired,
        }
    }
}
