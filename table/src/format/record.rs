//! A record: the name, addresses and sources of one role, or a list of references
//! to such records.
//!
//! ```text
//! 0   checksum    u32   of all that follows; only checked in a file
//! 4   flags       u8    WILDCARD, ALIAS, CANONICAL, SOURCES, LIST, UNANSWERED
//! 5   name bytes  u8    without the "*." of a wildcard
//! 6   pick        u16   how many addresses to answer; 0 is all
//! 8   IPv4 count  u16   or references of a LIST
//! 10  IPv6 count  u16
//! 12  name, padded to a multiple of 4
//!     the IPv4 addresses (or references), then the IPv6 addresses
//!     ALIAS or CANONICAL: u8 and that many bytes, the target's name;
//!     padded to a multiple of 4
//!     SOURCES: u32 and that many bytes; padded to a multiple of 8
//! ```
//!
//! In a large table the time of a lookup is that of its cache misses: one for
//! the slot, one or two for the record.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::WORD;

/// The name is the suffix of a wildcard.
pub(crate) const WILDCARD: u8 = 1;
/// The role has no addresses of its own: a lookup returns those of the target.
pub(crate) const ALIAS: u8 = 2;
/// The role has addresses of its own, and the target's name is the canonical one.
pub(crate) const CANONICAL: u8 = 4;
/// The record ends with its sources. Without this flag the source is one field
/// of the first hash, without a member, with the value that the record has.
pub(crate) const SOURCES: u8 = 8;
/// Not a role, but a list of references to roles.
pub(crate) const LIST: u8 = 16;
/// The role has no answer. Only its sources are of use.
pub(crate) const UNANSWERED: u8 = 32;

/// The first reference: 0 is none.
pub(crate) const FIRST_REFERENCE: u32 = 1;

/// Words that have the head of a record, and the first bytes of its name.
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

/// The decoded head of a record, from which follows where each part of the record
/// is, in bytes from its start.
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
    /// Decodes the first two words of a record.
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

    /// The number of IPv4 addresses, or of references.
    #[inline]
    pub(crate) fn v4(&self) -> usize {
        usize::from(self.v4)
    }

    /// The number of IPv6 addresses.
    #[inline]
    pub(crate) fn v6(&self) -> usize {
        usize::from(self.v6)
    }

    /// Where the name is.
    pub(crate) const NAME: usize = HEAD;

    /// Where the IPv4 addresses, or the references, are.
    #[inline]
    pub(crate) fn v4_at(&self) -> usize {
        (HEAD + self.name_len()).next_multiple_of(4)
    }

    #[inline]
    pub(crate) fn v6_at(&self) -> usize {
        self.v4_at() + 4 * self.v4()
    }

    /// The end of the addresses. The length of the target's name and the name
    /// follow, if there is a target.
    #[inline]
    pub(crate) fn target_at(&self) -> usize {
        self.v6_at() + 16 * self.v6()
    }

    /// Whether the record has the name of a target.
    #[inline]
    pub(crate) fn has_target(&self) -> bool {
        self.is(ALIAS | CANONICAL)
    }
}

/// The contents of a record to be encoded. Their counts and lengths fit.
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

/// Replaces `bytes` with an encoded record, a whole number of words. Its checksum
/// is not set yet.
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

/// The head of one source; its member, its target's name and its addresses
/// follow.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct SourceHead {
    /// The number of its Redis hash.
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
    /// Redis has lost the field; its last value is retained.
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
