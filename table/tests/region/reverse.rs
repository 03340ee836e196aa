//! Addresses to names.

use std::time::{Duration, Instant};

use cloudhosts_table::{Capacity, RegionWriter, Role, RoleAnswer};

use crate::common::{Words, commit, names, region, set, settings};

#[test]
fn a_direct_name_comes_first_then_the_shortest_then_the_alphabet() {
    let region = region(&[
        ("a", "-> zebra"),
        ("aa", "-> x.wild 10.0.0.1"),
        ("apple", "10.0.0.1"),
        ("house", "10.0.0.1"),
        ("zebra", "10.0.0.1"),
        ("longest-of-all", "10.0.0.1"),
    ]);
    let view = region.view();
    let expected = ["apple", "house", "zebra", "longest-of-all", "aa", "a"];
    assert_eq!(names(&view, "10.0.0.1"), expected);
}

#[test]
fn each_address_has_its_own_names() {
    let region = region(&[
        ("both", "10.0.0.1 10.0.0.2 fd00::1"),
        ("one", "10.0.0.1"),
        ("www", "-> both"),
        ("same", "fd00::1"),
        ("*.apps", "10.0.0.3 10.0.0.1"),
    ]);
    let view = region.view();
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
    let region = region(&[("web", "10.0.0.1 fd00::1"), ("zero", "::a00:1")]);
    let view = region.view();
    assert_eq!(names(&view, "::ffff:10.0.0.1"), ["web"]);
    assert_eq!(names(&view, "::10.0.0.1"), ["zero"]);
    assert!(names(&view, "::ffff:10.0.0.2").is_empty());
}

#[test]
fn an_address_written_twice_has_its_name_once() {
    let region = region(&[("web", "10.0.0.1 10.0.0.1")]);
    let view = region.view();
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
        let region = region(&roles);
        let view = region.view();
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
    let farm = Words {
        v4,
        ..Words::default()
    };
    let aliases: Vec<String> = (0..5000).map(|n| format!("n{n:04}")).collect();
    let alias = |name| Role {
        name,
        answer: Some(RoleAnswer::Alias { target: "farm" }),
        pick: 0,
        sources: &[],
    };
    let roles = || {
        let aliases = aliases.iter().map(|name| alias(name));
        aliases.chain([farm.role("farm", &[])])
    };
    let start = Instant::now();
    let capacity: Capacity = roles().collect();
    let now = cloudhosts_table::clock::monotonic();
    let mut region = RegionWriter::create(settings(), &capacity, now).unwrap();
    roles().for_each(|role| region.set(&role).unwrap());
    commit(&mut region);
    assert!(start.elapsed() < Duration::from_secs(20));
    let used = region.snapshot().size();
    assert!(used < 1 << 20, "{used}");
    let view = region.view();
    assert_eq!(view.verify(), Ok(()));
    let found = names(&view, "10.0.63.255");
    assert_eq!((&*found[0], found.len()), ("farm", 256));
    // One more is one list more, whatever the size of the farm.
    set(&mut region, "n5000", "-> farm").unwrap();
    commit(&mut region);
    assert!(region.snapshot().size() - used < 4096);
}

#[test]
fn names_follow_as_roles_come_and_go() {
    let mut region = region(&[("web", "10.0.0.1 10.0.0.2"), ("www", "-> web")]);
    let mut after = |changes: &[(&str, &str)], address: &str| {
        for (name, words) in changes {
            if words.is_empty() {
                region.remove(name).unwrap();
            } else {
                set(&mut region, name, words).unwrap();
            }
        }
        commit(&mut region);
        assert_eq!(region.view().verify(), Ok(()));
        names(&region.view(), address).join(" ")
    };
    assert_eq!(after(&[], "10.0.0.1"), "web www");
    assert_eq!(after(&[("a", "10.0.0.1")], "10.0.0.1"), "a web www");
    assert_eq!(after(&[], "10.0.0.2"), "web www");
    assert_eq!(after(&[("web", "10.0.0.2")], "10.0.0.1"), "a");
    assert_eq!(after(&[], "10.0.0.2"), "web www");
    assert_eq!(after(&[("www", "-> a")], "10.0.0.1"), "a www");
    assert_eq!(after(&[("www", "-> x.y 10.0.0.1")], "10.0.0.1"), "a www");
    assert_eq!(after(&[("b", "10.0.0.1"), ("a", "")], "10.0.0.1"), "b www");
    assert_eq!(after(&[("www", "10.0.0.1 10.0.0.3")], "10.0.0.1"), "b www");
    assert_eq!(after(&[("b", "")], "10.0.0.1"), "www");
    assert_eq!(after(&[("www", "")], "10.0.0.1"), "");
    assert_eq!(after(&[("web", ""), ("b", "")], "10.0.0.2"), "");
    assert_eq!(region.view().addresses(), 0);
}
