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

/// Most offsets under hashes of one upper half. By chance there is hardly ever
/// a second; a hostile table could have a reader compare hundreds, each with
/// thousands of addresses.
const MAX_ALIKE: usize = 8;

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

    /// The offsets stored under a hash of the same upper half. The caller
    /// compares keys: two may share it.
    #[inline]
    pub(crate) fn probe(self, hash: u64) -> Probe<'t> {
        let (slots, _) = self.bytes.as_chunks();
        Probe {
            slots,
            at: start(hash, slots.len()),
            tag: (hash >> 32) as u32,
            left: MAX_PROBES.min(slots.len()),
            alike: MAX_ALIKE,
        }
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

/// A walk along an index, from where a hash begins to the first empty slot.
#[derive(Debug)]
pub(crate) struct Probe<'t> {
    slots: &'t [[u8; SLOT_BYTES]],
    at: usize,
    tag: u32,
    /// Slots still to be looked at.
    left: usize,
    /// Offsets still to be given.
    alike: usize,
}

impl Iterator for Probe<'_> {
    type Item = u32;

    // A plain loop: chained adapters took twice the instructions.
    #[inline]
    fn next(&mut self) -> Option<u32> {
        while self.left > 0 {
            let slot = u64::from_le_bytes(*self.slots.get(self.at)?);
            let (offset, tag) = (slot as u32, (slot >> 32) as u32);
            if offset == 0 {
                return None;
            }
            self.left -= 1;
            self.at += 1;
            if self.at == self.slots.len() {
                self.at = 0;
            }
            if tag == self.tag {
                self.alike = self.alike.checked_sub(1)?;
                return Some(offset);
            }
        }
        None
    }
}

/// The slot at which a hash begins, of `len`: the lower half scaled, which
/// needs no division and lets the index be of any size.
fn start(hash: u64, len: usize) -> usize {
    (((hash & 0xffff_ffff) * len as u64) >> 32) as usize
}

/// Writes an index over `bytes`, which are zero. False when an entry would not
/// be found within [`MAX_PROBES`] and [`MAX_ALIKE`].
pub(crate) fn fill(bytes: &mut [u8], entries: impl Iterator<Item = (u64, u32)>) -> bool {
    let (slots, _) = bytes.as_chunks_mut::<SLOT_BYTES>();
    for (hash, offset) in entries {
        let begin = start(hash, slots.len());
        let (before, from) = slots.split_at_mut(begin);
        let tag = (hash >> 32) as u32;
        let mut alike = 0;
        let free = from.iter_mut().chain(before).take(MAX_PROBES).find(|slot| {
            let free = slot.first_chunk() == Some(&[0u8; 4]);
            alike += usize::from(!free && slot.last_chunk() == Some(&tag.to_le_bytes()));
            free
        });
        let Some(slot) = free.filter(|_| alike < MAX_ALIKE) else {
            return false;
        };
        let entry = u64::from(offset) | u64::from(tag) << 32;
        *slot = entry.to_le_bytes();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(slots: usize, entries: &[(u64, u32)]) -> Option<Vec<u8>> {
        let mut bytes = vec![0; slots * SLOT_BYTES];
        fill(&mut bytes, entries.iter().copied()).then_some(bytes)
    }

    fn found(bytes: &[u8], hash: u64) -> Vec<u32> {
        let (start, end) = (0, bytes.len() as u32);
        Slots::new(bytes, Span { start, end }).probe(hash).collect()
    }

    #[test]
    fn an_index_goes_round_its_end() {
        // All begin at the last slot of four, and differ in their upper half.
        let hash = |n: u64| n << 32 | 0xffff_ffff;
        let entries: Vec<_> = (1..=4).map(|n| (hash(n.into()), n)).collect();
        let bytes = index(4, &entries).unwrap_or_default();
        for (hash, offset) in entries {
            assert_eq!(found(&bytes, hash), [offset]);
        }
        assert!(found(&bytes, hash(5)).is_empty());
        assert_eq!(
            Slots::new(&bytes, Span { start: 0, end: 32 })
                .used()
                .count(),
            4
        );
    }

    #[test]
    fn a_full_index_takes_no_more() {
        assert_eq!(index(1, &[(1 << 32, 1), (2 << 32, 2)]), None);
        assert_eq!(index(0, &[(1, 1)]), None);
        assert!(found(&[], 1).is_empty());
    }

    /// What the builder writes a reader finds, and no reader looks further.
    #[test]
    fn probes_are_bounded() {
        let far: Vec<_> = (1..=MAX_PROBES as u32 + 1)
            .map(|n| (u64::from(n) << 32, n))
            .collect();
        assert_eq!(index(2000, &far), None);
        let bytes = index(2000, &far[..MAX_PROBES]).unwrap_or_default();
        assert_eq!(found(&bytes, far[MAX_PROBES - 1].0), [MAX_PROBES as u32]);

        let alike: Vec<_> = (1..=MAX_ALIKE as u32 + 1).map(|n| (7 << 32, n)).collect();
        assert_eq!(index(2000, &alike), None);
        let bytes = index(2000, &alike[..MAX_ALIKE]).unwrap_or_default();
        assert_eq!(found(&bytes, 7 << 32).len(), MAX_ALIKE);
        let hostile = [1, 0, 0, 0, 7, 0, 0, 0].repeat(400);
        assert_eq!(found(&hostile, 7 << 32).len(), MAX_ALIKE);
    }
}
