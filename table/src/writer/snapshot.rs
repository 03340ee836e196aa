//! A snapshot of a region at one moment, to be written to a file.

use std::io::{self, Write};
use std::sync::Arc;

use zerocopy::IntoBytes;

use super::Region;
use crate::format::{Layout, LiveWord, Part, State, WORD};
use crate::memory::FIXED_WORDS;

/// How many words are written at once.
const CHUNK: usize = 1 << 13;

/// The contents of `last-good.table`. The indexes are copied, because they change.
/// Records don't, so they are read from the region when the file is written.
#[derive(Debug)]
pub struct Snapshot {
    region: Arc<Region>,
    layout: Layout,
    /// The live words and the indexes.
    copied: Vec<u64>,
}

impl Snapshot {
    /// Takes a snapshot of a region, of whose arena `end` words are in use.
    pub(super) fn new(region: &Arc<Region>, end: usize) -> Snapshot {
        let mut layout = region.layout;
        layout.arena = Part {
            start: layout.arena.start,
            len: end,
        };
        let words = region.memory.words();
        let header = layout.header();
        let begin = header.as_bytes().len() / WORD;
        let mut copied: Vec<u64> = (begin..layout.arena.start)
            .map(|at| words.relaxed(at).unwrap_or(0))
            .collect();
        let generation = words.relaxed(LiveWord::GENERATION.0).unwrap_or(0);
        for (word, value) in [
            (LiveWord::STATE, State::Serving as u64),
            (LiveWord::BEGUN, generation),
        ] {
            if let Some(place) = copied.get_mut(word.0 - begin) {
                *place = value;
            }
        }
        Snapshot {
            region: Arc::clone(region),
            layout,
            copied,
        }
    }

    /// The number of its last change.
    #[must_use]
    pub fn generation(&self) -> u64 {
        let begin = FIXED_WORDS - crate::format::LIVE_WORDS;
        let word = self.copied.get(LiveWord::GENERATION.0 - begin);
        word.copied().unwrap_or(0)
    }

    /// The size of the file in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        (self.layout.words() * WORD) as u64
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(self.layout.header().as_bytes())?;
        for chunk in self.copied.chunks(CHUNK) {
            write_words(to, chunk.iter().copied())?;
        }
        let words = self.region.memory.words();
        let arena = self.layout.arena;
        let mut at = arena.start;
        while at < arena.end() {
            let next = arena.end().min(at + CHUNK);
            write_words(to, (at..next).map(|at| words.relaxed(at).unwrap_or(0)))?;
            at = next;
        }
        Ok(())
    }
}

fn write_words(to: &mut impl Write, words: impl Iterator<Item = u64>) -> io::Result<()> {
    let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    to.write_all(&bytes)
}
