//! Writes an index, while others read it.

use super::Region;
use crate::format::{MAX_PROBES, MAX_SAME_TAG, Part, Slot, home_slot};

/// An index, and how full it is.
#[derive(Debug)]
pub(super) struct IndexWriter {
    pub(super) part: Part,
    /// The number of entries.
    pub(super) live: usize,
    /// The number of tombstones, which make probes as long as entries do.
    tombstones: usize,
}

/// There is no slot left in which a reader would find the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexFull;

impl IndexWriter {
    pub(super) fn new(part: Part) -> IndexWriter {
        IndexWriter {
            part,
            live: 0,
            tombstones: 0,
        }
    }

    /// Whether probes are getting long: more than three quarters of the slots are
    /// not empty.
    pub(super) fn is_crowded(&self) -> bool {
        (self.live + self.tombstones) * 4 > self.part.len * 3
    }

    /// Adds an entry for a key that has none.
    pub(super) fn insert(
        &mut self,
        region: &Region,
        hash: u64,
        reference: u32,
    ) -> Result<(), IndexFull> {
        // In a fuller index probes may get longer than a reader's.
        if (self.live + 1) * 10 > self.part.len * 9 {
            return Err(IndexFull);
        }
        let entry = Slot::new(hash, reference);
        let mut same_tag = 0;
        let mut position = home_slot(hash, self.part.len);
        for _ in 0..MAX_PROBES.min(self.part.len) {
            let slot = at(region, self.part, position);
            if slot.reference() == 0 {
                self.tombstones -= usize::from(slot == Slot::TOMBSTONE);
                self.live += 1;
                store(region, self.part, position, entry);
                return Ok(());
            }
            same_tag += usize::from(slot.tag() == entry.tag());
            if same_tag == MAX_SAME_TAG {
                return Err(IndexFull);
            }
            position = (position + 1) % self.part.len;
        }
        Err(IndexFull)
    }

    /// Removes an entry. If the next slot is empty, no probe has to go on past this
    /// one: it becomes empty too, and so do the tombstones before it. Otherwise it
    /// becomes a tombstone.
    pub(super) fn remove(&mut self, region: &Region, position: usize) {
        let len = self.part.len;
        self.live -= 1;
        if at(region, self.part, (position + 1) % len) != Slot::EMPTY {
            self.tombstones += 1;
            store(region, self.part, position, Slot::TOMBSTONE);
            return;
        }
        store(region, self.part, position, Slot::EMPTY);
        let mut before = (position + len - 1) % len;
        while at(region, self.part, before) == Slot::TOMBSTONE {
            store(region, self.part, before, Slot::EMPTY);
            self.tombstones -= 1;
            before = (before + len - 1) % len;
        }
    }
}

/// Makes an entry refer to another record.
pub(super) fn replace(region: &Region, part: Part, position: usize, hash: u64, reference: u32) {
    store(region, part, position, Slot::new(hash, reference));
}

fn at(region: &Region, part: Part, position: usize) -> Slot {
    let word = region.memory.words().relaxed(part.start + position);
    Slot(word.unwrap_or(0))
}

/// Stores a slot, by which readers find a record.
fn store(region: &Region, part: Part, position: usize, slot: Slot) {
    region.memory.store_release(part.start + position, slot.0);
}
