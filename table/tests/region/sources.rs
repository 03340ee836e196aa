//! Where roles came from: what `list` and `explain` show.

use cloudhosts_table::{EntrySource, RegionWriter, Role, RoleAnswer, Source, SourceValue};

use crate::common::{Words, commit, empty, region, settings};

fn plain(v4: &[[u8; 4]]) -> EntrySource {
    EntrySource {
        hash: 0,
        member: None,
        retained: false,
        target: None,
        v4: v4.to_vec(),
        v6: Vec::new(),
        pick: 0,
    }
}

#[test]
fn a_plain_field_needs_no_room_and_is_told_all_the_same() {
    let with = region(&[("web", "10.0.0.1 fd00::1 pick=1"), ("www", "-> web")]);
    let mut without = empty(settings());
    let words = Words::parse("10.0.0.1 fd00::1 pick=1");
    without.set(&words.role("web", &[])).unwrap();
    without
        .set(&Words::parse("-> web").role("www", &[]))
        .unwrap();
    commit(&mut without);
    let size = |region: &RegionWriter| region.snapshot().size() & !1023;
    assert_eq!(size(&with), size(&without));
    let web = with.role("web").unwrap();
    let expected = EntrySource {
        v6: words.v6.clone(),
        pick: 1,
        ..plain(&[[10, 0, 0, 1]])
    };
    assert_eq!(web.sources, [expected]);
    let www = with.view().role_entry("www").unwrap();
    assert_eq!(www.sources[0].target.as_deref(), Some("web"));
    assert_eq!(www.answer.unwrap().canonical.as_deref(), Some("web"));
    assert!(without.role("web").unwrap().sources.is_empty());
}

#[test]
fn members_and_overruled_and_retained_fields_are_told() {
    let mut region = empty(settings());
    let addresses = [[10, 0, 0, 1], [10, 0, 0, 2]];
    let source = |hash, member, retained, v4, target| Source {
        hash,
        member,
        retained,
        value: SourceValue {
            v4,
            v6: &[],
            target,
            pick: 3,
        },
    };
    let sources = [
        source(0, Some("i-1"), false, &addresses[..1], None),
        source(0, Some("i-2"), true, &addresses[1..], None),
        source(5, None, false, &[], Some("elsewhere.example")),
    ];
    let farm = Role {
        name: "*.farm",
        answer: Some(RoleAnswer::Addresses {
            v4: &addresses,
            v6: &[],
            canonical: None,
        }),
        pick: 3,
        sources: &sources,
    };
    region.set(&farm).unwrap();
    // It leads nowhere, but it is there.
    let lost = Role {
        name: "lost",
        answer: None,
        pick: 0,
        sources: &sources[2..],
    };
    region.set(&lost).unwrap();
    commit(&mut region);
    assert_eq!(region.view().verify(), Ok(()));
    let told = region.role("*.farm").unwrap();
    assert_eq!(told.name, "*.farm");
    let members: Vec<_> = told
        .sources
        .iter()
        .map(|source| (source.hash, source.member.as_deref(), source.retained))
        .collect();
    let expected = [
        (0, Some("i-1"), false),
        (0, Some("i-2"), true),
        (5, None, false),
    ];
    assert_eq!(members, expected);
    assert_eq!(told.sources[1].v4, addresses[1..]);
    assert_eq!(told.sources[2].target.as_deref(), Some("elsewhere.example"));
    assert_eq!(told.sources[2].pick, 3);

    let told = region.role("lost").unwrap();
    assert_eq!((told.answer, told.sources.len()), (None, 1));
    assert!(region.view().role("lost").is_none());
    assert_eq!(region.view().names(), 1);
    let mut all: Vec<_> = region.view().roles().map(|role| role.name).collect();
    all.sort();
    assert_eq!(all, ["*.farm", "lost"]);
}

/// One that has no answer is not there for a lookup, as if it were not there.
#[test]
fn a_role_without_an_answer_hides_nothing() {
    let region = region(&[("x.apps", ""), ("*.apps", "10.0.0.1"), ("*.x.apps", "")]);
    let view = region.view();
    assert_eq!(crate::common::ask(&view, "x.apps"), "x.apps 10.0.0.1");
    assert_eq!(crate::common::ask(&view, "y.x.apps"), "y.x.apps 10.0.0.1");
}
