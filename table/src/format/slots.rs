//! The hash indexes: open addressing with linear probing.
//!
//! A slot is the upper half of the hash and an offset, 32 bits each; an offset
//! of 0, where the header stands, marks an empty one. The lower half of the
//! hash says where to begin.

use super::{Span, u32_at};

/// Bytes of a slot.
pub(crate) const SLOT_BYTES: usize = 8;

/// Most slots that are looked at. The builder keeps to it by making the index
/// larger; the reader relies on it, so that no table can make it go on and on.
pub(crate) const MAX_PROBES: usize = 512;

/// One index of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slots<'t> {
    bytes: &'t [u8],
}

impl<'t> Slots<'t> {
    /// The index that `span` of the table holds.
    pub(crate) fn new(table: &'t [u8], span: Span) -> Slots<'t> {
        Slots {
            bytes: table.get(span.range()).unwrap_or_default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() / SLOT_BYTES
    }

    /// The offsets stored under a hash of the same upper half. The caller
    /// compares keys: two may share it.
    pub(crate) fn probe(self, hash: u64) -> impl Iterator<Item = u32> + 't {
        let len = self.len();
        let mut at = start(hash, len);
        (0..MAX_PROBES.min(len))
            .map_while(move |_| {
                let slot = at * SLOT_BYTES;
                at = if at + 1 == len { 0 } else { at + 1 };
                let offset = u32_at(self.bytes, slot)?;
                (offset != 0).then_some((offset, u32_at(self.bytes, slot + 4)?))
            })
            .filter(move |&(_, tag)| tag == (hash >> 32) as u32)
            .map(|(offset, _)| offset)
    }

    /// The offsets in all the slots in use.
    pub(crate) fn used(self) -> impl Iterator<Item = u32> + 't {
        let (slots, _) = self.bytes.as_chunks::<SLOT_BYTES>();
        slots
            .iter()
            .filter_map(|slot| u32_at(slot, 0))
            .filter(|&offset| offset != 0)
    }
}

/// The slot at which a hash begins, of `len`: the lower half scaled, which
/// needs no division and lets the index be of any size.
fn start(hash: u64, len: usize) -> usize {
    (((hash & 0xffff_ffff) * len as u64) >> 32) as usize
}

/// Writes an index of `len` slots over `bytes`, which are zero. False when an
/// entry would need more than [`MAX_PROBES`].
pub(crate) fn fill(bytes: &mut [u8], entries: impl Iterator<Item = (u64, u32)>) -> bool {
    let (slots, _) = bytes.as_chunks_mut::<SLOT_BYTES>();
    for (hash, offset) in entries {
        let begin = start(hash, slots.len());
        let (before, from) = slots.split_at_mut(begin);
        let free = from
            .iter_mut()
            .chain(before)
            .take(MAX_PROBES)
            .find(|slot| slot.first_chunk() == Some(&[0u8; 4]));
        let Some(slot) = free else { return false };
        let entry = u64::from(offset) | (hash >> 32) << 32;
        *slot = entry.to_le_bytes();
    }
    true
}
