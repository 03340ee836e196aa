//! The live words: those of a table that change outside its indexes. The daemon
//! stores them; each lookup and each waiting process loads them.

use core::mem::offset_of;

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{HEADER_BYTES, WORD};

/// The number of the first one in the table.
pub(crate) const LIVE_AT: usize = HEADER_BYTES / WORD;

/// How many there are: two cache lines.
pub(crate) const LIVE_WORDS: usize = size_of::<Live>() / WORD;

/// The live words, in order. A lookup reads those of the first cache line.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Live {
    /// A [`State`].
    pub(crate) state: U64,
    /// The daemon's monotonic clock when it last stored this, in nanoseconds.
    pub(crate) heartbeat: U64,
    /// Bit `n` is set if there is a wildcard whose suffix has `n` labels, bit 31
    /// also for more. A lookup does not look for wildcards of other depths.
    pub(crate) depths: U64,
    /// The number of the last complete change. The next region, also that of a
    /// restarted daemon, continues the count.
    pub(crate) generation: U64,
    /// The number of the last change that was begun.
    pub(crate) begun: U64,
    /// How often waiting processes were woken. Its lower half is the futex.
    pub(crate) wakes: U64,
    /// Words of the arena that are in use.
    pub(crate) end: U64,
    reserved: U64,
    /// How many roles have an answer, wildcards included.
    pub(crate) names: U64,
    /// How many addresses have names.
    pub(crate) addresses: U64,
    /// When the last change was completed, in nanoseconds since 1970.
    pub(crate) published: U64,
    padding: [U64; 5],
}

const _: () = assert!(size_of::<Live>() == 128);

/// The number of a live word in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LiveWord(pub(crate) usize);

macro_rules! word {
    ($name:ident, $field:ident) => {
        #[doc = concat!("[`Live::", stringify!($field), "`].")]
        pub(crate) const $name: LiveWord = LiveWord(LIVE_AT + offset_of!(Live, $field) / WORD);
    };
}

impl LiveWord {
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

/// The state of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The daemon writes to this region.
    Serving = 1,
    /// The daemon writes to another region, which it offers at the socket.
    Moved = 2,
    /// The daemon has exited.
    Retired = 3,
}

impl State {
    /// The state that a number stands for. An unknown one is treated as
    /// [`State::Retired`].
    pub(crate) fn of(number: u64) -> State {
        match number {
            1 => State::Serving,
            2 => State::Moved,
            _ => State::Retired,
        }
    }
}
