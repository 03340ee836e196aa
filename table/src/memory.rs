//! Where the words of a table are read from: a region, or the file.

use crate::format::{HEADER_BYTES, LIVE_AT, LIVE_WORDS, LiveWord, WORD};
use crate::last_good::LastGoodFile;
use crate::shm::Words;

/// A table as a sequence of words. A reader trusts none of them, because
/// something hostile may be writing to the region.
pub(crate) trait Memory: Copy {
    /// The word of that number; none beyond the end of the table.
    fn word(self, at: usize) -> Option<u64>;

    /// The same for a slot of an index: whoever loads it sees the whole record
    /// that it refers to.
    #[inline]
    fn slot(self, at: usize) -> Option<u64> {
        self.word(at)
    }

    /// Whether the record at a word has this checksum. Only a file is checked:
    /// nobody but the daemon writes to a region.
    #[inline]
    fn is_whole(self, _at: usize, _checksum: u32) -> bool {
        true
    }

    /// Notes that a file is damaged.
    #[inline]
    fn note_damage(self) {}

    /// A live word.
    #[inline]
    fn live(self, word: LiveWord) -> u64 {
        self.slot(word.0).unwrap_or(0)
    }

    /// The 4 bytes at an offset that is a multiple of 4.
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

    /// Whether the array of `count` times 4 bytes at an offset that is a multiple
    /// of 4 contains these 4 bytes.
    fn has_four(self, at: usize, count: usize, sought: [u8; 4]) -> bool {
        let (mut at, mut left) = (at, count);
        let sought = u32::from_le_bytes(sought);
        while left > 0 {
            let Some(word) = self.word(at / WORD) else {
                return false;
            };
            // A word has two elements. The lower half of the first word, and the
            // upper half of the last, may be something else.
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

    /// Copies bytes from any offset.
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

    /// Whether these bytes are at an offset that is a multiple of 4.
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

impl Memory for &LastGoodFile {
    fn word(self, at: usize) -> Option<u64> {
        LastGoodFile::word(self, at)
    }

    fn is_whole(self, at: usize, checksum: u32) -> bool {
        LastGoodFile::is_whole(self, at, checksum)
    }

    fn note_damage(self) {
        self.fail();
    }
}

/// A region or the file, chosen at run time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Backing<'t> {
    /// A region, or another table in memory.
    Region(Words<'t>),
    /// The file.
    File(&'t LastGoodFile),
}

impl Memory for Backing<'_> {
    #[inline]
    fn word(self, at: usize) -> Option<u64> {
        match self {
            Backing::Region(words) => words.relaxed(at),
            Backing::File(file) => LastGoodFile::word(file, at),
        }
    }

    #[inline]
    fn slot(self, at: usize) -> Option<u64> {
        match self {
            Backing::Region(words) => words.acquire(at),
            Backing::File(file) => LastGoodFile::word(file, at),
        }
    }

    #[inline]
    fn is_whole(self, at: usize, checksum: u32) -> bool {
        match self {
            Backing::Region(_) => true,
            Backing::File(file) => LastGoodFile::is_whole(file, at, checksum),
        }
    }

    #[inline]
    fn note_damage(self) {
        if let Backing::File(file) = self {
            file.fail();
        }
    }
}

/// Copies the header of a table.
pub(crate) fn header(memory: impl Memory) -> Option<[u8; HEADER_BYTES]> {
    let mut bytes = [0; HEADER_BYTES];
    memory.copy(0, &mut bytes)?;
    Some(bytes)
}

/// Words of the header and the live words, which the indexes follow.
pub(crate) const FIXED_WORDS: usize = LIVE_AT + LIVE_WORDS;
