//! Where the words of a table are read from: the shared region, or a file.

use crate::format::{HEADER_BYTES, LIVE_AT, LIVE_WORDS, WORD, Word};
use crate::last_good::LastGood;
use crate::shm::Words;

/// A table as a sequence of words. Whoever reads it trusts none of them: it
/// may be a region that something hostile writes to at this very moment.
pub(crate) trait Memory: Copy {
    /// The word at a place, when the table reaches so far.
    fn word(self, at: usize) -> Option<u64>;

    /// The same for a slot of an index: what its record refers to is seen
    /// whole by whoever sees the slot.
    #[inline]
    fn slot(self, at: usize) -> Option<u64> {
        self.word(at)
    }

    /// Whether a record of so many words is as it was written. Where nobody
    /// but the daemon writes there is nothing to check.
    #[inline]
    fn is_whole(self, _at: usize, _checksum: u32) -> bool {
        true
    }

    /// Notes that something is not as it was written, where that is damage.
    #[inline]
    fn is_damaged(self) {}

    /// One of the words that change.
    #[inline]
    fn live(self, word: Word) -> u64 {
        self.slot(word.0).unwrap_or(0)
    }

    /// 4 bytes at a multiple of 4.
    #[inline]
    fn four(self, at: usize) -> Option<[u8; 4]> {
        let word = self.word(at / WORD)?;
        let half = if at.is_multiple_of(WORD) {
            word
        } else {
            word >> 32
        };
        Some((half as u32).to_le_bytes())
    }

    /// Whether these 4 bytes are among so many fours at a multiple of 4.
    fn has_four(self, at: usize, count: usize, sought: [u8; 4]) -> bool {
        let (mut at, mut left) = (at, count);
        let sought = u32::from_le_bytes(sought);
        while left > 0 {
            let Some(word) = self.word(at / WORD) else {
                return false;
            };
            // Two of them stand in a word; the first half of the first one, and
            // the second half of the last, may be something else.
            let low = at.is_multiple_of(WORD);
            let high = !low || left > 1;
            if low && word as u32 == sought || high && (word >> 32) as u32 == sought {
                return true;
            }
            let here = usize::from(low) + usize::from(high);
            at += 4 * here;
            left -= here;
        }
        false
    }

    /// Copies bytes from anywhere.
    fn copy(self, at: usize, to: &mut [u8]) -> Option<()> {
        let mut at = at;
        let mut rest = to;
        while !rest.is_empty() {
            let bytes = self.word(at / WORD)?.to_le_bytes();
            let from = bytes.get(at % WORD..).unwrap_or_default();
            let len = from.len().min(rest.len());
            let (here, after) = rest.split_at_mut(len);
            here.copy_from_slice(from.get(..len)?);
            at += len;
            rest = after;
        }
        Some(())
    }

    /// Whether these bytes stand at a multiple of 4.
    #[inline]
    fn holds(self, at: usize, bytes: &[u8]) -> bool {
        let mut at = at;
        let mut rest = bytes;
        if !at.is_multiple_of(WORD)
            && let Some((first, after)) = rest.split_first_chunk::<4>()
        {
            if self.four(at) != Some(*first) {
                return false;
            }
            at += 4;
            rest = after;
        }
        while let Some((first, after)) = rest.split_first_chunk::<WORD>() {
            if self.word(at / WORD) != Some(u64::from_le_bytes(*first)) {
                return false;
            }
            at += WORD;
            rest = after;
        }
        if let Some((first, after)) = rest.split_first_chunk::<4>() {
            if self.four(at) != Some(*first) {
                return false;
            }
            at += 4;
            rest = after;
        }
        if rest.is_empty() {
            return true;
        }
        let Some(last) = self.four(at) else {
            return false;
        };
        last.get(..rest.len()) == Some(rest)
    }
}

impl Memory for Words<'_> {
    #[inline]
    fn word(self, at: usize) -> Option<u64> {
        self.relaxed(at)
    }

    #[inline]
    fn slot(self, at: usize) -> Option<u64> {
        self.acquire(at)
    }
}

impl Memory for &LastGood {
    fn word(self, at: usize) -> Option<u64> {
        LastGood::word(self, at)
    }

    fn is_whole(self, at: usize, checksum: u32) -> bool {
        LastGood::is_whole(self, at, checksum)
    }

    fn is_damaged(self) {
        self.fail();
    }
}

/// Either of them, where it makes no difference which.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'t> {
    /// The region, or a table in memory.
    Region(Words<'t>),
    /// The file.
    File(&'t LastGood),
}

impl Memory for Source<'_> {
    #[inline]
    fn word(self, at: usize) -> Option<u64> {
        match self {
            Source::Region(words) => words.relaxed(at),
            Source::File(file) => LastGood::word(file, at),
        }
    }

    #[inline]
    fn slot(self, at: usize) -> Option<u64> {
        match self {
            Source::Region(words) => words.acquire(at),
            Source::File(file) => LastGood::word(file, at),
        }
    }

    #[inline]
    fn is_whole(self, at: usize, checksum: u32) -> bool {
        match self {
            Source::Region(_) => true,
            Source::File(file) => LastGood::is_whole(file, at, checksum),
        }
    }

    #[inline]
    fn is_damaged(self) {
        if let Source::File(file) = self {
            file.fail();
        }
    }
}

/// The bytes of a table's header.
pub(crate) fn header(memory: impl Memory) -> Option<[u8; HEADER_BYTES]> {
    let mut bytes = [0; HEADER_BYTES];
    memory.copy(0, &mut bytes)?;
    Some(bytes)
}

/// The first word of what follows header and live words.
pub(crate) const FIXED_WORDS: usize = LIVE_AT + LIVE_WORDS;
