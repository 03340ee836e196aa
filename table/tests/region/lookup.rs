//! Names to addresses.

use std::time::{Duration, SystemTime};

use cloudhosts_table::{Name, Order, Role, RoleAnswer};

use crate::common::{all, ask, commit, region, region_with, settings};

#[test]
fn a_name_answers_its_addresses_as_written() {
    let region = region(&[
        ("db", "10.0.0.5"),
        ("six", "fd00::5"),
        ("web", "10.0.0.2 fd00::2 10.0.0.1 fd00::1 pick=1"),
    ]);
    let view = region.view();
    assert_eq!(ask(&view, "db"), "db 10.0.0.5");
    assert_eq!(ask(&view, "DB."), "db 10.0.0.5");
    assert_eq!(ask(&view, "six"), "six fd00::5");
    let web = "web 10.0.0.2 10.0.0.1 fd00::2 fd00::1 pick=1";
    assert_eq!(ask(&view, "web"), web);
    for unknown in ["d", "dbb", "db.internal", "internal.db", "we"] {
        assert_eq!(ask(&view, unknown), "none", "{unknown}");
    }
}

#[test]
fn a_pointer_answers_what_it_points_at_under_that_name() {
    let region = region(&[
        ("db", "-> db-3.internal"),
        ("db-3.internal", "10.0.0.3 fd00::3 pick=2"),
        ("old", "-> db-3.internal pick=1"),
        ("gone", "-> x.wild 10.9.9.9"),
    ]);
    let view = region.view();
    let db = "db-3.internal 10.0.0.3 fd00::3 pick=2";
    assert_eq!(ask(&view, "db"), db);
    assert_eq!(ask(&view, "db-3.internal"), db);
    let own_pick = "db-3.internal 10.0.0.3 fd00::3 pick=1";
    assert_eq!(ask(&view, "old"), own_pick);
    assert_eq!(ask(&view, "gone"), "x.wild 10.9.9.9");
    assert_eq!(ask(&view, "x.wild"), "none");
}

#[test]
fn the_role_that_decides_a_name_is_told_and_holds_what_it_holds() {
    let mut settings = settings();
    settings.domain = "prod.example.com".into();
    let entries = [
        ("web", "10.0.0.1"),
        ("www", "-> web"),
        ("*.apps.internal", "10.0.0.2"),
    ];
    let region = region_with(settings, &entries);
    let view = region.view();
    let decider = |name: &str| {
        let name = Name::parse(name.as_bytes()).unwrap();
        view.decider(&name).map(|role| role.to_string())
    };
    assert_eq!(decider("web").as_deref(), Some("web"));
    assert_eq!(decider("www").as_deref(), Some("www"));
    assert_eq!(decider("web.prod.example.com").as_deref(), Some("web"));
    assert_eq!(
        decider("x.apps.internal").as_deref(),
        Some("*.apps.internal")
    );
    assert_eq!(decider("apps.internal"), None);
    assert_eq!(view.role("www").unwrap().canonical().as_str(), "web");
    let apps = view.role("*.apps.internal").unwrap();
    assert!(apps.v4().eq([[10, 0, 0, 2]]));
    // no name stands in for another here
    for other in [
        "x.apps.internal",
        "web.prod.example.com",
        "*.internal",
        "*.",
    ] {
        assert!(view.role(other).is_none(), "{other}");
    }
}

#[test]
fn of_wildcards_the_longest_suffix_answers() {
    let region = region(&[
        ("*.internal", "10.0.0.1"),
        ("*.apps.internal", "10.0.0.2"),
        ("*.a.b.c.d.e", "10.0.0.3"),
        ("web.apps.internal", "10.0.0.4"),
        ("x.internal", "-> web.apps.internal"),
    ]);
    let view = region.view();
    assert_eq!(ask(&view, "db.internal"), "db.internal 10.0.0.1");
    assert_eq!(ask(&view, "a.apps.internal"), "a.apps.internal 10.0.0.2");
    assert_eq!(
        ask(&view, "a.b.apps.internal"),
        "a.b.apps.internal 10.0.0.2"
    );
    // A name's own entry comes first, and what is below it is not its own.
    assert_eq!(
        ask(&view, "web.apps.internal"),
        "web.apps.internal 10.0.0.4"
    );
    assert_eq!(ask(&view, "x.internal"), "web.apps.internal 10.0.0.4");
    assert_eq!(ask(&view, "y.x.internal"), "y.x.internal 10.0.0.1");
    // It stands for the names below the suffix, not for the suffix itself.
    assert_eq!(ask(&view, "internal"), "none");
    assert_eq!(ask(&view, "apps.internal"), "apps.internal 10.0.0.1");
    assert_eq!(ask(&view, "z.a.b.c.d.e"), "z.a.b.c.d.e 10.0.0.3");
    assert_eq!(ask(&view, "a.b.c.d.e"), "none");
    assert_eq!(ask(&view, "xinternal"), "none");
}

#[test]
fn a_wildcard_may_point() {
    let region = region(&[
        ("*.apps", "-> lb pick=1"),
        ("*.old", "-> x.apps 10.0.0.1"),
        ("lb", "10.0.0.1 10.0.0.2"),
    ]);
    let view = region.view();
    assert_eq!(ask(&view, "a.apps"), "lb 10.0.0.1 10.0.0.2 pick=1");
    assert_eq!(ask(&view, "a.old"), "x.apps 10.0.0.1");
}

#[test]
fn a_wildcard_of_any_depth_is_found() {
    // 126 labels are the most that a name of 253 bytes has below another.
    for labels in [1, 2, 30, 31, 32, 33, 60, 125] {
        let suffix = vec!["a"; labels].join(".");
        let wildcard = format!("*.{suffix}");
        let region = region(&[(&wildcard, "10.0.0.1")]);
        let view = region.view();
        let below = format!("b.{suffix}");
        assert_eq!(ask(&view, &below), format!("{below} 10.0.0.1"));
        assert_eq!(ask(&view, &suffix), "none");
        if labels > 1 {
            assert_eq!(ask(&view, &format!("b{}", &suffix[1..])), "none");
        }
    }
}

#[test]
fn names_answer_under_the_domain_too() {
    let domain = |domain: &str| {
        let mut settings = settings();
        settings.domain = domain.into();
        region_with(
            settings,
            &[
                ("*.apps", "10.0.0.2"),
                ("*.prod.example.com", "10.0.0.3"),
                ("db.prod.example.com", "10.0.0.4"),
                ("db", "10.0.0.5"),
                ("web", "10.0.0.1"),
                ("www", "-> web"),
            ],
        )
    };
    let region = domain("prod.example.com");
    let view = region.view();
    assert_eq!(view.domain(), "prod.example.com");
    assert_eq!(ask(&view, "web"), "web 10.0.0.1");
    assert_eq!(ask(&view, "Web.Prod.Example.com."), "web 10.0.0.1");
    assert_eq!(ask(&view, "www.prod.example.com"), "web 10.0.0.1");
    let own = "db.prod.example.com 10.0.0.4";
    assert_eq!(ask(&view, "db.prod.example.com"), own);
    // A wildcard for the whole name is nearer than one for the part of it.
    let whole = "a.apps.prod.example.com 10.0.0.3";
    assert_eq!(ask(&view, "a.apps.prod.example.com"), whole);
    assert_eq!(ask(&view, "prod.example.com"), "none");
    assert_eq!(ask(&view, "webprod.example.com"), "none");
    let other = domain("example.org");
    let view = other.view();
    assert_eq!(ask(&view, "a.apps.example.org"), "a.apps 10.0.0.2");
    assert_eq!(ask(&view, "web.example.com"), "none");
}

#[test]
fn an_empty_table_answers_nothing() {
    let region = region(&[]);
    let view = region.view();
    assert_eq!((view.names(), view.addresses()), (0, 0));
    assert_eq!(ask(&view, "web"), "none");
    assert_eq!(ask(&view, "a.b.c"), "none");
    assert!(view.reverse("10.0.0.1".parse().unwrap()).is_none());
    assert!(all(&view).is_empty());
    assert_eq!(view.roles().count(), 0);
    assert_eq!(view.hashes(), ["cloudhosts"]);
}

#[test]
fn a_role_has_up_to_65535_addresses_of_each_family() {
    let v4: Vec<[u8; 4]> = (0..65_535u32)
        .map(|n| (n | 10 << 24).to_be_bytes())
        .collect();
    let v6: Vec<[u8; 16]> = (0..65_535u128)
        .map(|n| (n | 0xfd << 120).to_be_bytes())
        .collect();
    let farm = Role {
        name: "farm",
        answer: Some(RoleAnswer::Addresses {
            v4: &v4,
            v6: &v6,
            canonical: None,
        }),
        pick: 0,
        sources: &[],
    };
    let capacity = [farm].into_iter().collect();
    let now = cloudhosts_table::clock::monotonic();
    let mut region = cloudhosts_table::RegionWriter::create(settings(), &capacity, now).unwrap();
    region.set(&farm).unwrap();
    commit(&mut region);
    let view = region.view();
    assert_eq!(view.verify(), Ok(()));
    let name = Name::parse(b"farm").unwrap();
    let answer = view.lookup(&name).unwrap();
    assert!(answer.v4().eq(v4.iter().copied()));
    assert!(answer.v6().eq(v6.iter().copied()));
    assert_eq!(view.addresses(), 2 * 65_535);
    let last = view.reverse("10.0.255.254".parse().unwrap()).unwrap();
    assert_eq!(last.canonical(), "farm");
}

#[test]
fn a_region_says_what_it_was_told() {
    let mut told = settings();
    told.generation = 6;
    told.order = Order::Fixed;
    told.stale_max = None;
    told.hashes = vec!["cloudhosts:private".into(), "cloudhosts".into()];
    let mut region = region_with(told, &[("a", "10.0.0.1"), ("b", "10.0.0.1 fd00::1")]);
    let view = region.view();
    assert_eq!(view.generation(), 7);
    assert_eq!((view.order(), view.stale_max()), (Order::Fixed, None));
    assert_eq!((view.names(), view.addresses()), (2, 2));
    assert_eq!(view.hashes(), ["cloudhosts:private", "cloudhosts"]);
    assert_eq!(view.size(), region.region().size());
    let published = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_234_567_890_123_456_789);
    crate::common::set(&mut region, "a", "10.0.0.2").unwrap();
    assert_eq!(region.commit(published), Ok(8));
    assert_eq!(region.view().published(), published);
}

/// `reverse = false` in the configuration.
#[test]
fn addresses_are_not_looked_up_where_that_is_not_wanted() {
    let mut told = settings();
    told.reverse = false;
    let region = region_with(told, &[("web", "10.0.0.1"), ("www", "-> web")]);
    let view = region.view();
    assert!(!view.reverses());
    assert_eq!(ask(&view, "www"), "web 10.0.0.1");
    assert!(view.reverse("10.0.0.1".parse().unwrap()).is_none());
    assert_eq!(view.addresses(), 0);
}
