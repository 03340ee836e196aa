//! The indexes: open addressing with linear probing, one word a slot.
//!
//! A slot is the upper half of the hash and a reference to a record, 32 bits
//! each. The lower half of the hash says where to begin. A slot that was given
//! up keeps a mark, a *tombstone*, so that who probes goes on past it.

/// Most slots that are looked at. The writer keeps to it by asking for a
/// larger index; the reader relies on it, so that no table can make it go on
/// and on.
pub(crate) const MAX_PROBES: usize = 512;

/// Most references under hashes of one upper half. By chance there is hardly
/// ever a second; a hostile table could have a reader compare hundreds, each
/// with thousands of addresses.
pub(crate) const MAX_ALIKE: usize = 8;

/// One slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(pub(crate) u64);

impl Slot {
    /// Never used: a probe ends here.
    pub(crate) const EMPTY: Slot = Slot(0);
    /// Given up: a probe goes on.
    pub(crate) const TOMBSTONE: Slot = Slot(0xffff_ffff_0000_0000);

    /// The slot of an entry.
    pub(crate) fn new(hash: u64, reference: u32) -> Slot {
        Slot(hash & 0xffff_ffff_0000_0000 | u64::from(reference))
    }

    /// The upper half of the hash.
    pub(crate) fn tag(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The record it refers to; 0 for none.
    pub(crate) fn reference(self) -> u32 {
        self.0 as u32
    }
}

/// The slot at which a hash begins, of `len`: the lower half scaled, which
/// needs no division and lets the index be of any size.
#[inline]
pub(crate) fn start(hash: u64, len: usize) -> usize {
    (((hash & 0xffff_ffff) * len as u64) >> 32) as usize
}
