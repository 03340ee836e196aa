//! Changes in place: what they cost, and when there is no more room for them.

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Capacity, RegionWriter, Role, RoleAnswer, RoleRef, WriteError};

use crate::common::{Words, ask, commit, empty, region, set, settings};

#[test]
fn a_view_follows_every_change() {
    let mut region = region(&[("web", "10.0.0.1")]);
    let mirror = std::sync::Arc::clone(region.region());
    let view = mirror.view();
    for n in 2..100 {
        set(&mut region, "web", &format!("10.0.0.{n}")).unwrap();
        assert_eq!(ask(&view, "web"), format!("web 10.0.0.{n}"));
        assert_eq!(commit(&mut region), n);
        assert_eq!(view.generation(), n);
    }
    region.remove("web").unwrap();
    assert_eq!(ask(&view, "web"), "none");
    region.remove("web").unwrap();
    set(&mut region, "web", "10.0.0.1").unwrap();
    assert_eq!(ask(&view, "web"), "web 10.0.0.1");
}

#[test]
fn what_is_as_it_was_is_no_change() {
    let mut region = region(&[("web", "10.0.0.1"), ("www", "-> web")]);
    let (generation, size) = (region.generation(), region.snapshot().size());
    set(&mut region, "web", "10.0.0.1").unwrap();
    set(&mut region, "www", "-> web").unwrap();
    region.remove("nobody").unwrap();
    assert_eq!(commit(&mut region), generation);
    assert_eq!(region.snapshot().size(), size);
    set(&mut region, "web", "10.0.0.1 pick=1").unwrap();
    assert_eq!(commit(&mut region), generation + 1);
}

#[test]
fn a_farm_that_moves_moves_its_aliases() {
    let mut region = region(&[("farm", "10.0.0.1"), ("www", "-> farm"), ("*.w", "-> farm")]);
    set(&mut region, "farm", "10.0.0.2 10.0.0.3").unwrap();
    commit(&mut region);
    for name in ["www", "x.w"] {
        assert_eq!(ask(&region.view(), name), "farm 10.0.0.2 10.0.0.3");
    }
    region.remove("farm").unwrap();
    assert_eq!(ask(&region.view(), "www"), "none");
}

#[test]
fn where_a_role_stood_it_reads_as_of_that_moment() {
    let roles = [
        ("farm", "10.0.0.1"),
        ("www", "-> farm"),
        ("*.w", "10.0.0.9"),
    ];
    let mut region = region(&roles);
    let mirror = std::sync::Arc::clone(region.region());
    let view = mirror.view();
    let read = |places: &[RoleRef]| {
        let entries = places.iter().filter_map(|&place| view.role_at(place));
        let shown = entries.map(|role| (role.name, role.answer.map(|answer| answer.v4)));
        let mut shown: Vec<_> = shown.collect();
        shown.sort();
        shown
    };
    let (mut names, places): (Vec<_>, Vec<_>) = view.role_refs().unzip();
    names.sort_by_key(ToString::to_string);
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["*.w", "farm", "www"]);
    let before = read(&places);
    let [one, nine] = [[10, 0, 0, 1], [10, 0, 0, 9]].map(|address| Some(vec![address]));
    let expected = [("*.w", nine), ("farm", one.clone()), ("www", one)];
    assert_eq!(before, expected.map(|(name, v4)| (name.to_owned(), v4)));

    set(&mut region, "farm", "10.0.0.2").unwrap();
    region.remove("*.w").unwrap();
    commit(&mut region);
    assert_eq!(ask(&view, "www"), "farm 10.0.0.2");
    assert_eq!(read(&places), before);
    region.remove("farm").unwrap();
    commit(&mut region);
    let answered = view.role_refs().filter(|(_, place)| place.has_answer());
    assert_eq!(answered.count(), 0, "an alias of nothing");
}

#[test]
fn wildcards_come_and_go() {
    let mut region = empty(settings());
    for _ in 0..3 {
        set(&mut region, "*.b.c", "10.0.0.1").unwrap();
        set(&mut region, "*.c", "10.0.0.2").unwrap();
        commit(&mut region);
        assert_eq!(region.view().verify(), Ok(()));
        assert_eq!(ask(&region.view(), "a.b.c"), "a.b.c 10.0.0.1");
        region.remove("*.b.c").unwrap();
        commit(&mut region);
        assert_eq!(region.view().verify(), Ok(()));
        assert_eq!(ask(&region.view(), "a.b.c"), "a.b.c 10.0.0.2");
        region.remove("*.c").unwrap();
        commit(&mut region);
        assert_eq!(ask(&region.view(), "a.b.c"), "none");
    }
}

/// What follows 1,000 changes of one name needs no other region.
#[test]
fn a_thousand_changes_have_room() {
    let mut region = region(&[("web", "10.0.0.1")]);
    let size = region.region().size();
    assert!(size < 700_000, "{size}");
    for n in 0..1000 {
        set(&mut region, "web", &format!("10.0.{}.{}", n / 250, n % 250)).unwrap();
        commit(&mut region);
        assert!(!region.needs_rebuild());
    }
}

#[test]
fn where_room_runs_short_a_new_region_goes_on() {
    let mut region = region(&[("web", "10.0.0.1"), ("www", "-> web"), ("db", "10.0.0.1")]);
    let mut changes = 0u32;
    while !region.needs_rebuild() {
        changes += 1;
        set(&mut region, "web", &format!("10.0.0.{}", changes % 250)).unwrap();
        commit(&mut region);
    }
    assert!(changes > 2000, "{changes}");
    let before = region.view().revision();
    let mut next = region.rebuild(monotonic()).unwrap();
    let now = next.view().revision();
    assert!(!next.needs_rebuild());
    assert_ne!(before.region, now.region);
    assert_eq!(before.generation + 1, now.generation);
    assert_eq!(next.view().verify(), Ok(()));
    assert_eq!(ask(&next.view(), "www"), ask(&region.view(), "www"));
    assert_eq!(commit(&mut next), now.generation);
}

/// Names that come and go leave nothing behind in the index that would make it
/// full.
#[test]
fn names_that_come_and_go_do_not_fill_the_index() {
    let mut region = region(&[("web", "10.0.0.1")]);
    for n in 0..3_000 {
        set(&mut region, &format!("n{n}"), "10.0.0.2").unwrap();
        region.remove(&format!("n{n}")).unwrap();
        if region.needs_rebuild() {
            region = region.rebuild(monotonic()).unwrap();
        }
    }
    commit(&mut region);
    assert_eq!(region.view().verify(), Ok(()));
    assert_eq!(region.view().roles().count(), 1);
}

#[test]
fn a_region_that_is_full_says_so_and_the_next_one_holds_it() {
    let mut region = empty(settings());
    let mut count = 0;
    let full = loop {
        let words = Words::parse(&format!("10.{}.{}.1", count / 250, count % 250));
        if let Err(error) = region.set(&words.role(&format!("name-{count}"), &[])) {
            break error;
        }
        count += 1;
    };
    assert_eq!(full, WriteError::Full);
    assert!(region.needs_rebuild());
    commit(&mut region);
    let mut next = region.rebuild(monotonic()).unwrap();
    let words = Words::parse("10.0.0.2");
    next.set(&words.role(&format!("name-{count}"), &[]))
        .unwrap();
    commit(&mut next);
    assert_eq!(next.view().verify(), Ok(()));
    assert_eq!(next.view().names(), count + 1);
}

#[test]
fn what_can_not_be_written_is_refused_and_changes_nothing() {
    let mut region = region(&[("web", "10.0.0.1")]);
    let before = region.snapshot().size();
    let long = "a".repeat(254);
    for name in ["", "*.", "Web", "we b", "w\u{e9}b", &long] {
        let refused = set(&mut region, name, "10.0.0.1");
        assert!(matches!(refused, Err(WriteError::Name(_))), "{name}");
        let words = Words {
            target: Some(name.into()),
            ..Words::default()
        };
        let refused = region.set(&words.role("x", &[]));
        assert!(matches!(refused, Err(WriteError::Name(_))), "{name}");
    }
    let none = Role {
        name: "x",
        answer: Some(RoleAnswer::Addresses {
            v4: &[],
            v6: &[],
            canonical: None,
        }),
        pick: 0,
        sources: &[],
    };
    assert!(matches!(region.set(&none), Err(WriteError::Answer(_))));
    let many = vec![[10, 0, 0, 1]; 65_536];
    let words = Words {
        v4: many,
        ..Words::default()
    };
    let refused = region.set(&words.role("x", &[]));
    assert!(matches!(refused, Err(WriteError::Answer(_))));
    let member = "m".repeat(256);
    let words = Words::parse("10.0.0.1");
    let mut source = words.source();
    source.member = Some(&member);
    let refused = region.set(&words.role("x", &[source]));
    assert!(matches!(refused, Err(WriteError::Source(_))));
    assert_eq!(region.snapshot().size(), before);

    for hashes in [vec!["k".to_string(); 129], vec!["k".repeat(256)]] {
        let mut told = settings();
        told.hashes = hashes;
        let made = RegionWriter::create(told, &Capacity::default(), monotonic());
        assert!(made.is_err());
    }
}
