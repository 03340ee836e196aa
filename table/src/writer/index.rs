//! An index as its writer knows it: how full it is, and how a slot is taken or
//! given up while others read.

use crate::format::{MAX_ALIKE, MAX_PROBES, Part, Slot, start};

use super::Region;

/// An index, and how many of its slots are in use.
#[derive(Debug)]
pub(super) struct Filled {
    pub(super) part: Part,
    /// Slots that refer to something.
    pub(super) live: usize,
    /// Slots that were given up, but on which a probe goes on.
    tombstones: usize,
}

/// There is no slot left where a reader would find the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexFull;

impl Filled {
    pub(super) fn new(part: Part) -> Filled {
        Filled {
            part,
            live: 0,
            tombstones: 0,
        }
    }

    /// Whether probes are getting long: more than three slots of four are not
    /// empty.
    pub(super) fn is_crowded(&self) -> bool {
        (self.live + self.tombstones) * 4 > self.part.len * 3
    }

    /// Adds an entry that is not there yet.
    pub(super) fn insert(
        &mut self,
        region: &Region,
        hash: u64,
        reference: u32,
    ) -> Result<(), IndexFull> {
        // Beyond this nothing is found within the probes.
        if (self.live + 1) * 10 > self.part.len * 9 {
            return Err(IndexFull);
        }
        let entry = Slot::new(hash, reference);
        let mut alike = 0;
        let mut position = start(hash, self.part.len);
        for _ in 0..MAX_PROBES.min(self.part.len) {
            let slot = at(region, self.part, position);
            if slot.reference() == 0 {
                self.tombstones -= usize::from(slot == Slot::TOMBSTONE);
                self.live += 1;
                store(region, self.part, position, entry);
                return Ok(());
            }
            alike += usize::from(slot.tag() == entry.tag());
            if alike == MAX_ALIKE {
                return Err(IndexFull);
            }
            position = (position + 1) % self.part.len;
        }
        Err(IndexFull)
    }

    /// Gives a slot up. Where no probe goes on past it, it becomes empty, and
    /// with it those before it that were given up.
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

/// Lets an entry refer to another record.
pub(super) fn replace(region: &Region, part: Part, position: usize, hash: u64, reference: u32) {
    store(region, part, position, Slot::new(hash, reference));
}

fn at(region: &Region, part: Part, position: usize) -> Slot {
    let word = region.memory.words().relaxed(part.start + position);
    Slot(word.unwrap_or(0))
}

/// The one store by which readers see a change.
fn store(region: &Region, part: Part, position: usize, slot: Slot) {
    region.memory.publish(part.start + position, slot.0);
}
