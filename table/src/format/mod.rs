//! Where each byte of a table is. This module alone knows; the rest of the crate
//! deals in names and addresses.
//!
//! ```text
//! header    constant: magic, version, sizes, hash seed, order, domain, ...
//! live      words that change: state, heartbeat, generation, ...
//! reverse   address -> record or list   (open addressing, one word a slot)
//! forward   name    -> record           (likewise)
//! arena     records and lists, 8-byte aligned, each written once
//! ```
//!
//! A table is a sequence of little-endian words of 8 bytes. In shared memory it
//! is called the *region*, which one daemon writes and every process reads. The
//! file `last-good.table` is a copy of the region at one moment, without the free
//! part of the arena.
//!
//! A reader never holds a `&[u8]` into a region, because the daemon goes on
//! writing: it loads words, copies what it needs, and checks the copy.

mod header;
mod live;
mod record;
mod slot;

pub(crate) use header::{HEADER_BYTES, Layout, Part};
pub use header::{MAGIC, OpenError, VERSION};
pub(crate) use live::{LIVE_AT, LIVE_WORDS, LiveWord, State};
pub(crate) use record::{
    ALIAS, CANONICAL, FIRST_REFERENCE, HEAD_WORDS, LIST, RecordFields, SOURCES, Shape, SourceHead,
    UNANSWERED, WILDCARD, encode as encode_record, encode_source, record_words, set_checksum,
};
pub(crate) use slot::{MAX_PROBES, MAX_SAME_TAG, Slot, home_slot};

/// Bytes of a word.
pub(crate) const WORD: usize = 8;

/// Bytes of the largest table. A 32-bit process can represent every length in
/// it, and a reader's loops are bounded.
pub const MAX_TABLE: u64 = i32::MAX as u64 * 2;

/// Mixed into the seed for wildcards, so that `apps.internal` and
/// `*.apps.internal` have different hashes.
const BELOW: u64 = 0x2a2e_2a2e_2a2e_2a2e;

/// Mixed into the seed for lists of aliases.
const ALIASES: u64 = 0x5b61_5b61_5b61_5b61;

/// The hash of a name that is not a wildcard.
pub(crate) fn hash_name(name: &[u8], seed: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(name, seed)
}

/// The hash of the wildcard `*.suffix`.
pub(crate) fn hash_below(suffix: &[u8], seed: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(suffix, seed ^ BELOW)
}

/// The hash of the list of the aliases of a name.
pub(crate) fn hash_aliases(target: &[u8], seed: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(target, seed ^ ALIASES)
}

/// The hash of an address: 4 or 16 bytes.
pub(crate) fn hash_address(address: &[u8], seed: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(address, seed)
}

/// Whether the text has only characters that names of roles have. No others may
/// reach programs, which print a name or pass it to a shell.
pub(crate) fn is_name(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*'))
}
