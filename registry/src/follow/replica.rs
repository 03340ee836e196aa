//! A copy of one hash.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use crate::pairs::Pairs;
use crate::record::{MAX_FIELD, MAX_VALUE};

/// The most fields of a hash that are stored; far more than a table can serve.
pub(super) const MOST_FIELDS: usize = 10_000_000;

/// The most bytes of a hash that are stored.
pub(super) const MOST_BYTES: usize = 2 * 1024 * 1024 * 1024;

/// A copy of one hash, raw and compact, so that a scan finds exactly what has changed. A million
/// pairs of 24 and 11 bytes take about 57 MB.
///
/// The records are stored one after the other in one buffer, and an index of their offsets finds a
/// field. A record that is replaced or removed remains as garbage until the next compaction.
///
/// Each record has the number of the pass (of a scan) that saw it last. What a scan did not see is
/// missing in Redis.
pub(super) struct Replica {
    records: Vec<u8>,
    /// The offset of each live record.
    index: HashTable<u32>,
    hasher: RandomState,
    /// Bytes of `records` that belong to no live record.
    garbage: usize,
    /// The current pass, or the last one.
    pass: u8,
    /// How many fields it has not seen.
    unseen: usize,
    /// Where the record after the one that was seen last begins. Redis has the fields of a hash in the
    /// same order each time, and so have the records, so this is mostly the next one.
    next: usize,
}

/// A record is the pass in which it was seen, the lengths of its field and its
/// value (4 bytes each), and then both.
const HEADER: usize = 9;

/// In place of a pass: the record is garbage.
const DEAD: u8 = 0;

/// In place of the length of a value: it is longer than any that can be used, and is not stored.
const TOO_LONG: u32 = u32::MAX;

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// More bytes than a value that can be used may have.
    TooLong,
}

impl<'a> Content<'a> {
    /// A value that was read.
    pub(super) fn of(value: &'a [u8]) -> Content<'a> {
        if value.len() > MAX_VALUE {
            Content::TooLong
        } else {
            Content::Bytes(value)
        }
    }

    /// The value, or one that is too long as well.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        match self {
            Content::Bytes(value) => value.to_vec(),
            Content::TooLong => vec![b' '; MAX_VALUE + 1],
        }
    }
}

/// The hash has more fields or bytes than are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hash has more than {MOST_FIELDS} fields or {MOST_BYTES} bytes")]
pub(super) struct ReplicaFull;

/// The start of a field that is too long to be used, one byte longer than allowed: enough to be
/// refused later, and to be recognised.
fn cut(field: &[u8]) -> &[u8] {
    field.get(..=MAX_FIELD).unwrap_or(field)
}

/// One record, taken apart.
struct StoredPair<'a> {
    pass: u8,
    field: &'a [u8],
    content: Content<'a>,
    /// All its bytes, the header among them.
    size: usize,
}

fn record(records: &[u8], at: usize) -> Option<StoredPair<'_>> {
    let (header, rest) = records.get(at..)?.split_at_checked(HEADER)?;
    let (&pass, lengths) = header.split_first()?;
    let (field, value) = lengths.split_at_checked(4)?;
    let field = u32::from_le_bytes(field.try_into().ok()?) as usize;
    let value = u32::from_le_bytes(value.try_into().ok()?);
    let (field, rest) = rest.split_at_checked(field)?;
    let content = if value == TOO_LONG {
        Content::TooLong
    } else {
        Content::Bytes(rest.get(..value as usize)?)
    };
    Some(StoredPair {
        pass,
        field,
        content,
        size: HEADER + field.len() + size_of_content(content),
    })
}

fn size_of_content(content: Content<'_>) -> usize {
    match content {
        Content::Bytes(bytes) => bytes.len(),
        Content::TooLong => 0,
    }
}

fn field_at(records: &[u8], at: u32) -> &[u8] {
    record(records, at as usize).map_or(&[], |record| record.field)
}

impl Default for Replica {
    fn default() -> Replica {
        Replica {
            records: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::new(),
            garbage: 0,
            pass: DEAD + 1,
            unseen: 0,
            next: 0,
        }
    }
}

impl Replica {
    /// A copy of these pairs.
    ///
    /// # Errors
    /// There are more than are stored of a hash; those that fit are in it.
    pub(super) fn from_pairs(pairs: &Pairs) -> (Replica, Result<(), ReplicaFull>) {
        // Allocated at once: growing would leave freed memory behind.
        let mut replica = Replica {
            records: Vec::with_capacity(pairs.bytes() + HEADER * pairs.len()),
            index: HashTable::with_capacity(pairs.len()),
            ..Replica::default()
        };
        for (field, value) in pairs.iter() {
            if let Err(full) = replica.set(field, Content::of(value)) {
                return (replica, Err(full));
            }
        }
        (replica, Ok(()))
    }

    /// How many fields there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is no field.
    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// All bytes of the fields and values, with their headers.
    pub(super) fn bytes(&self) -> usize {
        self.records.len() - self.garbage
    }

    /// The value of a field.
    pub(super) fn get(&self, field: &[u8]) -> Option<Content<'_>> {
        let at = self.find(cut(field))?;
        record(&self.records, at as usize).map(|record| record.content)
    }

    /// Begins a pass, in which no field has been seen.
    pub(super) fn begin_pass(&mut self) {
        self.unseen = self.len();
        if let Some(next) = self.pass.checked_add(1) {
            self.pass = next;
            return;
        }
        // All numbers are used: once in 254 passes the records are renumbered.
        let places: Vec<u32> = self.index.iter().copied().collect();
        for at in places {
            if let Some(mark) = self.records.get_mut(at as usize) {
                *mark = DEAD + 1;
            }
        }
        self.pass = DEAD + 2;
    }

    /// Records that this pass has seen a field, and returns its value.
    pub(super) fn see(&mut self, field: &[u8]) -> Option<Content<'_>> {
        let field = cut(field);
        let at = self.next_if(field).or_else(|| self.find(field))?;
        self.mark(at);
        let record = record(&self.records, at as usize)?;
        self.next = at as usize + record.size;
        Some(record.content)
    }

    /// Sets a field. This pass has then seen it.
    ///
    /// # Errors
    /// There is no room; nothing has changed.
    pub(super) fn set(&mut self, field: &[u8], content: Content<'_>) -> Result<(), ReplicaFull> {
        let field = cut(field);
        if let Some(at) = self.find(field) {
            return self.replace(at, field, content);
        }
        if self.len() >= MOST_FIELDS {
            return Err(ReplicaFull);
        }
        let at = self.append(field, content)?;
        let Replica {
            records,
            index,
            hasher,
            ..
        } = self;
        let hash = hasher.hash_one(field);
        index.insert_unique(hash, at, |&at| hasher.hash_one(field_at(records, at)));
        Ok(())
    }

    /// Removes a field. Returns whether it was there.
    pub(super) fn remove(&mut self, field: &[u8]) -> bool {
        let field = cut(field);
        let Replica {
            records,
            index,
            hasher,
            ..
        } = self;
        let hash = hasher.hash_one(field);
        let found = index.find_entry(hash, |&at| field_at(records, at) == field);
        let Ok(entry) = found else { return false };
        let (at, _) = entry.remove();
        self.discard(at);
        self.compact_if_worthwhile();
        true
    }

    /// All fields and their values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], Content<'_>)> {
        self.live().map(|record| (record.field, record.content))
    }

    /// The fields that this pass has not seen.
    pub(super) fn unseen(&self) -> impl Iterator<Item = &[u8]> {
        self.live()
            .filter(|record| record.pass != self.pass)
            .map(|record| record.field)
    }

    /// How many fields this pass has not seen.
    pub(super) fn count_unseen(&self) -> usize {
        self.unseen
    }

    /// Releases memory if much is unused.
    pub(super) fn shrink(&mut self) {
        self.compact_if_worthwhile();
        if self.records.capacity() > self.records.len() + self.records.len() / 4 {
            self.records.shrink_to_fit();
        }
    }

    /// The live records, in the order of their offsets.
    fn live(&self) -> impl Iterator<Item = StoredPair<'_>> {
        let mut at = 0;
        let all = std::iter::from_fn(move || {
            let record = record(&self.records, at)?;
            at += record.size;
            Some(record)
        });
        all.filter(|record| record.pass != DEAD)
    }

    /// The next record, if it is of this field.
    fn next_if(&self, field: &[u8]) -> Option<u32> {
        let record = record(&self.records, self.next)?;
        let is_of_field = record.pass != DEAD && record.field == field;
        is_of_field.then(|| u32::try_from(self.next).ok())?
    }

    fn find(&self, field: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(field);
        let found = self
            .index
            .find(hash, |&at| field_at(&self.records, at) == field);
        found.copied()
    }

    /// The pass has seen the record at `at`.
    fn mark(&mut self, at: u32) {
        if let Some(mark) = self.records.get_mut(at as usize) {
            self.unseen -= usize::from(*mark != self.pass);
            *mark = self.pass;
        }
    }

    /// Changes the value of the record at `at`, which is of this field.
    fn replace(&mut self, at: u32, field: &[u8], content: Content<'_>) -> Result<(), ReplicaFull> {
        let Some(old) = record(&self.records, at as usize) else {
            return Ok(());
        };
        if old.content != content {
            let fits = size_of_content(old.content) == size_of_content(content);
            if let (Content::Bytes(_), Content::Bytes(new), true) = (old.content, content, fits) {
                let start = at as usize + HEADER + field.len();
                if let Some(value) = self.records.get_mut(start..start + new.len()) {
                    value.copy_from_slice(new);
                }
            } else {
                let new = self.append(field, content)?;
                let Replica {
                    records,
                    index,
                    hasher,
                    ..
                } = self;
                let hash = hasher.hash_one(field);
                if let Some(place) = index.find_mut(hash, |&place| {
                    place == at && field_at(records, place) == field
                }) {
                    *place = new;
                }
                self.discard(at);
                self.compact_if_worthwhile();
                return Ok(());
            }
        }
        self.mark(at);
        Ok(())
    }

    /// Appends a record.
    fn append(&mut self, field: &[u8], content: Content<'_>) -> Result<u32, ReplicaFull> {
        let size = HEADER + field.len() + size_of_content(content);
        if self.bytes() + size > MOST_BYTES {
            return Err(ReplicaFull);
        }
        let at = u32::try_from(self.records.len()).map_err(|_| ReplicaFull)?;
        let (value, length) = match content {
            Content::Bytes(bytes) => (bytes, u32::try_from(bytes.len()).map_err(|_| ReplicaFull)?),
            Content::TooLong => (&[][..], TOO_LONG),
        };
        if self.records.capacity() - self.records.len() < size {
            // By an eighth: doubling would leave up to half of the memory unused.
            let more = (self.records.len() / 8).max(size).max(1024);
            self.records.reserve_exact(more);
        }
        self.records.push(self.pass);
        let field_length = u32::try_from(field.len()).map_err(|_| ReplicaFull)?;
        self.records.extend_from_slice(&field_length.to_le_bytes());
        self.records.extend_from_slice(&length.to_le_bytes());
        self.records.extend_from_slice(field);
        self.records.extend_from_slice(value);
        Ok(at)
    }

    /// Turns the record at `at` into garbage. The index no longer has it.
    fn discard(&mut self, at: u32) {
        self.mark(at);
        if let Some(mark) = self.records.get_mut(at as usize) {
            *mark = DEAD;
        }
        self.garbage += record(&self.records, at as usize).map_or(0, |record| record.size);
    }

    fn compact_if_worthwhile(&mut self) {
        if self.garbage > 4096 && self.garbage > self.records.len() / 4 {
            self.compact();
        }
    }

    /// Removes the garbage, and rebuilds the index.
    fn compact(&mut self) {
        let Replica {
            records,
            index,
            hasher,
            ..
        } = self;
        index.clear();
        let (mut from, mut to) = (0, 0);
        while let Some((pass, size)) =
            record(records, from).map(|record| (record.pass, record.size))
        {
            if pass != DEAD {
                records.copy_within(from..from + size, to);
                let place = u32::try_from(to).unwrap_or(u32::MAX);
                let hash = hasher.hash_one(field_at(records, place));
                index.insert_unique(hash, place, |&at| hasher.hash_one(field_at(records, at)));
                to += size;
            }
            from += size;
        }
        records.truncate(to);
        self.garbage = 0;
        self.next = 0;
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Replica({} fields)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn bytes(text: &str) -> Content<'_> {
        Content::Bytes(text.as_bytes())
    }

    #[test]
    fn a_field_has_the_value_it_was_given_last() {
        let mut replica = Replica::default();
        for (field, value) in [("a", "1"), ("b", "2"), ("a", "3"), ("b", "22"), ("c", "")] {
            replica.set(field.as_bytes(), bytes(value)).unwrap();
        }
        assert_eq!(replica.get(b"a"), Some(bytes("3")));
        assert_eq!(replica.get(b"b"), Some(bytes("22")));
        assert_eq!(replica.get(b"c"), Some(bytes("")));
        assert!(replica.remove(b"b") && !replica.remove(b"b"));
        assert_eq!((replica.len(), replica.get(b"b")), (2, None));
    }

    #[test]
    fn what_is_too_long_is_known_again_and_not_held() {
        let mut replica = Replica::default();
        let (name, value) = (vec![b'n'; MAX_FIELD + 100], vec![b'v'; MAX_VALUE + 1]);
        replica.set(&name, Content::of(&value)).unwrap();
        assert_eq!(replica.see(&name), Some(Content::TooLong));
        assert!(replica.records.len() < 1000);
        replica.set(&name, bytes("")).unwrap();
        assert_eq!(replica.get(&name), Some(bytes("")));
        replica.set(&name, Content::TooLong).unwrap();
        assert_eq!(replica.get(&name), Some(Content::TooLong));
        assert!(replica.remove(&name) && replica.is_empty());
    }

    #[test]
    fn a_million_names_take_at_most_60_bytes_each() {
        let mut replica = Replica::default();
        for n in 0..1_000_000u32 {
            let field = format!("role-{n:019}");
            replica.set(field.as_bytes(), bytes("10.1.22.133")).unwrap();
        }
        replica.shrink();
        let held = replica.records.capacity() + replica.index.allocation_size();
        assert!(held <= 60_000_000, "{held}");
        // Values of other lengths, over and over: the garbage does not pile up.
        for value in ["10.1.22.13", "10.1.22.131", "10.1.22.1"] {
            for n in 0..1_000_000u32 {
                let field = format!("role-{n:019}");
                replica.set(field.as_bytes(), bytes(value)).unwrap();
            }
        }
        let held = replica.records.capacity() + replica.index.allocation_size();
        assert!(held <= 85_000_000, "{held}");
    }

    #[test]
    fn a_value_that_looks_like_records_is_not_taken_for_one() {
        let mut image = vec![DEAD + 1];
        image.extend([1u32, 1].map(u32::to_le_bytes).concat());
        image.extend(b"bx");
        let mut replica = Replica::default();
        replica.set(b"b", bytes("1")).unwrap();
        let gap = vec![b'-'; 400 * image.len()];
        replica.set(b"p", Content::Bytes(&gap)).unwrap();
        replica.set(b"a", bytes("2")).unwrap();
        replica
            .set(b"c", Content::Bytes(&image.repeat(500)))
            .unwrap();
        assert_eq!(replica.see(b"a"), Some(bytes("2")));
        // The records move, and where the next one was are the images now.
        assert!(replica.remove(b"p"));
        assert_eq!(replica.garbage, 0);
        assert_eq!(replica.see(b"b"), Some(bytes("1")));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Set(u8, Vec<u8>),
        Remove(u8),
        See(u8),
        SeeAll,
        Pass,
        Shrink,
    }

    fn step() -> impl Strategy<Value = Step> {
        let value = prop::collection::vec(any::<u8>(), 0..300);
        prop_oneof![
            8 => (0..40u8, value).prop_map(|(field, value)| Step::Set(field, value)),
            3 => (0..40u8).prop_map(Step::Remove),
            3 => (0..40u8).prop_map(Step::See),
            2 => Just(Step::SeeAll),
            2 => Just(Step::Pass),
            1 => Just(Step::Shrink),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_map_that_knows_what_a_pass_has_seen(
            steps in prop::collection::vec(step(), 0..600),
        ) {
            let mut replica = Replica::default();
            let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
            let mut unseen: BTreeSet<Vec<u8>> = BTreeSet::new();
            let name = |field: u8| vec![field; usize::from(field) % 7];
            for step in steps {
                match step {
                    Step::Set(field, value) => {
                        replica.set(&name(field), Content::Bytes(&value)).unwrap();
                        unseen.remove(&name(field));
                        model.insert(name(field), value);
                    }
                    Step::Remove(field) => {
                        let was = model.remove(&name(field)).is_some();
                        unseen.remove(&name(field));
                        prop_assert_eq!(replica.remove(&name(field)), was);
                    }
                    Step::See(field) => {
                        unseen.remove(&name(field));
                        let seen = replica.see(&name(field));
                        let known = model.get(&name(field));
                        prop_assert_eq!(seen, known.map(|value| Content::Bytes(value)));
                    }
                    Step::SeeAll => {
                        unseen.clear();
                        let fields: Vec<Vec<u8>> =
                            replica.iter().map(|(field, _)| field.to_vec()).collect();
                        for field in fields {
                            let seen = replica.see(&field);
                            let known = model.get(&field);
                            prop_assert_eq!(seen, known.map(|value| Content::Bytes(value)));
                        }
                    }
                    Step::Pass => {
                        replica.begin_pass();
                        unseen = model.keys().cloned().collect();
                    }
                    Step::Shrink => replica.shrink(),
                }
                prop_assert_eq!(replica.len(), model.len());
            }
            prop_assert_eq!(replica.count_unseen(), unseen.len());
            let missing: BTreeSet<Vec<u8>> = replica.unseen().map(<[u8]>::to_vec).collect();
            prop_assert_eq!(missing, unseen);
            let all: BTreeMap<Vec<u8>, Vec<u8>> = replica
                .iter()
                .map(|(field, content)| match content {
                    Content::Bytes(value) => (field.to_vec(), value.to_vec()),
                    Content::TooLong => (field.to_vec(), b"too long".to_vec()),
                })
                .collect();
            prop_assert_eq!(all, model);
        }
    }

    #[test]
    fn passes_are_counted_beyond_what_a_record_can_hold() {
        let mut replica = Replica::default();
        for field in [b"a", b"b"] {
            replica.set(field, bytes("1")).unwrap();
        }
        for _ in 0..1000 {
            replica.begin_pass();
            assert_eq!(replica.unseen().count(), 2);
            replica.see(b"a");
            assert_eq!(replica.unseen().collect::<Vec<_>>(), [b"b"]);
        }
    }
}
