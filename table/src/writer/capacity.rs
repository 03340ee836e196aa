//! How large a region has to be.

use std::io;

use crate::format::{MAX_TABLE, WORD, record_words};

use super::{Role, RoleAnswer};

/// What is to have room in a region. Made up of all the roles that it begins
/// with; it is then made larger, for changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capacity {
    pub(super) names: usize,
    pub(super) addresses: usize,
    /// Of all records.
    pub(super) words: usize,
    /// Of the largest record.
    pub(super) largest: usize,
}

/// The sizes of a region's parts: slots, and words of arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) forward: usize,
    pub(super) reverse: usize,
    pub(super) arena: usize,
}

/// Least slots of an index.
const LEAST_SLOTS: usize = 1 << 10;
/// Least words that are left for changes: half a megabyte.
const LEAST_SPARE: usize = 1 << 16;
/// So many times may the largest role change before there is no room left.
const LARGEST: usize = 64;

impl Capacity {
    /// Counts a role in.
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

    /// The sizes of a region for this, with as much again for changes: half of
    /// the slots are empty, and nearly half of the arena.
    pub(super) fn room(&self, fixed: usize) -> io::Result<Room> {
        let slots = |count: usize| (count * 2).max(LEAST_SLOTS);
        let spare = (self.words * 17 / 20)
            .max(LEAST_SPARE)
            .max(self.largest * LARGEST);
        let room = Room {
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
