//! A record: one role's name, addresses and sources in one piece, or a list of
//! references to such.
//!
//! ```text
//! 0   checksum    u32   of all that follows; only a file's is looked at
//! 4   flags       u8    WILDCARD, ALIAS, CANONICAL, SOURCES, LIST, UNANSWERED
//! 5   name bytes  u8    without the "*." of a wildcard
//! 6   pick        u16   how many addresses to answer; 0 is all
//! 8   IPv4 count  u16   or references of a LIST
//! 10  IPv6 count  u16
//! 12  name, filled up to a multiple of 4
//!     the IPv4 addresses (or references), then the IPv6 addresses
//!     ALIAS or CANONICAL: u8 and that many bytes, the name pointed at;
//!     filled up to a multiple of 4
//!     SOURCES: u32 and that many bytes; filled up to a multiple of 8
//! ```
//!
//! What a lookup costs in a large table is the cache lines it has to wait for:
//! one for the slot, one or two for the record.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::WORD;

/// The name stands for all the names below it.
pub(crate) const WILDCARD: u8 = 1;
/// The addresses are those of the role named behind them.
pub(crate) const ALIAS: u8 = 2;
/// Its own addresses, but the name behind them is the canonical one.
pub(crate) const CANONICAL: u8 = 4;
/// Where it came from is told at the end. Otherwise it came from one field of
/// the first hash, a plain one, whose value is what the record says.
pub(crate) const SOURCES: u8 = 8;
/// No role, but references to roles.
pub(crate) const LIST: u8 = 16;
/// A role that has no answer, and is there for its sources alone.
pub(crate) const UNANSWERED: u8 = 32;

/// The first reference: 0 is none.
pub(crate) const FIRST_REFERENCE: u32 = 1;

/// Words that hold the head of a record, and the first bytes of its name.
pub(crate) const HEAD_WORDS: usize = 2;

/// Bytes of the head.
const HEAD: usize = size_of::<RecordHead>();

/// The head of a record.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RecordHead {
    checksum: U32,
    flags: u8,
    name_len: u8,
    pick: U16,
    v4: U16,
    v6: U16,
}

/// The shape of a record: how much there is of what. From it follows where
/// each part of it stands, in bytes from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) checksum: u32,
    pub(crate) flags: u8,
    name_len: u8,
    pub(crate) pick: u16,
    v4: u16,
    v6: u16,
}

impl Shape {
    /// The shape that the first two words of a record tell.
    #[inline]
    pub(crate) fn read(words: [u64; HEAD_WORDS]) -> Shape {
        let [first, second] = words;
        let mut bytes = [0; HEAD_WORDS * WORD];
        let (low, high) = bytes.split_at_mut(WORD);
        low.copy_from_slice(&first.to_le_bytes());
        high.copy_from_slice(&second.to_le_bytes());
        let head: RecordHead = zerocopy::transmute!(*bytes.first_chunk().unwrap_or(&[0; HEAD]));
        Shape {
            checksum: head.checksum.get(),
            flags: head.flags,
            name_len: head.name_len,
            pick: head.pick.get(),
            v4: head.v4.get(),
            v6: head.v6.get(),
        }
    }

    #[inline]
    pub(crate) fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Bytes of the name.
    #[inline]
    pub(crate) fn name_len(&self) -> usize {
        usize::from(self.name_len)
    }

    /// How many IPv4 addresses there are, or references.
    #[inline]
    pub(crate) fn v4(&self) -> usize {
        usize::from(self.v4)
    }

    /// How many IPv6 addresses there are.
    #[inline]
    pub(crate) fn v6(&self) -> usize {
        usize::from(self.v6)
    }

    /// Where the name stands.
    pub(crate) const NAME: usize = HEAD;

    /// Where the IPv4 addresses, or the references, stand.
    #[inline]
    pub(crate) fn v4_at(&self) -> usize {
        (HEAD + self.name_len()).next_multiple_of(4)
    }

    #[inline]
    pub(crate) fn v6_at(&self) -> usize {
        self.v4_at() + 4 * self.v4()
    }

    /// The byte after the addresses: where the name pointed at begins, with
    /// its length, if there is one.
    #[inline]
    pub(crate) fn target_at(&self) -> usize {
        self.v6_at() + 16 * self.v6()
    }

    /// Whether a name pointed at follows the addresses.
    #[inline]
    pub(crate) fn has_target(&self) -> bool {
        self.is(ALIAS | CANONICAL)
    }
}

/// What to write as a record. Counts and lengths have been checked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RecordFields<'a> {
    pub(crate) flags: u8,
    pub(crate) name: &'a str,
    pub(crate) pick: u16,
    pub(crate) v4: &'a [[u8; 4]],
    pub(crate) v6: &'a [[u8; 16]],
    /// With [`ALIAS`] or [`CANONICAL`].
    pub(crate) target: &'a str,
    /// With [`SOURCES`].
    pub(crate) sources: &'a [u8],
}

/// Writes a record over `bytes`, a whole number of words. Its checksum is not
/// set yet.
pub(crate) fn encode(bytes: &mut Vec<u8>, fields: &RecordFields<'_>) {
    let head = RecordHead {
        checksum: U32::ZERO,
        flags: fields.flags,
        name_len: fields.name.len() as u8,
        pick: U16::new(fields.pick),
        v4: U16::new(fields.v4.len() as u16),
        v6: U16::new(fields.v6.len() as u16),
    };
    bytes.clear();
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(fields.name.as_bytes());
    fill(bytes, 4);
    bytes.extend_from_slice(fields.v4.as_flattened());
    bytes.extend_from_slice(fields.v6.as_flattened());
    if fields.flags & (ALIAS | CANONICAL) != 0 {
        bytes.push(fields.target.len() as u8);
        bytes.extend_from_slice(fields.target.as_bytes());
        fill(bytes, 4);
    }
    if fields.flags & SOURCES != 0 {
        let len = U32::new(fields.sources.len() as u32);
        bytes.extend_from_slice(len.as_bytes());
        bytes.extend_from_slice(fields.sources);
    }
    fill(bytes, WORD);
}

/// Sets the checksum of an encoded record.
pub(crate) fn set_checksum(bytes: &mut [u8]) {
    if let Some((to, rest)) = bytes.split_first_chunk_mut::<4>() {
        *to = (xxhash_rust::xxh3::xxh3_64(rest) as u32).to_le_bytes();
    }
}

/// Words of an encoded record.
pub(crate) fn record_words(bytes: &[u8]) -> usize {
    bytes.len() / WORD
}

fn fill(bytes: &mut Vec<u8>, multiple: usize) {
    bytes.resize(bytes.len().next_multiple_of(multiple), 0);
}

/// The head of one source; its member, the name pointed at and its addresses
/// follow.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct SourceHead {
    /// The number of its hash.
    pub(crate) hash: u8,
    /// [`SourceHead::RETAINED`].
    pub(crate) flags: u8,
    pub(crate) member_len: u8,
    pub(crate) target_len: u8,
    pub(crate) pick: U16,
    pub(crate) v4: U16,
    pub(crate) v6: U16,
}

impl SourceHead {
    /// Redis has lost the field.
    pub(crate) const RETAINED: u8 = 1;
}

/// Appends a source.
pub(crate) fn encode_source(
    bytes: &mut Vec<u8>,
    head: SourceHead,
    member: &str,
    target: &str,
    v4: &[[u8; 4]],
    v6: &[[u8; 16]],
) {
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(member.as_bytes());
    bytes.extend_from_slice(target.as_bytes());
    bytes.extend_from_slice(v4.as_flattened());
    bytes.extend_from_slice(v6.as_flattened());
}
