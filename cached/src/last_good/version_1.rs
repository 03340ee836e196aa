//! The table of releases before the region, format 1, as far as a daemon needs it
//! that is upgraded while Redis is away: the fields that it was made from.
//!
//! ```text
//! 0    magic, version u32
//! 16   bytes of the whole, u64
//! 24   checksum of what follows, u64
//! 32   generation, u64
//! 80   the names of the hashes: start and end, u32 each
//! 104  the fields: start and end
//! ```

use std::ops::Range;

use cloudhosts_table::format::MAGIC;

/// Set beside the number of the hash when Redis has lost the field.
const RETAINED: u8 = 0x80;

/// A table of format 1.
#[derive(Debug)]
pub(crate) struct Table {
    bytes: Vec<u8>,
}

/// One field, with the value last accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version1Field<'t> {
    /// The number of its hash.
    pub(crate) hash: usize,
    /// The role, in normal form.
    pub(crate) role: &'t str,
    /// Its member; empty for the plain field.
    pub(crate) member: &'t str,
    /// The value, as it stands in Redis.
    pub(crate) value: &'t [u8],
    /// Redis has lost it.
    pub(crate) retained: bool,
}

impl Table {
    /// Takes the bytes of a file, if it is such a table, and whole.
    #[must_use]
    pub(crate) fn open(bytes: Vec<u8>) -> Option<Table> {
        let table = Table { bytes };
        let right = table.bytes.starts_with(&MAGIC)
            && table.number(8)? == 1
            && table.long(16)? == table.bytes.len() as u64
            && table.long(24)? == xxhash_rust::xxh3::xxh3_64(table.bytes.get(32..)?);
        right.then_some(table)
    }

    /// The number of its last change.
    #[must_use]
    pub(crate) fn generation(&self) -> u64 {
        self.long(32).unwrap_or_default()
    }

    /// The hashes it was made from.
    #[must_use]
    pub(crate) fn hashes(&self) -> Vec<&str> {
        let mut hashes = Vec::new();
        let mut part = self.part(80).unwrap_or_default();
        while !part.is_empty()
            && let Some(&len) = self.bytes.get(part.start)
            && let Some(name) = self.text(part.start + 1, len.into())
        {
            hashes.push(name);
            part.start += 1 + name.len();
        }
        hashes
    }

    /// The fields it was made from.
    pub(crate) fn sources(&self) -> impl Iterator<Item = Version1Field<'_>> {
        let mut part = self.part(104).unwrap_or_default();
        std::iter::from_fn(move || {
            if part.is_empty() {
                return None;
            }
            let (source, end) = self.source(part.start)?;
            part.start = end;
            Some(source)
        })
    }

    /// The field at an offset, and the offset after it.
    fn source(&self, at: usize) -> Option<(Version1Field<'_>, usize)> {
        let record = self.number(at)? as usize;
        let (&hash, &member) = (self.bytes.get(at + 4)?, self.bytes.get(at + 5)?);
        let value = self.number(at + 6)? as usize;
        let mut end = at + 10;
        let mut next = |len: usize| {
            let start = end;
            end += len;
            start
        };
        // The name stands in the role's record, or, where there is none, here.
        let role = if record == 0 {
            let len = usize::from(*self.bytes.get(next(1))?);
            self.text(next(len), len)?
        } else {
            let len = usize::from(*self.bytes.get(record + 1)?);
            self.text(record + 8, len)?
        };
        let member = self.text(next(member.into()), member.into())?;
        let at = next(value);
        let source = Version1Field {
            hash: usize::from(hash & !RETAINED),
            role,
            member,
            value: self.bytes.get(at..at + value)?,
            retained: hash & RETAINED != 0,
        };
        Some((source, end))
    }

    fn part(&self, at: usize) -> Option<Range<usize>> {
        let (start, end) = (self.number(at)? as usize, self.number(at + 4)? as usize);
        self.bytes.get(start..end).map(|_| start..end)
    }

    fn text(&self, at: usize, len: usize) -> Option<&str> {
        std::str::from_utf8(self.bytes.get(at..at.checked_add(len)?)?).ok()
    }

    fn number(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    }

    fn long(&self, at: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by the release before.
    const FILE: &[u8] = include_bytes!("version_1.table");

    #[test]
    fn the_fields_come_as_they_were_written() {
        let table = Table::open(FILE.to_vec()).unwrap();
        assert_eq!(table.generation(), 41);
        assert_eq!(table.hashes(), ["cloudhosts", "base"]);
        let shown = table.sources().map(|source| {
            let Version1Field {
                hash,
                role,
                member,
                value,
                retained,
            } = source;
            let retained = if retained { " retained" } else { "" };
            format!(
                "{hash} {role}/{member} = {}{retained}",
                value.escape_ascii()
            )
        });
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                "0 *.apps.internal/ = 10.0.0.9",
                "0 lost/ = nobody",
                "0 web/ =  10.0.0.1 pick=1",
                "0 web/b = 10.0.0.2 retained",
                "1 web/ = 192.0.2.1",
                "0 www/ = web",
            ]
        );
    }

    #[test]
    fn what_is_damaged_or_cut_is_none() {
        // Four bytes are in no checksum, and of no use here.
        for at in (0..12).chain(16..FILE.len()) {
            let mut damaged = FILE.to_vec();
            damaged[at] ^= 1;
            assert!(Table::open(damaged).is_none(), "{at}");
            assert!(Table::open(FILE[..at].to_vec()).is_none());
        }
    }
}
