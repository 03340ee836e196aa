//! Claim, join, leave, point, release: each in one step.

use serde_json::{Value, json};

use crate::common::{Registry, map, times};

#[test]
fn a_claim_is_the_only_holder_whatever_the_spelling_before() {
    let registry = Registry::new();
    registry.redis.hset(
        "cloudhosts",
        &[
            ("web", "10.0.0.1"),
            ("WEB", "10.0.0.2"),
            ("web.", "10.0.0.3"),
            ("web/a", "10.0.0.4"),
            ("Web./b", "10.0.0.5"),
            ("web2", "10.0.0.6"),
            ("web.internal", "10.0.0.7"),
            ("web-1/a", "10.0.0.8"),
            ("*.web", "10.0.0.9"),
        ],
    );
    assert_eq!(
        registry.prints(&["claim", "Web.", "10.0.1.1", "fd00::1"]),
        "web is at 10.0.1.1 fd00::1 in cloudhosts, 2 members removed\n"
    );
    let others = [
        ("web", "10.0.1.1 fd00::1"),
        ("web2", "10.0.0.6"),
        ("web.internal", "10.0.0.7"),
        ("web-1/a", "10.0.0.8"),
        ("*.web", "10.0.0.9"),
    ];
    assert_eq!(registry.hash(), map(&others));
    // a wildcard is a role like others
    registry
        .redis
        .hset("cloudhosts", &[("*.WEB/x", "10.0.0.9")]);
    registry.prints(&["claim", "*.web", "10.0.1.2"]);
    assert_eq!(registry.hash()["*.web"], "10.0.1.2");
    assert_eq!(registry.hash().len(), 5);
}

#[test]
fn more_members_than_fit_on_a_stack_go_in_one_step() {
    let registry = Registry::new();
    let commands: String = (0..20_000)
        .map(|n| {
            format!(
                "HSET cloudhosts web/m{n} 10.1.{}.{}\n",
                n / 250,
                1 + n % 250
            )
        })
        .collect();
    registry.redis.pipeline(&commands);
    registry.prints(&["claim", "web", "10.0.1.1"]);
    assert_eq!(registry.hash(), map(&[("web", "10.0.1.1")]));
    assert_eq!(registry.redis.calls("xadd"), 1);
}

#[test]
fn members_join_and_leave() {
    let registry = Registry::new();
    registry.prints(&["join", "web", "10.0.0.1", "--member", "a"]);
    assert_eq!(
        registry.prints(&["join", "web", "10.0.0.2,10.0.0.3", "--member", "b"]),
        "web/b is at 10.0.0.2 10.0.0.3 in cloudhosts\n"
    );
    let uname = rustix::system::uname();
    let own = format!("web/{}", uname.nodename().to_string_lossy());
    registry.prints(&["join", "web", "10.0.0.4", "pick=1"]);
    let all = [
        ("web/a", "10.0.0.1"),
        ("web/b", "10.0.0.2 10.0.0.3"),
        (&*own, "10.0.0.4 pick=1"),
    ];
    assert_eq!(registry.hash(), map(&all));
    assert_eq!(
        registry.prints(&["leave", "web", "--member", "b"]),
        "web/b is gone from cloudhosts\n"
    );
    assert_eq!(
        registry.prints(&["leave", "web", "--member", "b"]),
        "web/b was not in cloudhosts\n"
    );
    registry.prints(&["leave", "WEB"]);
    assert_eq!(registry.hash(), map(&[("web/a", "10.0.0.1")]));
}

#[test]
fn a_role_points_and_is_released() {
    let registry = Registry::new();
    registry.prints(&["claim", "db-3", "10.0.0.3"]);
    registry.prints(&["join", "db", "10.0.0.4", "--member", "x"]);
    assert_eq!(
        registry.prints(&["point", "db", "DB-3"]),
        "db points at db-3 in cloudhosts, 1 member removed\n"
    );
    assert_eq!(
        registry.hash(),
        map(&[("db-3", "10.0.0.3"), ("db", "db-3")])
    );
    registry.prints(&["join", "db", "10.0.0.4", "--member", "x"]);
    assert_eq!(
        registry.prints(&["release", "db"]),
        "db is gone from cloudhosts, 1 member removed\n"
    );
    assert_eq!(registry.hash(), map(&[("db-3", "10.0.0.3")]));
    assert_eq!(
        registry.prints(&["release", "db"]),
        "db was not in cloudhosts\n"
    );
}

#[test]
fn what_is_there_already_is_not_written_again() {
    let registry = Registry::new();
    for _ in 0..3 {
        registry.prints(&["claim", "web", "10.0.0.1"]);
        registry.prints(&["join", "app", "10.0.0.1", "--member", "a"]);
    }
    assert_eq!(registry.redis.calls("hset"), 2);
}

#[test]
fn a_script_is_told_in_json() {
    let registry = Registry::new();
    registry.prints(&["join", "web", "10.0.0.4", "--member", "x"]);
    let said = registry.prints(&["claim", "web", "10.0.0.1", "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    let place = json!({
        "hash": "cloudhosts", "value": "10.0.0.1", "changed": true, "removed": ["web/x"],
        "ended": [],
    });
    assert_eq!(
        said,
        json!({
            "verb": "claim", "role": "web", "member": null, "places": [place],
            "published": null, "unpublished": null, "dangling": false,
        })
    );
}

#[test]
fn a_dry_run_changes_nothing_and_what_it_prints_does() {
    let registry = Registry::new();
    registry.prints(&["join", "web", "10.0.0.4", "--member", "x"]);
    let before = registry.hash();
    let printed = registry.prints(&[
        "join",
        "web",
        "10.0.0.5",
        "fd00::5",
        "--member",
        "y",
        "--dry-run",
    ]);
    for words in [
        &["claim", "web", "10.0.0.1"][..],
        &["point", "web", "app"],
        &["leave", "web", "--member", "x"],
        &["release", "web"],
        &["hold", "web", "10.0.0.1"],
    ] {
        let said = registry.prints(&[words, &["--dry-run"]].concat());
        assert!(
            said.contains("cloudhosts") && said.contains("web"),
            "{said}"
        );
    }
    assert_eq!(registry.hash(), before);
    assert!(!registry.has(&times("web")));
    let commands: Vec<&str> = printed
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    registry.redis.script(&(commands.join("\n") + "\n"));
    assert_eq!(registry.hash()["web/y"], "10.0.0.5 fd00::5");
    // Redis is not asked, so it need not be there
    let url = "redis://127.0.0.1:1";
    registry.prints(&["--redis-url", url, "claim", "web", "10.0.0.1", "--dry-run"]);
}

#[test]
fn what_could_not_be_read_is_not_written() {
    let registry = Registry::new();
    for (words, why) in [
        (&["claim", "web", "10.0.0.1:80"][..], "has a port"),
        (
            &["claim", "web", "10.0.0.1", "weight=2"],
            "unknown attribute",
        ),
        (&["claim", "web", "db-3"], "cloudhosts point"),
        (&["claim", "web/a", "10.0.0.1"], "--member"),
        (&["claim", "localhost", "10.0.0.1"], "localhost"),
        (&["claim", "10.0.0.5", "10.0.0.1"], "address"),
        (&["join", "web", "10.0.0.1", "--member", "a b"], "member"),
        (
            &["join", "web", "0.0.0.0", "--member", "a"],
            "not a machine",
        ),
        (&["point", "web", "10.0.0.1"], "cloudhosts claim"),
        (&["point", "web", "Web."], "itself"),
        (&["point", "web", "a b"], "two names"),
        (&["release", "we b"], "we b"),
        (
            &["hold", "web", "10.0.0.1", "--lease", "1s"],
            "from 3s to 1day",
        ),
        (&["hold", "web", "10.0.0.1", "--lease", "soon"], "--lease"),
        (&["--hash", "", "claim", "web", "10.0.0.1"], "--hash"),
        (
            &["--redis-url", "http://x", "claim", "web", "10.0.0.1"],
            "--redis-url",
        ),
    ] {
        let said = registry.fails(2, words);
        assert!(said.contains(why), "{words:?}: {said}");
        assert!(!said.contains('\u{1b}'), "{said}");
    }
    let said = registry.fails(2, &["claim", "\u{1b}[31mred", "10.0.0.1"]);
    assert!(!said.contains('\u{1b}'), "{said}");
    assert_eq!(registry.redis.cli(&["DBSIZE"]), "0");
}
