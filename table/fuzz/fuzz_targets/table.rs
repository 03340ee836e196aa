//! Any bytes as a table: as they are, and with a header that lets the rest be
//! reached. Run with `RUSTC_BOOTSTRAP=1 cargo fuzz run table` in `table/`.
#![no_main]

#[path = "../../tests/common/everything.rs"]
mod everything;

use cloudhosts_table::TableFile;
use everything::ask_everything;

/// Bytes of the header.
const HEADER: usize = 512;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for bytes in [bytes.to_vec(), with_right_header(bytes.to_vec())] {
        if let Ok(file) = TableFile::open(&bytes) {
            ask_everything(&file.view());
        }
    }
});

/// The bytes with a header that is right: magic, version, sizes, parts that lie
/// within, and the checksum.
fn with_right_header(mut bytes: Vec<u8>) -> Vec<u8> {
    let least = HEADER + 128 + 8;
    bytes.resize(bytes.len().max(least).next_multiple_of(8), 0);
    let words = bytes.len() / 8;
    put(&mut bytes, 0, b"CLHOSTS\0");
    put(&mut bytes, 8, &2u32.to_le_bytes());
    put(&mut bytes, 24, &(words as u64).to_le_bytes());
    // Forward and reverse index, and the arena, in words.
    for at in [56, 64, 72] {
        let first = (HEADER + 128) / 8;
        let room = words - first;
        let start = first + u32_at(&bytes, at) as usize % room;
        let len = u32_at(&bytes, at + 4) as usize % (words - start + 1);
        put(&mut bytes, at, &(start as u32).to_le_bytes());
        put(&mut bytes, at + 4, &(len as u32).to_le_bytes());
    }
    // The domain.
    bytes[88] = 0;
    let sum = xxhash_rust::xxh3::xxh3_64(&bytes[24..HEADER]);
    put(&mut bytes, 16, &sum.to_le_bytes());
    bytes
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(value)
}
