//! The slots of an index: open addressing with linear probing, one word a slot.
//!
//! A slot is the upper half of the hash, its *tag*, and a reference to a record,
//! 32 bits each. Probing starts at a slot that the lower half of the hash gives.
//! A slot whose entry was removed becomes a *tombstone*, so that probing goes on
//! past it.

/// A lookup probes at most this many slots, so that no table can keep it busy.
/// The writer never needs more: it moves to a region with a larger index before.
pub(crate) const MAX_PROBES: usize = 512;

/// A lookup compares at most this many records with one tag. Two keys hardly ever
/// share one by chance; a hostile table could have hundreds, each a record with
/// thousands of addresses.
pub(crate) const MAX_SAME_TAG: usize = 8;

/// A slot of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(pub(crate) u64);

impl Slot {
    /// Never used: probing ends here.
    pub(crate) const EMPTY: Slot = Slot(0);
    /// Its entry was removed: probing goes on.
    pub(crate) const TOMBSTONE: Slot = Slot(0xffff_ffff_0000_0000);

    /// The slot of an entry.
    pub(crate) fn new(hash: u64, reference: u32) -> Slot {
        Slot(hash & 0xffff_ffff_0000_0000 | u64::from(reference))
    }

    /// The upper half of the hash.
    pub(crate) fn tag(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The reference to the record; 0 is none.
    pub(crate) fn reference(self) -> u32 {
        self.0 as u32
    }
}

/// The slot, of `len`, at which probing for a hash starts: its lower half,
/// scaled, which takes no division and allows any size of an index.
#[inline]
pub(crate) fn home_slot(hash: u64, len: usize) -> usize {
    (((hash & 0xffff_ffff) * len as u64) >> 32) as usize
}
