//! What the daemon and the command say about themselves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use cloudhosts_tests::World;
use cloudhosts_tests::daemon::STATUS;
use cloudhosts_tests::process::{stderr, stdout};
use cloudhosts_tests::world::HASH;
use serde_json::Value;

#[test]
fn the_status_file_says_all_that_the_contract_lists() {
    let world = World::with(&[
        ("web", "10.0.0.5 fd00::5"),
        ("db", "10.0.0.6"),
        ("bad", "10.0.0.6:1"),
    ]);
    let status = world.daemon.wait_for("three fields were read", |status| {
        status["rejected"]["count"] == 1
    });
    assert_eq!(status["state"], "live");
    assert_eq!(status["pid"], world.daemon.id());
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["names"], 2);
    assert_eq!(status["addresses"], 3);
    assert_eq!(status["redis"]["endpoint"], world.redis.unix_url());
    assert_eq!(status["redis"]["mode"], "tracking");
    assert_eq!(status["hashes"][0]["key"], HASH);
    assert_eq!(status["hashes"][0]["fields"], 2);
    assert_eq!(status["hashes"][0]["retained"], 0);
    assert_eq!(status["rejected"]["fields"][0]["hash"], HASH);
    assert_eq!(status["rejected"]["fields"][0]["field"], "bad");
    assert_eq!(status["rejected"]["fields"][0]["code"], "value");
    assert!(!status.to_string().contains("10.0.0.6"), "{status:#}");
    for number in ["generation", "table_bytes", "publishes"] {
        assert!(status[number].as_u64() > Some(0), "{number}: {status:#}");
    }
    assert!(
        !status["since"].is_null() && !status["redis"]["since"].is_null(),
        "{status:#}"
    );
    assert!(!status["last_full_read"]["at"].is_null(), "{status:#}");
    assert!(
        status["last_full_read"]["cost_ms"].as_f64() >= Some(0.0),
        "{status:#}"
    );
}

#[test]
fn the_status_file_may_be_read_by_all_and_follows_changes() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::with(&[("web", "10.0.0.5")]);
    let file = world.sandbox.outside(STATUS);
    assert_eq!(
        std::fs::metadata(file).unwrap().permissions().mode() & 0o777,
        0o644
    );
    let before = world.daemon.status();
    world.hset(&[("db", "10.0.0.6")]);
    let after = world
        .daemon
        .wait_for("two names", |status| status["names"] == 2);
    assert!(after["generation"].as_u64() > before["generation"].as_u64());
    assert!(after["publishes"].as_u64() > before["publishes"].as_u64());
}

#[test]
fn cloudhosts_status_succeeds_when_live() {
    let world = World::with(&[("web", "10.0.0.5"), ("db", "10.0.0.6")]);
    let output = world.cloudhosts(&["status"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains("live"), "{said}");
    assert!(said.contains(&world.redis.unix_url()), "{said}");

    let output = world.cloudhosts(&["status", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let passed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(passed, world.daemon.status());
}

#[test]
fn cloudhosts_status_fails_with_the_reason_when_redis_is_away() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    world.redis.kill();
    let status = world.daemon.wait_for_state("reconnecting");
    let reason = status["reason"].as_str().unwrap();
    assert!(!reason.is_empty());
    let output = world.cloudhosts(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stdout(&output) + &stderr(&output);
    assert!(said.contains("reconnecting"), "{said}");
    assert!(said.contains(&world.redis.unix_url()), "{said}");
    let output = world.cloudhosts(&["status", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let passed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(passed["state"], "reconnecting");
}

#[test]
fn cloudhosts_status_fails_when_guarded() {
    let world = World::with(&[("web", "10.0.0.5")]);
    world.redis.cli(&["FLUSHALL"]);
    let status = world.daemon.wait_for_state("guarded");
    assert_eq!(status["hashes"][0]["retained"], 1);
    let output = world.cloudhosts(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stdout(&output) + &stderr(&output);
    assert!(
        said.contains("guarded") && said.contains("run: cloudhosts accept"),
        "what to do: {said}"
    );
}

#[test]
fn cloudhosts_status_fails_when_no_daemon_runs() {
    let world = World::new().build();
    let output = world.cloudhosts(&["status"]);
    assert_eq!(output.status.code(), Some(3));
    let said = stderr(&output);
    assert!(said.contains(STATUS), "{said}");

    // nor does a file that a killed daemon left speak for it
    let mut world = World::with(&[("web", "10.0.0.5")]);
    assert_eq!(world.cloudhosts(&["status"]).status.code(), Some(0));
    world.daemon.kill();
    let output = world.cloudhosts(&["status"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
}

#[test]
fn cloudhosts_resolve_shows_what_the_table_holds() {
    let world = World::with(&[("web", "10.0.0.5 fd00::5"), ("www", "web")]);
    let generation = world.daemon.status()["generation"].to_string();
    let output = world.cloudhosts(&["resolve", "WWW."]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stdout(&output);
    for part in ["10.0.0.5", "fd00::5", "web", "www", &generation] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

#[test]
fn cloudhosts_resolve_says_what_it_does_not_find() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let output = world.cloudhosts(&["resolve", "nobody"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("nobody"), "{}", stderr(&output));

    // what is no name is no question, whoever is asked
    for bad in ["a..b", "localhost", "127.1", "*", "web/i-1"] {
        for verb in ["resolve", "explain"] {
            let output = world.cloudhosts(&[verb, bad]);
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{verb} {bad}: {said}");
            assert!(said.contains(bad), "{verb} {bad}: {said}");
        }
    }
}

#[test]
fn cloudhosts_resolve_needs_a_table() {
    let world = World::new().build();
    let output = world.cloudhosts(&["resolve", "web"]);
    assert!(!output.status.success());
    assert!(!stderr(&output).is_empty());
}
