//! Bytes that are no table, or are one no more: any answer, but an end.

use cloudhosts_table::{OpenError, TableFile};
use proptest::prelude::*;

use crate::common::everything::ask_everything;
use crate::common::{file_of, region_with, settings};

fn sample() -> Vec<u8> {
    let mut told = settings();
    told.domain = "example.com".into();
    let region = region_with(
        told,
        &[
            ("*.apps.internal", "10.0.0.1"),
            ("db", "10.0.0.1 10.0.0.2 fd00::1 pick=1"),
            ("web", "10.0.0.1 fd00::1"),
            ("www", "-> web"),
            ("zz", "-> x.apps.internal 10.0.0.9"),
            ("lost", ""),
        ],
    );
    file_of(&region)
}

#[test]
fn only_a_table_of_this_format_is_opened() {
    let whole = sample();
    assert!(TableFile::open(&whole).is_ok());
    let open = |bytes: &[u8]| TableFile::open(bytes).map(drop);
    let changed = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    assert_eq!(open(b""), Err(OpenError::Truncated));
    assert_eq!(open(&whole[..511]), Err(OpenError::Truncated));
    assert_eq!(open(&whole[..whole.len() - 8]), Err(OpenError::Truncated));
    assert_eq!(
        open(&[&*whole, &[0; 8]].concat()),
        Err(OpenError::Truncated)
    );
    assert_eq!(open(&changed(0)), Err(OpenError::NotATable));
    assert_eq!(open(&changed(8)), Err(OpenError::Version(3)));
    for at in [16, 40, 60, 80, 100, 500] {
        assert_eq!(open(&changed(at)), Err(OpenError::Damaged), "byte {at}");
    }
}

/// Whichever bit of what a lookup needs is wrong, it is noticed.
#[test]
fn every_damage_is_told() {
    let whole = sample();
    let at_end = TableFile::open(&whole).unwrap();
    assert_eq!(at_end.view().verify(), Ok(()));
    for at in whole.len() - 200..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        let file = TableFile::open(&bytes).unwrap();
        assert!(file.view().verify().is_err(), "byte {at}");
    }
}

/// The header's checksum as it ought to be, so that the rest is reached.
fn with_right_header(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = xxhash_rust::xxh3::xxh3_64(&bytes[24..512]);
    bytes[16..24].copy_from_slice(&sum.to_le_bytes());
    bytes
}

proptest! {
    #[test]
    fn any_bytes_come_to_an_end(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..200),
        words in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..50),
    ) {
        let mut bytes = sample();
        // Words in other places: references that lead somewhere else.
        for (from, to) in words {
            let (from, to) = (from.index(bytes.len() / 8) * 8, to.index(bytes.len() / 8) * 8);
            bytes.copy_within(from..from + 8, to);
        }
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes[..64].copy_from_slice(&sample()[..64]);
        let bytes = with_right_header(bytes);
        if let Ok(file) = TableFile::open(&bytes) {
            ask_everything(&file.view());
        }
    }
}
