//! What a read of one hash brought back, in as little memory as it can be.

use std::fmt;

/// Raw fields and values of one hash, in one piece of memory: a million pairs
/// of 24 and 11 bytes take 43 MB, where a `Vec<(Vec<u8>, Vec<u8>)>` takes 120.
///
/// A field is there once.
#[derive(Clone, Default)]
pub struct Pairs {
    bytes: Vec<u8>,
    /// Where each field and its value end.
    ends: Vec<(u32, u32)>,
}

/// The pairs do not fit: together they would pass 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the hash is larger than 4 GiB")
    }
}

impl std::error::Error for Full {}

impl Pairs {
    /// No pairs yet.
    #[must_use]
    pub const fn new() -> Pairs {
        Pairs {
            bytes: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// No pairs yet, with room for so many of so many bytes together.
    #[must_use]
    pub fn with_capacity(pairs: usize, bytes: usize) -> Pairs {
        Pairs {
            bytes: Vec::with_capacity(bytes),
            ends: Vec::with_capacity(pairs),
        }
    }

    /// Adds a pair. That a field is there once is up to the caller.
    ///
    /// # Errors
    /// [`Full`] when all bytes together would pass 4 GiB; nothing is added.
    pub fn push(&mut self, field: &[u8], value: &[u8]) -> Result<(), Full> {
        let field_end = self.bytes.len() + field.len();
        let value_end = field_end + value.len();
        let ends = u32::try_from(field_end)
            .ok()
            .zip(u32::try_from(value_end).ok());
        self.ends.push(ends.ok_or(Full)?);
        self.bytes.extend_from_slice(field);
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    /// How many pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no pair.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All bytes of the fields and values together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Gives back the memory that filling took and the pairs do not need.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// The pair at `index`, counted from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let start = match index.checked_sub(1) {
            Some(before) => self.ends.get(before)?.1 as usize,
            None => 0,
        };
        let &(field_end, value_end) = self.ends.get(index)?;
        let field = self.bytes.get(start..field_end as usize)?;
        let value = self.bytes.get(field_end as usize..value_end as usize)?;
        Some((field, value))
    }

    /// The pairs in the order they were added, fields first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + Clone {
        (0..self.len()).map(|index| self.get(index).unwrap_or_default())
    }

    /// Keeps each field once: where it was added more often, as added last.
    #[must_use]
    pub(crate) fn last_of_each(self) -> Pairs {
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        let field = |index: u32| self.get(index as usize).unwrap_or_default().0;
        order.sort_unstable_by(|&a, &b| field(a).cmp(field(b)).then(b.cmp(&a)));
        order.dedup_by(|a, b| field(*a) == field(*b));
        if order.len() == self.len() {
            return self;
        }
        let mut kept = Pairs::with_capacity(order.len(), self.bytes.len());
        for index in order {
            let (field, value) = self.get(index as usize).unwrap_or_default();
            // What fitted with its duplicates fits without them.
            let _ = kept.push(field, value);
        }
        kept
    }
}

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pairs({} pairs, {} bytes)", self.len(), self.bytes())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pairs_come_back_as_they_went_in() {
        let mut pairs = Pairs::new();
        let all: [(&[u8], &[u8]); 4] = [(b"a", b"1"), (b"", b""), (b"bb", b""), (b"\xff\0", b"22")];
        for (field, value) in all {
            pairs.push(field, value).unwrap();
        }
        assert!(pairs.iter().eq(all));
        assert_eq!(
            (pairs.len(), pairs.bytes(), pairs.is_empty()),
            (4, 8, false)
        );
        assert_eq!(pairs.get(4), None);
        let pairs = Pairs::new();
        assert!(pairs.is_empty() && pairs.iter().next().is_none());
    }

    #[test]
    fn of_a_field_read_twice_the_last_counts() {
        let mut pairs = Pairs::new();
        for (field, value) in [("a", "1"), ("b", "1"), ("a", "2"), ("c", "1"), ("a", "3")] {
            pairs.push(field.as_bytes(), value.as_bytes()).unwrap();
        }
        let pairs = pairs.last_of_each();
        let all: Vec<(&[u8], &[u8])> = pairs.iter().collect();
        assert_eq!(all, [(&b"a"[..], &b"3"[..]), (b"b", b"1"), (b"c", b"1")]);
    }

    #[test]
    fn a_million_pairs_stay_near_45_megabytes() {
        let mut pairs = Pairs::new();
        for n in 0..1_000_000u32 {
            pairs
                .push(format!("role-{n:019}").as_bytes(), b"10.1.22.133")
                .unwrap();
        }
        pairs.shrink();
        let held = pairs.bytes.capacity() + pairs.ends.capacity() * size_of::<(u32, u32)>();
        assert!(held <= 45_000_000, "{held}");
    }
}
