//! Bytes that are no table, or no longer one.

use cloudhosts_table::{Builder, OpenError, Source, View};
use proptest::prelude::*;

use crate::common::everything::{ask_everything, with_right_checksum, with_right_header};
use crate::common::{Words, all, ask, names, settings, table};

/// A small table with one of everything.
fn small() -> Vec<u8> {
    let mut told = settings(3);
    told.domain = "example.com".into();
    let mut builder = Builder::new(told).unwrap();
    for (name, words) in [
        ("*.apps.internal", "10.0.0.2"),
        ("*.x.apps.internal", "-> web"),
        ("a", "-> gone.apps.internal 10.0.0.1 fd00::1"),
        ("db", "-> web"),
        ("web", "10.0.0.1 10.0.0.9 fd00::1 pick=1"),
    ] {
        builder.role(Words::parse(words).role(name)).unwrap();
        for (role, member) in [(name, None), (name, Some("i-1")), ("lost", None)] {
            builder.source(&Source {
                hash: 0,
                role,
                member,
                value: words.as_bytes(),
                kept: member.is_some(),
            });
        }
    }
    builder.build().unwrap()
}

#[test]
fn a_whole_table_passes() {
    assert!(ask_everything(&small()));
    let mended = with_right_header(small());
    assert!(ask_everything(&mended), "the tests' own repair does damage");
}

#[test]
fn every_truncation_and_addition_is_refused() {
    let table = small();
    for len in 0..table.len() {
        let cut = View::open(&table[..len]).map(|_| ());
        assert_eq!(cut, Err(OpenError::Truncated), "{len} bytes");
        // With the size corrected it may open, and must do no harm.
        ask_everything(&with_right_header(table[..len].to_vec()));
    }
    let longer = [&*table, &[0]].concat();
    assert_eq!(View::open(&longer).map(|_| ()), Err(OpenError::Truncated));
}

#[test]
fn other_formats_are_told_apart() {
    let change = |at: usize, to: u8| {
        let mut table = small();
        table[at] = to;
        View::open(&table).map(|_| ())
    };
    assert_eq!(change(0, b'X'), Err(OpenError::NotATable));
    assert_eq!(change(8, 2), Err(OpenError::Version(2)));
    assert_eq!(View::open(&[]).map(|_| ()), Err(OpenError::Truncated));
    // The first part would begin within the header.
    assert_eq!(change(80, 0), Err(OpenError::Damaged));
    // ... or end beyond the table.
    assert_eq!(change(86, 1), Err(OpenError::Damaged));
}

/// Any change of one byte is noticed; with the checksum made right again it
/// may pass, but harms nobody.
#[test]
fn every_change_of_one_byte_is_noticed() {
    let table = small();
    for at in 0..table.len() {
        let flips = (0..8).map(|bit| table[at] ^ 1 << bit);
        for to in flips.chain([0, 0xff]).filter(|&to| to != table[at]) {
            let mut changed = table.clone();
            changed[at] = to;
            assert!(!ask_everything(&changed), "byte {at} as {to}");
            ask_everything(&with_right_checksum(changed));
        }
    }
}

/// `verify` looks further than the checksum: what each of these fields would
/// mislead is noticed although the sum is right.
#[test]
fn a_right_checksum_is_not_enough() {
    let table = small();
    let word = |at: usize| u32::from_le_bytes(table[at..at + 4].try_into().unwrap());
    let (records, lists) = (word(88) as usize, word(96) as usize);
    let (sources, forward, reverse) = (word(104), word(112), word(120));
    let used = |from: u32| {
        (from as usize..)
            .step_by(8)
            .find(|&at| word(at) != 0)
            .unwrap()
    };
    for (what, at, to) in [
        ("first role", 12, word(12) - 4),
        ("depths", 68, 0),
        ("names", 72, 4),
        ("addresses", 76, 4),
        ("records end early", 92, word(92) - 4),
        ("lists end early", 100, word(100) - 4),
        ("sources end early", 108, word(108) - 1),
        ("a record's flags and length", records, 0),
        ("a record without addresses", records + 4, 0),
        ("a list's length", lists, 1),
        ("a list's entry", lists + 4, 4),
        ("a source's record", sources as usize, 388),
        ("a source's hash", sources as usize + 4, 5),
        ("a slot of the names", used(forward), 384),
        ("a slot of the addresses", used(reverse), 385),
    ] {
        let mut changed = table.clone();
        changed[at..at + 4].copy_from_slice(&to.to_le_bytes());
        let changed = with_right_checksum(changed);
        assert!(!ask_everything(&changed), "{what} at {at}");
    }
}

/// A name that would reach a terminal or a shell as something else.
#[test]
fn no_text_but_names_comes_out() {
    let table = table(&[
        ("cname", "-> gone 10.0.0.3"),
        ("longer", "10.0.0.1"),
        ("web", "10.0.0.1 10.0.0.2"),
        ("zeta", "-> web"),
    ]);
    for bad in [0, b'\n', 0x1b, b';', b'A', 0xff] {
        let with = |text: &str| {
            let mut changed = table.clone();
            let at = table
                .windows(text.len())
                .position(|found| found == text.as_bytes());
            changed[at.unwrap()] = bad;
            with_right_checksum(changed)
        };
        let changed = with("web");
        let view = View::open(&changed).unwrap();
        assert!(view.verify().is_err());
        assert_eq!(ask(&view, "zeta"), "none", "byte {bad}");
        assert_eq!(all(&view), ["cname", "longer"]);
        assert!(names(&view, "10.0.0.2").is_empty());
        let changed = with("longer");
        let view = View::open(&changed).unwrap();
        assert_eq!(names(&view, "10.0.0.1"), ["web", "zeta"]);
        let changed = with("gone");
        let view = View::open(&changed).unwrap();
        assert!(view.verify().is_err());
        assert_eq!(ask(&view, "cname"), "none", "byte {bad}");
    }
}

/// A list of names that goes on beyond the part where lists are.
#[test]
fn a_list_ends_with_its_part() {
    let table = table(&[("a", "10.0.0.1"), ("b", "10.0.0.1")]);
    let at = u32::from_le_bytes(table[96..100].try_into().unwrap()) as usize;
    for (count, found) in [(0, 0), (1, 1), (2, 2), (3, 0), (u32::MAX, 0), (1 << 30, 0)] {
        let mut changed = table.clone();
        changed[at..at + 4].copy_from_slice(&u32::to_le_bytes(count));
        let view = View::open(&changed).unwrap();
        assert_eq!(names(&view, "10.0.0.1").len(), found, "{count} names");
    }
}

/// Numbers where off-by-ones and overflows are.
fn edge() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(u32::MAX),
        Just(u32::MAX - 3),
        Just(1 << 31),
        380..2000u32,
        any::<u32>(),
    ]
}

proptest! {
    #[test]
    fn changed_tables_harm_nobody(changes in prop::collection::vec((0..2000usize, edge()), 1..12)) {
        let mut table = small();
        let last = table.len() - 4;
        for (at, to) in changes {
            let at = at % last;
            table[at..at + 4].copy_from_slice(&to.to_le_bytes());
        }
        ask_everything(&with_right_checksum(table.clone()));
        ask_everything(&with_right_header(table));
    }

    #[test]
    fn random_bytes_harm_nobody(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        ask_everything(&bytes);
        ask_everything(&with_right_header(bytes));
    }

    /// The indexes are right and lead into records that are noise.
    #[test]
    fn noise_behind_a_right_header_harms_nobody(
        noise in prop::collection::vec(edge(), 1..200),
        at in 384..1500usize,
    ) {
        let mut table = small();
        let noise: Vec<u8> = noise.iter().flat_map(|word| word.to_le_bytes()).collect();
        let room = table.len() - at.min(table.len());
        let count = noise.len().min(room);
        let at = table.len() - room;
        table[at..at + count].copy_from_slice(&noise[..count]);
        ask_everything(&with_right_checksum(table));
    }
}
