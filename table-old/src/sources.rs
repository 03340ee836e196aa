//! Where each role came from: the fields of the Redis hashes, as the daemon
//! last accepted them. They let a daemon start where the last one stopped, and
//! an operator see what decided a name. No look-up touches them.
//!
//! ```text
//! record       u32      the role's record; 0 where the role has none
//! hash         u8       which hash, by its number, and KEPT
//! member len   u8       0: a plain field
//! value len    u32
//! role len, role        only where there is no record
//! member, value
//! ```

use crate::format::{bytes_at, text_at, u32_at};
use crate::view::View;

/// Set beside the number of the hash when Redis has lost the field.
const KEPT: u8 = 0x80;

/// Most hashes that one table can be made from. (Their numbers share a byte
/// with the mark of what is kept.)
pub const MAX_HASHES: usize = 128;

/// Most bytes of a hash's key.
pub const MAX_KEY: usize = 255;

/// Bytes of a source before its texts.
const FIXED_BYTES: usize = 10;

/// One field of a hash, with the value last accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'t> {
    /// The number of its hash in [`View::hashes`].
    pub hash: usize,
    /// The role, in normal form (`web`, `*.apps.internal`).
    pub role: &'t str,
    /// The member of the role (`i-0abc` of `web/i-0abc`).
    pub member: Option<&'t str>,
    /// The value, as it stands in Redis.
    pub value: &'t [u8],
    /// Redis lost it; this is what was there before, kept for safety.
    pub kept: bool,
}

impl<'t> View<'t> {
    /// The Redis hashes that were mirrored, the deciding one first.
    pub fn hashes(&self) -> impl Iterator<Item = &'t str> + 't {
        let (bytes, span) = (self.bytes, self.header().hashes);
        let mut at = span.start as usize;
        core::iter::from_fn(move || {
            if at >= span.end as usize {
                return None;
            }
            let [len] = bytes_at(bytes, at)?;
            let name = text_at(bytes, at + 1, usize::from(len))?;
            at += 1 + name.len();
            Some(name)
        })
    }

    /// The fields the table was made from, in the order of their roles.
    pub fn sources(&self) -> impl Iterator<Item = Source<'t>> + use<'t> {
        let view = *self;
        let span = self.header().sources;
        let mut at = span.start as usize;
        core::iter::from_fn(move || {
            if at >= span.end as usize {
                return None;
            }
            let (source, end) = view.source(at)?;
            at = end;
            Some(source)
        })
    }

    /// The source at an offset, and the offset after it.
    pub(crate) fn source(&self, at: usize) -> Option<(Source<'t>, usize)> {
        let record = u32_at(self.bytes, at)?;
        let [hash, member_len] = bytes_at(self.bytes, at + 4)?;
        let value_len = u32_at(self.bytes, at + 6)? as usize;
        let mut end = at + FIXED_BYTES;
        let role = if record == 0 {
            let [len] = bytes_at(self.bytes, end)?;
            end += 1;
            let role = text_at(self.bytes, end, usize::from(len))?;
            end += role.len();
            role
        } else {
            core::str::from_utf8(self.record(record)?.name).ok()?
        };
        let member = match text_at(self.bytes, end, usize::from(member_len))? {
            "" => None,
            member => Some(member),
        };
        end += usize::from(member_len);
        let value = self.bytes.get(end..end.checked_add(value_len)?)?;
        end += value_len;
        Some((
            Source {
                hash: usize::from(hash & !KEPT),
                role,
                member,
                value,
                kept: hash & KEPT != 0,
            },
            end,
        ))
    }
}

/// Appends a source; `record` is 0 where the role has none.
pub(crate) fn encode(sources: &mut Vec<u8>, record: u32, source: &Source<'_>) {
    let member = source.member.unwrap_or_default();
    sources.extend_from_slice(&record.to_le_bytes());
    let kept = if source.kept { KEPT } else { 0 };
    sources.push(source.hash as u8 | kept);
    sources.push(member.len() as u8);
    sources.extend_from_slice(&(source.value.len() as u32).to_le_bytes());
    if record == 0 {
        sources.push(source.role.len() as u8);
        sources.extend_from_slice(source.role.as_bytes());
    }
    sources.extend_from_slice(member.as_bytes());
    sources.extend_from_slice(source.value);
}
