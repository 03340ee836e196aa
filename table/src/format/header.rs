//! The header: the first bytes of a table, which say what it is, how large, and
//! where its parts are. They never change.

use core::fmt;

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{LIVE_AT, LIVE_WORDS, MAX_TABLE, WORD};
use crate::choice::Order;

/// The first eight bytes of every table.
pub const MAGIC: [u8; 8] = *b"CLHOSTS\0";

/// The version of the format that this library reads and writes. It is raised
/// whenever an older reader would misread a newer table.
pub const VERSION: u32 = 2;

/// Bytes of the header, the domain included.
pub(crate) const HEADER_BYTES: usize = 512;

/// Bytes of the header before what its checksum covers, including the checksum.
const UNCHECKED: usize = 24;

/// Flag: addresses are returned in the order written.
const FIXED_ORDER: u32 = 1;

/// Flag: the table does not answer reverse lookups.
const NO_REVERSE: u32 = 2;

/// Where a part of the table is, in words.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Span {
    start: U32,
    len: U32,
}

/// The bytes of the header.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Header {
    magic: [u8; 8],
    version: U32,
    flags: U32,
    /// Checksum of the header's bytes after this field.
    checksum: U64,
    /// Words of the whole table.
    words: U64,
    region: U64,
    seed: U64,
    /// In nanoseconds; 0 means no limit.
    stale_max: U64,
    forward: Span,
    reverse: Span,
    arena: Span,
    /// Reference to the record that names the mirrored Redis hashes.
    hashes: U32,
    reserved: U32,
    domain_len: u8,
    domain: [u8; 255],
    padding: [u8; 168],
}

const _: () = assert!(size_of::<Header>() == HEADER_BYTES);

/// A part of a table, in words, known to lie within it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) start: usize,
    pub(crate) len: usize,
}

impl Part {
    /// The word after the last one.
    pub(crate) fn end(self) -> usize {
        self.start + self.len
    }

    fn span(self) -> Span {
        Span {
            start: U32::new(self.start as u32),
            len: U32::new(self.len as u32),
        }
    }
}

/// The contents of a header, checked when the table is opened, in the reader's
/// own memory, where nobody changes them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// A random number that identifies the region.
    pub(crate) region: u64,
    pub(crate) seed: u64,
    /// In nanoseconds; 0 means no limit.
    pub(crate) stale_max: u64,
    pub(crate) order: Order,
    /// Whether the table answers reverse lookups.
    pub(crate) reverses: bool,
    pub(crate) forward: Part,
    pub(crate) reverse: Part,
    pub(crate) arena: Part,
    pub(crate) hashes: u32,
    domain_len: u8,
    domain: [u8; 255],
}

impl Layout {
    /// The layout of a table whose indexes have so many slots, and its arena so
    /// many words.
    pub(crate) fn new(
        region: u64,
        seed: u64,
        forward: usize,
        reverse: usize,
        arena: usize,
    ) -> Layout {
        let after = |part: Part, len: usize| Part {
            start: part.end(),
            len,
        };
        let fixed = Part {
            start: 0,
            len: LIVE_AT + LIVE_WORDS,
        };
        // The first huge page of the file can't be mapped as one, because the table
        // begins at the second page: lookups by address are the rarer ones.
        let reverse = after(fixed, reverse);
        let forward = after(reverse, forward);
        Layout {
            region,
            seed,
            stale_max: 0,
            order: Order::default(),
            reverses: true,
            forward,
            reverse,
            arena: after(forward, arena),
            hashes: 0,
            domain_len: 0,
            domain: [0; 255],
        }
    }

    /// Enlarges the arena until the table fills whole pages of so many words.
    pub(crate) fn fill(&mut self, page: usize) {
        let words = self.words().next_multiple_of(page);
        self.arena.len = words - self.arena.start;
    }

    /// Words of the whole table.
    pub(crate) fn words(&self) -> usize {
        self.arena.end()
    }

    pub(crate) fn domain(&self) -> &[u8] {
        let len = usize::from(self.domain_len);
        self.domain.get(..len).unwrap_or_default()
    }

    /// Sets the domain; one that is too long is ignored.
    pub(crate) fn set_domain(&mut self, domain: &str) {
        self.domain_len = 0;
        if let Some(room) = self.domain.get_mut(..domain.len()) {
            room.copy_from_slice(domain.as_bytes());
            self.domain_len = domain.len() as u8;
        }
    }

    /// Encodes the header.
    pub(crate) fn header(&self) -> Header {
        let mut flags = 0;
        if self.order == Order::Fixed {
            flags |= FIXED_ORDER;
        }
        if !self.reverses {
            flags |= NO_REVERSE;
        }
        let mut header = Header {
            magic: MAGIC,
            version: U32::new(VERSION),
            flags: U32::new(flags),
            checksum: U64::ZERO,
            words: U64::new(self.words() as u64),
            region: U64::new(self.region),
            seed: U64::new(self.seed),
            stale_max: U64::new(self.stale_max),
            forward: self.forward.span(),
            reverse: self.reverse.span(),
            arena: self.arena.span(),
            hashes: U32::new(self.hashes),
            reserved: U32::ZERO,
            domain_len: self.domain_len,
            domain: self.domain,
            padding: [0; 168],
        };
        header.checksum = U64::new(checksum(&header));
        header
    }

    /// Decodes the header of a table that has so many words, and checks it.
    pub(crate) fn read(bytes: &[u8; HEADER_BYTES], words: usize) -> Result<Layout, OpenError> {
        let header = Header::ref_from_bytes(bytes).map_err(|_| OpenError::Truncated)?;
        if header.magic != MAGIC {
            return Err(OpenError::NotATable);
        }
        if header.version.get() != VERSION {
            return Err(OpenError::Version(header.version.get()));
        }
        let fits = words as u64 <= MAX_TABLE / WORD as u64;
        if header.words.get() != words as u64 || !fits {
            return Err(OpenError::Truncated);
        }
        if header.checksum.get() != checksum(header) {
            return Err(OpenError::Damaged);
        }
        let part = |span: Span| {
            let part = Part {
                start: span.start.get() as usize,
                len: span.len.get() as usize,
            };
            let begins = part.start >= LIVE_AT + LIVE_WORDS;
            let ends = part.start.checked_add(part.len)?;
            (begins && ends <= words).then_some(part)
        };
        let layout = Layout {
            region: header.region.get(),
            seed: header.seed.get(),
            stale_max: header.stale_max.get(),
            order: if header.flags.get() & FIXED_ORDER == 0 {
                Order::Rotate
            } else {
                Order::Fixed
            },
            reverses: header.flags.get() & NO_REVERSE == 0,
            forward: part(header.forward).ok_or(OpenError::Damaged)?,
            reverse: part(header.reverse).ok_or(OpenError::Damaged)?,
            arena: part(header.arena).ok_or(OpenError::Damaged)?,
            hashes: header.hashes.get(),
            domain_len: header.domain_len,
            domain: header.domain,
        };
        if super::is_name(layout.domain()) {
            Ok(layout)
        } else {
            Err(OpenError::Damaged)
        }
    }
}

fn checksum(header: &Header) -> u64 {
    let checked = header.as_bytes().get(UNCHECKED..).unwrap_or_default();
    xxhash_rust::xxh3::xxh3_64(checked)
}

/// Why a table can't be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// It does not begin with [`MAGIC`].
    NotATable,
    /// It has a format that this library does not read, because the daemon is of
    /// another release.
    Version(u32),
    /// It has fewer or more bytes than its header says.
    Truncated,
    /// The header's checksum is wrong, or a part lies outside the table.
    Damaged,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::NotATable => f.write_str("not a cloudhosts table"),
            OpenError::Version(version) => write!(
                f,
                "table format {version}, but this program reads format {VERSION}; \
                 upgrade the older of the daemon and this program"
            ),
            OpenError::Truncated => f.write_str("truncated, or longer than its header says"),
            OpenError::Damaged => f.write_str("the header is damaged"),
        }
    }
}

impl core::error::Error for OpenError {}
