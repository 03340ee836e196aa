//! The id of an entry in a stream.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The id that Redis gives an entry: the time in milliseconds since 1970 by
/// the clock of Redis, and a sequence number within the millisecond. Ids of
/// one stream only ever grow.
///
/// Displays, reads and serialises as Redis writes it: `1700000000000-0`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct EntryId {
    /// Milliseconds since 1970.
    pub ms: u64,
    /// Which entry of that millisecond.
    pub seq: u64,
}

impl EntryId {
    /// The first id that may stand in a stream after this one; none after the
    /// very last id. (Redis 6.0 knows no exclusive ranges.)
    #[must_use]
    pub fn next(self) -> Option<EntryId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(EntryId { seq, ..self }),
            None => self.ms.checked_add(1).map(|ms| EntryId { ms, seq: 0 }),
        }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// This is not the id of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a stream entry, as in 1700000000000-0")]
pub struct EntryIdError;

impl FromStr for EntryId {
    type Err = EntryIdError;

    fn from_str(text: &str) -> Result<EntryId, EntryIdError> {
        // u64's own parser accepts a sign.
        let number = |digits: &str| {
            if digits.starts_with('+') {
                return Err(EntryIdError);
            }
            digits.parse().map_err(|_| EntryIdError)
        };
        let (ms, seq) = text.split_once('-').ok_or(EntryIdError)?;
        Ok(EntryId {
            ms: number(ms)?,
            seq: number(seq)?,
        })
    }
}

impl TryFrom<String> for EntryId {
    type Error = EntryIdError;

    fn try_from(text: String) -> Result<EntryId, EntryIdError> {
        text.parse()
    }
}

impl From<EntryId> for String {
    fn from(id: EntryId) -> String {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> EntryId {
        text.parse().unwrap()
    }

    #[test]
    fn an_id_reads_back_as_redis_writes_it() {
        let read = id("1700000000000-7");
        assert_eq!((read.ms, read.seq), (1_700_000_000_000, 7));
        assert_eq!(read.to_string(), "1700000000000-7");
        for bad in [
            "",
            "1",
            "1-",
            "-1",
            "+1-0",
            "1-+0",
            "1-2-3",
            "a-b",
            "18446744073709551616-0",
        ] {
            assert_eq!(bad.parse::<EntryId>(), Err(EntryIdError), "{bad}");
        }
    }

    #[test]
    fn ids_are_ordered_by_their_numbers_and_not_as_text() {
        assert!(id("9-0") < id("10-0") && id("10-9") < id("10-10"));
        assert_eq!(id("5-7").next(), Some(id("5-8")));
        assert_eq!(id(&format!("5-{}", u64::MAX)).next(), Some(id("6-0")));
        assert_eq!(id(&format!("{0}-{0}", u64::MAX)).next(), None);
    }
}
