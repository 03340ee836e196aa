//! Raw fields and values of one hash, in little memory.

use std::fmt;
use std::sync::LazyLock;

use crate::record::MAX_VALUE;

/// Raw fields and values of one hash, in one piece of memory: a million pairs
/// of 24 and 11 bytes take 43 MB, where a `Vec<(Vec<u8>, Vec<u8>)>` takes 120.
///
/// Each field occurs once. A value that is too long to be used need not be read: it is represented by
/// another one that is too long.
#[derive(Clone, Default)]
pub struct Pairs {
    bytes: Vec<u8>,
    /// Where each field and its value end.
    ends: Vec<(u32, u32)>,
    /// The indexes of pairs with values that are too long, ascending.
    too_long: Vec<u32>,
}

/// Represents every value that is too long.
static TOO_LONG: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let text = b"(too long, and not read) ";
    text.iter().copied().cycle().take(MAX_VALUE + 1).collect()
});

/// The pairs do not fit: together they would exceed 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hash is larger than 4 GiB")]
pub struct PairsFull;

impl Pairs {
    /// No pairs yet.
    #[must_use]
    pub const fn new() -> Pairs {
        Pairs {
            bytes: Vec::new(),
            ends: Vec::new(),
            too_long: Vec::new(),
        }
    }

    /// No pairs yet, with capacity for this many pairs and bytes.
    #[must_use]
    pub fn with_capacity(pairs: usize, bytes: usize) -> Pairs {
        Pairs {
            bytes: Vec::with_capacity(bytes),
            ends: Vec::with_capacity(pairs),
            too_long: Vec::new(),
        }
    }

    /// Adds a pair. The caller sees to it that the field is new.
    ///
    /// # Errors
    /// [`PairsFull`] when all bytes together would pass 4 GiB; nothing is added.
    pub fn push(&mut self, field: &[u8], value: &[u8]) -> Result<(), PairsFull> {
        let field_end = self.bytes.len() + field.len();
        let value_end = field_end + value.len();
        let ends = u32::try_from(field_end)
            .ok()
            .zip(u32::try_from(value_end).ok());
        self.ends.push(ends.ok_or(PairsFull)?);
        self.bytes.extend_from_slice(field);
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    /// Adds a field whose value is longer than [`MAX_VALUE`] bytes, and was therefore not read. The
    /// caller sees to it that the field is new.
    ///
    /// # Errors
    /// As for [`push`](Self::push).
    pub fn push_too_long(&mut self, field: &[u8]) -> Result<(), PairsFull> {
        let index = u32::try_from(self.len()).map_err(|_| PairsFull)?;
        self.push(field, b"")?;
        self.too_long.push(index);
        Ok(())
    }

    fn is_too_long(&self, index: usize) -> bool {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        !self.too_long.is_empty() && self.too_long.binary_search(&index).is_ok()
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

    /// Releases unused memory.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.too_long.shrink_to_fit();
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
        if self.is_too_long(index) {
            return Some((field, &TOO_LONG));
        }
        let value = self.bytes.get(field_end as usize..value_end as usize)?;
        Some((field, value))
    }

    /// The pairs in the order they were added, fields first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + Clone {
        (0..self.len()).map(|index| self.get(index).unwrap_or_default())
    }
}

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pairs({} pairs, {} bytes)", self.len(), self.bytes())
    }
}

#[cfg(test)]
mod tests {
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
    fn a_value_that_was_not_read_is_one_that_is_too_long() {
        use crate::record::{Value, ValueError};
        let mut pairs = Pairs::new();
        pairs.push_too_long(b"a").unwrap();
        pairs.push_too_long(b"b").unwrap();
        pairs.push(b"c", b"10.0.0.1").unwrap();
        pairs.push(b"d", b"").unwrap();
        assert_eq!(pairs.bytes(), 12);
        let too_long = |value| Value::parse(value) == Err(ValueError::TooLong);
        let seen: Vec<(&[u8], bool)> = pairs.iter().map(|(f, v)| (f, too_long(v))).collect();
        let expected = [
            (&b"a"[..], true),
            (b"b", true),
            (b"c", false),
            (b"d", false),
        ];
        assert_eq!(seen, expected);
        assert_eq!(pairs.get(2), Some((&b"c"[..], &b"10.0.0.1"[..])));
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
