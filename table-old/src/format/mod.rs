//! The bytes of a table, and nothing but the bytes: where each thing stands.
//! Everything else in the crate speaks of names and addresses.
//!
//! ```text
//! header    magic, version, sizes, generation, publish time, ... , domain
//! hashes    the names of the Redis hashes mirrored, in order
//! records   one for each role, in the order of their names
//! lists     for an address that several roles hold: those roles
//! sources   for each field of the hashes: whose it is and its raw value
//! forward   name    -> record           (open addressing, 8 bytes a slot)
//! reverse   address -> record or list   (open addressing, 8 bytes a slot)
//! ```
//!
//! Numbers are little-endian; offsets are in bytes from the start of the
//! table and 32 bits wide, which bounds a table to 4 GiB.
//!
//! A record stands in one piece, name and addresses together, because what a
//! look-up costs in a large table is the cache lines it has to wait for: one
//! for the slot, one or two for the record. A slot keeps 32 bits of the hash
//! beside the offset, so a name that is not there is told by the slot alone.

mod header;
mod record;
mod slots;

pub(crate) use header::{HEADER_BYTES, Header, Span, checksum_holds};
pub use header::{MAGIC, OpenError, VERSION};
pub(crate) use record::{Record, RecordFields, encode as encode_record};
pub(crate) use slots::{SLOT_BYTES, Slots, fill as fill_slots};

/// The largest table: offsets are 32 bits wide.
pub const MAX_TABLE: u64 = u32::MAX as u64;

/// Mixed into the seed, so that `apps.internal` and the names below it, which
/// `*.apps.internal` stands for, are different keys.
const BELOW: u64 = 0x2a2e_2a2e_2a2e_2a2e;

/// The hash of a name of its own.
pub(crate) fn hash_name(name: &[u8], seed: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(name, seed)
}

/// The hash of a wildcard for the names below `suffix`.
pub(crate) fn hash_below(suffix: &[u8], seed: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(suffix, seed ^ BELOW)
}

/// The hash of an address: 4 or 16 bytes.
pub(crate) fn hash_address(address: &[u8], seed: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(address, seed)
}

/// The checksum of all that follows it in a table.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// Rounds up to a whole number of 4 bytes, where records and lists start.
pub(crate) const fn aligned(offset: usize) -> usize {
    offset.next_multiple_of(4)
}

/// The `N` bytes at `at`, or nothing when they are not all there.
pub(crate) fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes_at(bytes, at).map(u32::from_le_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes_at(bytes, at).map(u64::from_le_bytes)
}

/// Whether the text holds only what the names of roles are made of. Nothing
/// else may reach programs, which print a name or hand it to a shell.
pub(crate) fn is_name(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*'))
}

/// The text of a name, when it is one.
pub(crate) fn name_text(name: &[u8]) -> Option<&str> {
    is_name(name).then(|| core::str::from_utf8(name).ok())?
}

/// `len` bytes at `at`.
pub(crate) fn slice_at(bytes: &[u8], at: usize, len: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(len)?)
}

/// `len` bytes at `at` as text.
pub(crate) fn text_at(bytes: &[u8], at: usize, len: usize) -> Option<&str> {
    core::str::from_utf8(slice_at(bytes, at, len)?).ok()
}
