//! `cloudhosts accept`: the loss is accepted on all machines, by way of the log.

use cloudhosts_tests::World;
use cloudhosts_tests::process::stderr;
use serde_json::{Value, json};

use crate::common::{LOG, Registry, map};

#[test]
fn a_loss_is_accepted_of_all_roles_or_of_some() {
    let registry = Registry::new();
    registry.prints(&["claim", "web", "10.0.0.1"]);
    let entry = registry.logs(&["accept"]);
    assert_eq!(entry.does(), [".drop=*"]);
    assert_eq!((entry.get(".verb"), entry.get(".len")), ("accept", "1"));
    assert_eq!(entry.get(".nonce").len(), 16);
    assert_eq!(
        registry.prints(&["accept", "DB-Master.", "*.apps", "db-master"]),
        "accepted the loss of *.apps, db-master in cloudhosts\n"
    );
    let last = registry.log().pop().unwrap();
    assert_eq!(last.does(), [".drop=*.apps", ".drop=db-master"]);
    assert_eq!(registry.hash(), map(&[("web", "10.0.0.1")]));
    // there need be nothing at all
    registry.redis.cli(&["FLUSHALL"]);
    assert_eq!(
        registry.prints(&["accept"]),
        "accepted all losses in cloudhosts\n"
    );
    assert_eq!(registry.redis.cli(&["KEYS", "*"]), LOG);
}

#[test]
fn it_is_written_beside_each_configured_hash() {
    let registry = Registry::new();
    let hashes = ["--hash", "a", "--hash", "b"];
    let said = registry.prints(&[&hashes[..], &["accept", "web", "--json"]].concat());
    let said: Value = serde_json::from_str(&said).unwrap();
    let wanted = json!({
        "verb": "accept", "roles": ["web"], "hashes": ["a", "b"], "published": null, "unpublished": null,
    });
    assert_eq!(said, wanted);
    let (a, b) = (registry.log_of("a"), registry.log_of("b"));
    assert_eq!(
        (a[0].does(), b[0].does()),
        (vec![".drop=web".to_owned()], vec![".drop=web".to_owned()])
    );
    assert_eq!(a[0].get(".tx"), b[0].get(".tx"));
    assert_eq!(a[0].get(".tx").len(), 16);
}

#[test]
fn a_dry_run_accepts_nothing_and_what_it_prints_does() {
    let registry = Registry::new();
    let printed = registry.prints(&["accept", "web", "*.apps", "--dry-run"]);
    assert!(!registry.has(LOG));
    let commands: Vec<&str> = printed
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    registry.redis.script(&(commands.join("\n") + "\n"));
    let log = registry.log();
    assert_eq!(log[0].does(), [".drop=*.apps", ".drop=web"]);
}

#[test]
fn what_is_no_role_is_not_accepted() {
    let registry = Registry::new();
    for (words, why) in [
        (&["accept", "web/a"][..], "--member"),
        (&["accept", "we b"], "we b"),
        (&["accept", "*"], "wildcard"),
    ] {
        let said = registry.fails(2, words);
        assert!(said.contains(why), "{words:?}: {said}");
    }
    let many: Vec<String> = (0..1001).map(|n| format!("web-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let said = registry.fails(2, &[&["accept"], &many[..]].concat());
    assert!(said.contains("1000"), "{said}");
    assert!(!registry.has(LOG));
    registry.prints(&[&["accept"], &many[1..]].concat());
    assert_eq!(registry.log()[0].does().len(), 1000);
}

#[test]
fn where_nothing_is_retained_there_is_nothing_to_wait_for() {
    let world = World::with(&[("web", "10.0.0.1")]);
    let output = world.cloudhosts(&["accept", "--wait"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(world.look_up("web").addresses, ["10.0.0.1"]);
    let registry = Registry::new();
    let output = registry.run(&["accept", "--wait"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert_eq!(registry.log().len(), 1);
}
