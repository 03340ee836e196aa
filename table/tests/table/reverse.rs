//! Addresses to names.

use std::time::{Duration, Instant};

use cloudhosts_table::{Builder, Role, View};

use crate::common::{Words, names, settings, table};

#[test]
fn a_direct_name_comes_first_then_the_shortest_then_the_alphabet() {
    let table = table(&[
        ("a", "-> zebra"),
        ("aa", "-> x.wild 10.0.0.1"),
        ("apple", "10.0.0.1"),
        ("house", "10.0.0.1"),
        ("zebra", "10.0.0.1"),
        ("longest-of-all", "10.0.0.1"),
    ]);
    let view = View::open(&table).unwrap();
    let expected = ["apple", "house", "zebra", "longest-of-all", "a", "aa"];
    assert_eq!(names(&view, "10.0.0.1"), expected);
}

#[test]
fn each_address_has_its_own_names() {
    let table = table(&[
        ("both", "10.0.0.1 10.0.0.2 fd00::1"),
        ("one", "10.0.0.1"),
        ("www", "-> both"),
        ("same", "fd00::1"),
        ("*.apps", "10.0.0.3 10.0.0.1"),
    ]);
    let view = View::open(&table).unwrap();
    assert_eq!(names(&view, "10.0.0.1"), ["one", "both", "www"]);
    assert_eq!(names(&view, "10.0.0.2"), ["both", "www"]);
    assert_eq!(names(&view, "fd00::1"), ["both", "same", "www"]);
    // A wildcard is no name, so it is nobody's.
    assert!(names(&view, "10.0.0.3").is_empty());
    assert!(names(&view, "10.0.0.4").is_empty());
    assert_eq!(view.addresses(), 3);
}

#[test]
fn an_ipv4_address_mapped_into_ipv6_is_that_ipv4_address() {
    let table = table(&[("web", "10.0.0.1 fd00::1"), ("zero", "::a00:1")]);
    let view = View::open(&table).unwrap();
    assert_eq!(names(&view, "::ffff:10.0.0.1"), ["web"]);
    assert_eq!(names(&view, "::10.0.0.1"), ["zero"]);
    assert!(names(&view, "::ffff:10.0.0.2").is_empty());
}

#[test]
fn an_address_written_twice_has_its_name_once() {
    let table = table(&[("web", "10.0.0.1 10.0.0.1")]);
    let view = View::open(&table).unwrap();
    assert_eq!(names(&view, "10.0.0.1"), ["web"]);
    assert_eq!(view.addresses(), 1);
}

/// All 300 resolve; the reverse look-up lists the 256 that come first.
#[test]
fn an_address_lists_at_most_256_names() {
    let shared: Vec<_> = (0..300).map(|n| (format!("n{n}"), "10.0.0.1")).collect();
    let direct: Vec<_> = shared.iter().map(|(name, to)| (&**name, *to)).collect();
    let mut pointing: Vec<_> = direct.iter().map(|(name, _)| (*name, "-> web")).collect();
    pointing.push(("web", "10.0.0.1"));
    for (roles, first) in [(direct, "n0"), (pointing, "web")] {
        let table = table(&roles);
        let view = View::open(&table).unwrap();
        let names = names(&view, "10.0.0.1");
        assert_eq!((names.len(), &*names[0]), (256, first));
        let mut sorted = names[1..].to_vec();
        sorted.sort_by_key(|name| (name.len(), name.clone()));
        assert_eq!(names[1..], sorted);
        assert_eq!(crate::common::ask(&view, "n299").split(' ').count(), 2);
    }
}

/// Names that point at a farm cost a name each, not a name for each machine
/// of the farm: 5,000 times 16,384 would be 80 million.
#[test]
fn many_names_for_a_large_farm_stay_small() {
    let v4: Vec<[u8; 4]> = (0..16_384u32)
        .map(|n| (n | 10 << 24).to_be_bytes())
        .collect();
    let start = Instant::now();
    let mut builder = Builder::new(settings(1)).unwrap();
    let farm = Words {
        v4,
        ..Words::default()
    };
    builder.role(farm.role("farm")).unwrap();
    for n in 0..5000 {
        let pointer = Role {
            name: &format!("n{n:04}"),
            canonical: Some("farm"),
            v4: &[],
            v6: &[],
            pick: 0,
        };
        builder.role(pointer).unwrap();
    }
    let table = builder.build().unwrap();
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(table.len() < 1 << 20, "{}", table.len());
    let view = View::open(&table).unwrap();
    assert_eq!(view.verify(), Ok(()));
    let names = names(&view, "10.0.63.255");
    assert_eq!((&*names[0], names.len()), ("farm", 256));
}
