//! Which fields are there again as they were: what a read costs is then what has
//! changed, not what there is.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::fields::{FieldRef, Fields};

/// The fields of before, and which of them a new read has brought again.
pub(super) struct Again<'f> {
    before: &'f Fields,
    /// Their places, by their names.
    places: HashTable<u32>,
    /// Who writes to Redis may not choose which names collide.
    hasher: RandomState,
    same: Vec<bool>,
}

impl<'f> Again<'f> {
    /// None of them has come yet.
    pub(super) fn new(before: &'f Fields) -> Again<'f> {
        let hasher = RandomState::new();
        let name = |at: u32| before.name(at as usize).unwrap_or_default();
        let hash = |&at: &u32| hasher.hash_one(name(at).as_bytes());
        let mut places = HashTable::with_capacity(before.len());
        for at in 0..before.len() as u32 {
            places.insert_unique(hash(&at), at, hash);
        }
        Again {
            before,
            places,
            hasher,
            same: vec![false; before.len()],
        }
    }

    /// The fields of before.
    pub(super) fn before(&self) -> &'f Fields {
        self.before
    }

    /// Whether this pair is in use already, as it stands, so that there is
    /// nothing to check. Takes note that it came.
    ///
    /// A pair with attributes is looked at each time, since some are reported;
    /// and so is one that was lost, which is lost no more.
    pub(super) fn is_as_before(&mut self, raw: &[u8], value: &[u8]) -> bool {
        let is_it = |&at: &u32| self.before.name(at as usize).map(str::as_bytes) == Some(raw);
        let Some(&at) = self.places.find(self.hasher.hash_one(raw), is_it) else {
            return false;
        };
        let at = at as usize;
        let (Some(field), Some(same)) = (self.before.get(at), self.same.get_mut(at)) else {
            return false;
        };
        let as_before = field.value == value && !field.kept && !value.contains(&b'=');
        *same |= as_before;
        as_before
    }

    /// Those that came as they were, in order.
    pub(super) fn same(&self) -> impl Iterator<Item = FieldRef<'f>> {
        self.those(true)
    }

    /// All the others, in order: they are gone, or came otherwise.
    pub(super) fn others(&self) -> impl Iterator<Item = FieldRef<'f>> {
        self.those(false)
    }

    fn those(&self, wanted: bool) -> impl Iterator<Item = FieldRef<'f>> {
        let came = self.before.iter().zip(&self.same);
        came.filter_map(move |(field, &same)| (same == wanted).then_some(field))
    }
}
