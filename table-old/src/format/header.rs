//! The first bytes of a table: what it is, how large, and where its parts are.

use core::fmt;
use core::ops::Range;

use super::{bytes_at, u32_at, u64_at};
use crate::choice::Order;

/// The first eight bytes of every table.
pub const MAGIC: [u8; 8] = *b"CLHOSTS\0";

/// The version of the format that this library reads and writes. It changes
/// whenever an older reader would misread a newer table.
pub const VERSION: u32 = 1;

/// Bytes of the header, the domain included.
pub(crate) const HEADER_BYTES: usize = 384;

/// Where the part that the checksum covers begins.
const CHECKED_FROM: usize = 32;

/// Set in the flags when addresses are answered in the order written.
const FIXED_ORDER: u32 = 1;

const DOMAIN_AT: usize = 128;

/// A part of the table: the offsets of its first byte and of the one after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(crate) fn contains(self, offset: u32) -> bool {
        (self.start..self.end).contains(&offset)
    }
}

/// The header, decoded.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Header<'t> {
    /// Bytes of the whole table.
    pub(crate) total: u64,
    pub(crate) generation: u64,
    /// Nanoseconds since 1970.
    pub(crate) published: u64,
    /// Nanoseconds; 0 for ever.
    pub(crate) stale_max: u64,
    pub(crate) seed: u64,
    /// The offset of the first record that is no wildcard.
    pub(crate) first_role: u32,
    pub(crate) order: Order,
    /// Bit `n` is set when a wildcard's suffix has `n` labels; 31 stands for
    /// all above. Spares a look-up the depths at which there is none.
    pub(crate) depths: u32,
    pub(crate) names: u32,
    pub(crate) addresses: u32,
    pub(crate) hashes: Span,
    pub(crate) records: Span,
    pub(crate) lists: Span,
    pub(crate) sources: Span,
    pub(crate) forward: Span,
    pub(crate) reverse: Span,
    pub(crate) domain: &'t [u8],
}

impl<'t> Header<'t> {
    /// Checks that the bytes begin with a header, and that its parts lie within
    /// the table; returns the bytes of the header.
    pub(crate) fn check(bytes: &'t [u8]) -> Result<&'t [u8; HEADER_BYTES], OpenError> {
        let magic: [u8; 8] = bytes_at(bytes, 0).ok_or(OpenError::Truncated)?;
        if magic != MAGIC {
            return Err(OpenError::NotATable);
        }
        let version = u32_at(bytes, 8).ok_or(OpenError::Truncated)?;
        if version != VERSION {
            return Err(OpenError::Version(version));
        }
        let first = bytes.first_chunk().ok_or(OpenError::Truncated)?;
        let header = Header::decode(first);
        if header.total != bytes.len() as u64 {
            return Err(OpenError::Truncated);
        }
        for span in header.spans() {
            let within = span.start <= span.end && u64::from(span.end) <= header.total;
            if !within || (span.start as usize) < HEADER_BYTES {
                return Err(OpenError::Damaged);
            }
        }
        if core::str::from_utf8(header.domain).is_err() {
            return Err(OpenError::Damaged);
        }
        Ok(first)
    }

    /// Reads the header as it stands. All offsets are constants within the
    /// array, so where this is inlined a field that is not used is not read.
    #[inline(always)]
    pub(crate) fn decode(first: &'t [u8; HEADER_BYTES]) -> Header<'t> {
        let u32_at = |at| u32_at(first, at).unwrap_or_default();
        let u64_at = |at| u64_at(first, at).unwrap_or_default();
        let span = |at| Span {
            start: u32_at(at),
            end: u32_at(at + 4),
        };
        let domain_end = DOMAIN_AT + 1 + usize::from(first[DOMAIN_AT]);
        Header {
            first_role: u32_at(12),
            total: u64_at(16),
            generation: u64_at(32),
            published: u64_at(40),
            stale_max: u64_at(48),
            seed: u64_at(56),
            order: match u32_at(64) & FIXED_ORDER {
                0 => Order::Rotate,
                _ => Order::Fixed,
            },
            depths: u32_at(68),
            names: u32_at(72),
            addresses: u32_at(76),
            hashes: span(80),
            records: span(88),
            lists: span(96),
            sources: span(104),
            forward: span(112),
            reverse: span(120),
            domain: first.get(DOMAIN_AT + 1..domain_end).unwrap_or_default(),
        }
    }

    /// Writes the header over the first [`HEADER_BYTES`] of `table`, and the
    /// checksum of all that follows.
    pub(crate) fn encode(&self, table: &mut [u8]) {
        let mut put = |at: usize, value: &[u8]| {
            if let Some(to) = table.get_mut(at..at + value.len()) {
                to.copy_from_slice(value);
            }
        };
        put(0, &MAGIC);
        put(8, &VERSION.to_le_bytes());
        put(12, &self.first_role.to_le_bytes());
        put(16, &self.total.to_le_bytes());
        put(32, &self.generation.to_le_bytes());
        put(40, &self.published.to_le_bytes());
        put(48, &self.stale_max.to_le_bytes());
        put(56, &self.seed.to_le_bytes());
        let flags = match self.order {
            Order::Rotate => 0,
            Order::Fixed => FIXED_ORDER,
        };
        put(64, &flags.to_le_bytes());
        put(68, &self.depths.to_le_bytes());
        put(72, &self.names.to_le_bytes());
        put(76, &self.addresses.to_le_bytes());
        for (at, span) in (80..).step_by(8).zip(self.spans()) {
            put(at, &span.start.to_le_bytes());
            put(at + 4, &span.end.to_le_bytes());
        }
        put(DOMAIN_AT, &[self.domain.len() as u8]);
        put(DOMAIN_AT + 1, self.domain);
        let sum = checksum_of(table);
        if let Some(to) = table.get_mut(24..32) {
            to.copy_from_slice(&sum.to_le_bytes());
        }
    }

    /// The parts, in the order in which the header names them.
    fn spans(&self) -> [Span; 6] {
        [
            self.hashes,
            self.records,
            self.lists,
            self.sources,
            self.forward,
            self.reverse,
        ]
    }
}

fn checksum_of(table: &[u8]) -> u64 {
    super::checksum(table.get(CHECKED_FROM..).unwrap_or_default())
}

/// Whether the bytes are those that were written. Reads all of them.
pub(crate) fn checksum_holds(table: &[u8]) -> bool {
    u64_at(table, 24) == Some(checksum_of(table))
}

/// Why some bytes can't be opened as a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// They do not begin as a table does.
    NotATable,
    /// A format that this library does not know: daemon and reader are of
    /// different releases.
    Version(u32),
    /// Fewer or more bytes than the header says.
    Truncated,
    /// A part lies outside the table, or the checksum is wrong.
    Damaged,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::NotATable => f.write_str("not a cloudhosts table"),
            OpenError::Version(version) => write!(
                f,
                "a table of format {version}, where this program reads format {VERSION}; \
                 upgrade the older of the two"
            ),
            OpenError::Truncated => f.write_str("a table that is cut short or has bytes too many"),
            OpenError::Damaged => f.write_str("a damaged table"),
        }
    }
}

impl core::error::Error for OpenError {}
