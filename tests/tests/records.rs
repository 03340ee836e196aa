//! What may stand in the hash: each line of the contract's two tables, and what is refused.

use cloudhosts_tests::daemon::rejected;
use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{Family, World};

/// Asks after everything written so far has been read.
fn now(world: &World, name: &str) -> Vec<String> {
    world.look_up(name).sorted()
}

#[test]
fn a_plain_field_and_its_members_are_one_role() {
    let world = World::with(&[
        ("web", "10.0.0.1"),
        ("db/i-0abc", "10.0.1.1"),
        ("db/fe80::1_x.y", "10.0.1.2"),
    ]);
    assert_eq!(now(&world, "web"), ["10.0.0.1"]);
    assert_eq!(now(&world, "db"), ["10.0.1.1", "10.0.1.2"]);

    world.hset(&[
        ("web/i-1", "10.0.0.2"),
        ("web/i-2", "10.0.0.3 fd00::3"),
        ("web/i-3", "10.0.0.1"),
    ]);
    world.sees("web", &["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::3"]);
    world.redis.cli(&["HDEL", HASH, "web/i-2"]);
    world.sees("web", &["10.0.0.1", "10.0.0.2"]);
    world.redis.cli(&["HDEL", HASH, "web"]);
    world.sees("web", &["10.0.0.1", "10.0.0.2"]);
    world.redis.cli(&["HDEL", HASH, "web/i-1", "web/i-3"]);
    world.sees_none("web");
    assert_eq!(now(&world, "web/i-1"), [""; 0], "a member is no name");
}

#[test]
fn fields_are_folded_as_names_are() {
    let world = World::with(&[
        ("Web.", "10.0.0.1"),
        ("WEB/i-1", "10.0.0.2"),
        ("*.Apps.Internal.", "10.0.0.3"),
    ]);
    assert_eq!(now(&world, "web"), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(now(&world, "shop.apps.internal"), ["10.0.0.3"]);
}

#[test]
fn the_longest_wildcard_answers_names_that_have_no_entry_of_their_own() {
    let world = World::with(&[
        ("*.apps.internal", "10.1.0.1"),
        ("*.eu.apps.internal", "10.1.0.2"),
        ("shop.apps.internal", "10.1.0.3"),
        ("*.farm.internal/i-1", "10.1.0.4"),
        ("*.farm.internal/i-2", "10.1.0.5"),
    ]);
    for (name, address) in [
        ("a.apps.internal", "10.1.0.1"),
        ("a.b.c.apps.internal", "10.1.0.1"),
        ("eu.apps.internal", "10.1.0.1"),
        ("a.shop.apps.internal", "10.1.0.1"),
        ("a.eu.apps.internal", "10.1.0.2"),
        ("A.B.EU.apps.internal.", "10.1.0.2"),
        ("shop.apps.internal", "10.1.0.3"),
    ] {
        assert_eq!(now(&world, name), [address], "{name}");
    }
    assert_eq!(now(&world, "x.farm.internal"), ["10.1.0.4", "10.1.0.5"]);
    for name in [
        "apps.internal",
        "internal",
        "xapps.internal",
        "a.apps.internal.x",
    ] {
        assert_eq!(world.look_up(name).code, "EAI_NONAME", "{name}");
    }
}

#[test]
fn values_are_addresses_split_by_blanks_or_commas() {
    let world = World::with(&[
        ("one", "10.0.0.5"),
        ("mixed", "10.0.0.5 fd00::5"),
        ("commas", "10.0.0.5,10.0.0.6"),
        (
            "all-sorts",
            "  10.0.0.5 ,\t10.0.0.6,fd00::5,, fd00:0:0::6 \n",
        ),
        ("twice", "10.0.0.5 10.0.0.5"),
    ]);
    assert_eq!(now(&world, "one"), ["10.0.0.5"]);
    assert_eq!(now(&world, "mixed"), ["10.0.0.5", "fd00::5"]);
    assert_eq!(now(&world, "commas"), ["10.0.0.5", "10.0.0.6"]);
    assert_eq!(
        now(&world, "all-sorts"),
        ["10.0.0.5", "10.0.0.6", "fd00::5", "fd00::6"]
    );
    assert_eq!(now(&world, "twice"), ["10.0.0.5"]);
}

#[test]
fn a_pointer_answers_as_its_target_and_follows_it() {
    let world = World::with(&[
        ("db-master", "db-3.internal"),
        ("db-3.internal", "10.2.0.3 fd00::3"),
        ("db-4.internal", "10.2.0.4"),
        ("app", "Blue.Apps.internal."),
        ("*.apps.internal", "10.2.0.9"),
        ("*.svc", "db-4.internal"),
    ]);
    let canonical = |name: &str| world.running().gai(Family::V4, "canonname", name);
    assert_eq!(
        (
            canonical("db-master").name.as_str(),
            now(&world, "db-master")
        ),
        ("db-3.internal", vec!["10.2.0.3".into(), "fd00::3".into()])
    );
    assert_eq!(
        (canonical("app").name.as_str(), now(&world, "app")),
        ("blue.apps.internal", vec!["10.2.0.9".into()])
    );
    assert_eq!(
        (canonical("x.svc").name.as_str(), now(&world, "x.svc")),
        ("db-4.internal", vec!["10.2.0.4".into()])
    );

    world.hset(&[("db-3.internal", "10.2.0.33")]);
    world.sees("db-master", &["10.2.0.33"]);
    world.hset(&[("db-master", "db-4.internal")]);
    world.sees("db-master", &["10.2.0.4"]);
}

#[test]
fn chains_of_8_pointers_resolve_and_of_9_are_reported() {
    let world = World::with(&[
        ("p9", "p8"),
        ("p8", "p7"),
        ("p7", "p6"),
        ("p6", "p5"),
        ("p5", "p4"),
        ("p4", "p3"),
        ("p3", "p2"),
        ("p2", "p1"),
        ("p1", "end"),
        ("end", "10.0.0.5"),
    ]);
    let answer = world.running().gai(Family::Any, "canonname", "p8");
    assert_eq!(
        (answer.name.as_str(), answer.sorted()),
        ("end", vec!["10.0.0.5".to_owned()])
    );
    assert_eq!(world.look_up("p9").code, "EAI_NONAME");
    world.daemon.wait_for_rejected(HASH, "p9");
    assert_eq!(rejected(&world.daemon.status(), HASH, "p8"), None);
}

#[test]
fn a_loop_and_a_dangling_pointer_are_reported_and_hurt_nobody_else() {
    let world = World::with(&[
        ("web", "10.0.0.5"),
        ("a", "b"),
        ("b", "c"),
        ("c", "a"),
        ("self", "self"),
        ("into-loop", "a"),
        ("dangling", "nobody"),
    ]);
    for field in ["a", "b", "c", "self", "into-loop", "dangling"] {
        let reason = world.daemon.wait_for_rejected(HASH, field);
        assert!(!reason.is_empty());
        assert_eq!(world.look_up(field).code, "EAI_NONAME", "{field}");
    }
    assert_eq!(now(&world, "web"), ["10.0.0.5"]);

    world.hset(&[("nobody", "10.0.0.6"), ("c", "web")]);
    for (name, address) in [
        ("dangling", "10.0.0.6"),
        ("a", "10.0.0.5"),
        ("b", "10.0.0.5"),
        ("into-loop", "10.0.0.5"),
    ] {
        world.sees(name, &[address]);
    }
    world.daemon.wait_for("only self is rejected", |status| {
        status["rejected"]["count"] == 1
    });
}

#[test]
fn an_unknown_attribute_is_reported_and_ignored() {
    let world = World::with(&[("web", "10.0.0.5 colour=blue"), ("db", "10.0.0.6")]);
    assert_eq!(now(&world, "web"), ["10.0.0.5"]);
    let reason = world.daemon.wait_for_rejected(HASH, "web");
    let status = world.daemon.status();
    assert_eq!(status["rejected"]["fields"][0]["code"], "attribute");
    assert!(
        !reason.contains("colour"),
        "everybody may read it: {reason}"
    );
}

#[test]
fn values_that_cannot_be_read_are_reported_each_with_its_reason() {
    let bad = [
        ("empty", ""),
        ("blank", " , "),
        ("range", "10.0.0.256"),
        ("mixed", "10.0.0.5 web"),
        ("two-names", "web db"),
        ("port", "10.0.0.5:80"),
        ("prefix", "10.0.0.0/24"),
        ("scope", "fe80::1%eth0"),
        ("unspecified", "0.0.0.0"),
        ("unspecified-6", "::"),
        ("multicast", "224.0.0.1"),
        ("broadcast", "255.255.255.255"),
        ("only-attribute", "pick=1"),
        ("pick-word", "10.0.0.5 pick=many"),
        ("control", "10.0.0.5\u{1b}[31m"),
    ];
    let mut pairs = bad.to_vec();
    pairs.push(("web", "10.0.0.5"));
    let world = World::with(&pairs);
    for (field, value) in bad {
        let reason = world.daemon.wait_for_rejected(HASH, field);
        assert!(
            !reason.is_empty() && !reason.contains('\u{1b}'),
            "{value}: {reason}"
        );
        assert_ne!(world.look_up(field).code, "ok", "{field} = {value}");
    }
    assert_eq!(now(&world, "web"), ["10.0.0.5"]);
    assert!(
        !world.daemon.log().contains("\u{1b}[31m"),
        "the log writes to nobody's terminal"
    );
}

#[test]
fn names_that_cannot_be_are_reported_each_with_its_reason() {
    let label = "l".repeat(64);
    let long = format!("{0}.{0}.{0}.{0}", "n".repeat(63));
    let bad = [
        "localhost",
        "x.localhost",
        "LOCALHOST.",
        "10.0.0.9",
        "1.2.3",
        "0x7f.1",
        "fd00::1",
        "a..b",
        ".a",
        "",
        "a b",
        "a%b",
        "web/",
        "web/a b",
        "web/a/b",
        "*",
        "w*b",
        "a.*.b",
        &label,
        &long,
        "caf\u{e9}",
    ];
    let mut pairs: Vec<(&str, &str)> = bad.iter().map(|&field| (field, "10.66.6.6")).collect();
    pairs.push(("web", "10.0.0.5"));
    let world = World::with(&pairs);
    let status = world.daemon.wait_for("all of them are rejected", |status| {
        status["rejected"]["count"] == bad.len()
    });
    for one in status["rejected"]["fields"].as_array().unwrap() {
        assert!(!one["reason"].as_str().unwrap().is_empty(), "{one}");
    }
    assert_eq!(now(&world, "web"), ["10.0.0.5"]);
    assert_eq!(world.running().by_addr("10.66.6.6").code, "HOST_NOT_FOUND");
    assert_eq!(
        now(&world, "localhost"),
        ["127.0.0.1"],
        "it is what it always was"
    );
}

#[test]
fn a_bad_value_keeps_the_last_good_one_over_a_restart_of_the_daemon_too() {
    let mut world = World::with(&[
        ("web", "10.0.0.5"),
        ("farm/a", "10.0.1.1"),
        ("farm/b", "10.0.1.2"),
        ("gone", "10.0.0.9"),
    ]);
    world.hset(&[
        ("web", "10.0.0.5:80"),
        ("farm/b", "oops!"),
        ("farm/a", "10.0.1.11"),
        ("gone", "?"),
    ]);
    world.daemon.wait_for_rejected(HASH, "web");
    world.daemon.wait_for_rejected(HASH, "farm/b");
    world.sees("farm", &["10.0.1.11", "10.0.1.2"]);
    assert_eq!(now(&world, "web"), ["10.0.0.5"]);
    assert_eq!(now(&world, "gone"), ["10.0.0.9"]);

    assert!(world.daemon.terminate().success());
    world.daemon.start();
    world.daemon.wait_for_state("live");
    world.sync(HASH);
    assert_eq!(now(&world, "web"), ["10.0.0.5"]);
    assert_eq!(now(&world, "farm"), ["10.0.1.11", "10.0.1.2"]);
    assert_eq!(
        world.prints("getent", &["hosts", "web"]),
        "10.0.0.5        web\n",
        "a fresh process"
    );
    world.daemon.wait_for_rejected(HASH, "web");

    world.redis.cli(&["HDEL", HASH, "gone"]);
    world.sees_none("gone");
    world.hset(&[("web", "10.0.0.6"), ("farm/b", "10.0.1.3")]);
    world.sees("web", &["10.0.0.6"]);
    world.sees("farm", &["10.0.1.11", "10.0.1.3"]);
    world.daemon.wait_for("nothing is rejected", |status| {
        status["rejected"]["count"] == 0
    });
}

#[test]
fn the_first_hash_that_has_a_role_decides_it() {
    let world = World::new()
        .config("hashes", "['cloudhosts:private', 'cloudhosts']")
        .hash(
            "cloudhosts:private",
            &[("web", "10.0.0.5"), ("db", "db-1"), ("farm/a", "10.0.1.1")],
        )
        .hash(
            "cloudhosts",
            &[
                ("web", "198.51.100.5 fd00::5"),
                ("db", "198.51.100.6"),
                ("db-1", "198.51.100.61"),
                ("farm/b", "198.51.100.7"),
                ("shared", "198.51.100.8"),
            ],
        )
        .hash(
            "cloudhosts:public",
            &[("web", "203.0.113.5"), ("public", "203.0.113.6")],
        )
        .start();
    assert_eq!(now(&world, "web"), ["10.0.0.5"]);
    assert_eq!(
        now(&world, "farm"),
        ["10.0.1.1"],
        "members of two hashes are not mixed"
    );
    assert_eq!(
        now(&world, "db"),
        ["198.51.100.61"],
        "a pointer finds its target in any view"
    );
    assert_eq!(now(&world, "shared"), ["198.51.100.8"]);
    assert_eq!(
        world.look_up("public").code,
        "EAI_NONAME",
        "a hash that is not mirrored"
    );

    world.redis.cli(&["HDEL", "cloudhosts:private", "web"]);
    world.sees("web", &["198.51.100.5", "fd00::5"]);
    world
        .redis
        .hset("cloudhosts:private", &[("shared", "10.0.0.8")]);
    world.sees("shared", &["10.0.0.8"]);
    world
        .redis
        .hset("cloudhosts", &[("shared", "198.51.100.88")]);
    world.sync("cloudhosts");
    assert_eq!(now(&world, "shared"), ["10.0.0.8"]);
}

#[test]
fn only_allowed_names_are_mirrored() {
    let world = World::new()
        .config("allow", "['web*', 'db', '*.apps.internal', 'sync-mark']")
        .hash(
            HASH,
            &[
                ("web", "10.0.0.1"),
                ("web-2/i-1", "10.0.0.2"),
                ("db", "10.0.0.3"),
                ("db-2", "10.0.0.4"),
                ("mail", "10.0.0.5"),
                ("bank.example.com", "10.0.0.6"),
            ],
        )
        .start();
    for (name, address) in [
        ("web", "10.0.0.1"),
        ("web-2", "10.0.0.2"),
        ("db", "10.0.0.3"),
    ] {
        assert_eq!(now(&world, name), [address]);
    }
    world.hset(&[("login.example.com", "10.0.0.7")]);
    world.sync(HASH);
    for name in ["db-2", "mail", "bank.example.com", "login.example.com"] {
        assert_eq!(world.look_up(name).code, "EAI_NONAME", "{name}");
    }
}
