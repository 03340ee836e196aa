//! How large a region has to be.

use std::io;

use super::{Role, RoleAnswer};
use crate::format::{MAX_TABLE, WORD, record_words};

/// How much a region must have room for: the sum of the roles that it begins with.
/// Room for changes is added to that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capacity {
    pub(super) names: usize,
    pub(super) addresses: usize,
    /// Words of all records.
    pub(super) words: usize,
    /// Words of the largest record.
    pub(super) largest: usize,
}

/// The sizes of a region's parts: slots of the indexes, words of the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartSizes {
    pub(super) forward: usize,
    pub(super) reverse: usize,
    pub(super) arena: usize,
}

/// The minimum of slots in an index.
const MIN_SLOTS: usize = 1 << 10;
/// The minimum of words for changes: half a megabyte.
const MIN_SPARE: usize = 1 << 16;
/// There is room for this many changes of the largest role.
const LARGEST_CHANGES: usize = 64;

impl Capacity {
    /// Adds a role.
    pub fn add(&mut self, role: &Role<'_>) {
        let mut record = Vec::new();
        role.encode(&mut record);
        let words = record_words(&record);
        self.names += 1;
        self.words += words;
        self.largest = self.largest.max(words);
        if let Some(RoleAnswer::Addresses { v4, v6, .. }) = role.answer {
            self.addresses += v4.len() + v6.len();
        }
    }

    /// The sizes of a region's parts, of which half of the slots, and nearly half of
    /// the arena, are left for changes.
    pub(super) fn part_sizes(&self, fixed: usize) -> io::Result<PartSizes> {
        let slots = |count: usize| (count * 2).max(MIN_SLOTS);
        let spare = (self.words * 17 / 20)
            .max(MIN_SPARE)
            .max(self.largest * LARGEST_CHANGES);
        let room = PartSizes {
            forward: slots(self.names),
            reverse: slots(self.addresses),
            arena: 1 + fixed + self.words + spare,
        };
        let words = (room.forward + room.reverse + room.arena) as u64;
        if words > MAX_TABLE / WORD as u64 - (1 << 16) {
            return Err(io::Error::other("the region would be larger than 4 GiB"));
        }
        Ok(room)
    }
}

impl<'a> FromIterator<Role<'a>> for Capacity {
    fn from_iter<I: IntoIterator<Item = Role<'a>>>(roles: I) -> Capacity {
        let mut capacity = Capacity::default();
        for role in roles {
            capacity.add(&role);
        }
        capacity
    }
}
