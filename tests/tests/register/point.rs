//! `point`: a role that works is not pointed at what has no address.

use std::sync::atomic::{AtomicBool, Ordering};

use cloudhosts_tests::dir::Dir;
use cloudhosts_tests::process::{stderr, stdout};
use cloudhosts_tests::{Redis, World};
use serde_json::Value;

use crate::common::{LOG, Registry, map};

/// The exit code of what was refused because a role would not work any more.
const REFUSED: i32 = 5;

#[test]
fn a_role_that_works_is_pointed_at_nothing_only_by_force() {
    let registry = Registry::new();
    registry.redis.hset(
        "cloudhosts",
        &[
            ("web", "10.0.0.1"),
            ("farm/a", "10.0.0.2"),
            ("www", "farm"),
            ("lost", "nobody"),
            ("junk", "10.0.0.1:80"),
        ],
    );
    let before = registry.hash();
    for (role, name) in [
        ("web", "db-typo"),
        ("farm", "db-typo"),
        // which has an address by way of another
        ("www", "db-typo"),
        // it is there, and leads nowhere
        ("web", "lost"),
        ("web", "junk"),
        // back to itself, which is nowhere by then
        ("farm", "www"),
    ] {
        let said = registry.fails(REFUSED, &["point", role, name]);
        assert!(said.contains("--force") && said.contains(name), "{said}");
    }
    assert_eq!(registry.hash(), before);
    assert!(!registry.has(LOG), "nor is it logged");
    let dry = registry.prints(&["point", "web", "db-typo", "--dry-run"]);
    assert!(dry.contains("HSET cloudhosts web db-typo"), "{dry}");

    registry.prints(&["point", "web", "db-typo", "--force"]);
    assert_eq!(registry.hash()["web"], "db-typo");
}

#[test]
fn a_role_that_does_not_work_may_be_pointed_at_what_is_yet_to_come() {
    let registry = Registry::new();
    registry.redis.hset("cloudhosts", &[("lost", "nobody")]);
    for role in ["new", "lost"] {
        let output = registry.run(&["point", role, "later", "--json"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stderr(&output).contains("later"), "{}", stderr(&output));
        let said: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(said["dangling"], true, "{said}");
    }
    assert_eq!(registry.hash(), map(&[("new", "later"), ("lost", "later")]));
}

#[test]
fn what_has_an_address_in_whatever_way_may_be_pointed_at() {
    let dir = Dir::new();
    let redis = Redis::builder(dir.join("redis")).start();
    let lines = "hashes = ['private', 'cloudhosts']\ndomain = 'prod.example.com'";
    let registry = Registry::with(dir, redis, lines);
    registry.redis.hset(
        "cloudhosts",
        &[
            ("db", "10.0.0.1"),
            ("farm/a", "10.0.0.2"),
            ("WIDE.", "10.0.0.3"),
            ("*.apps.internal", "10.0.0.4"),
            ("*.farms/x", "10.0.0.4"),
            ("one", "two"),
            ("two", "farm"),
            ("half/1", "nobody"),
            ("half/2", "10.0.0.5"),
        ],
    );
    registry.redis.hset("private", &[("inner", "10.0.0.6")]);
    for name in [
        "db",
        "farm",
        "wide",
        "a.b.apps.internal",
        "a.farms",
        "one",
        "half",
        "db.prod.example.com",
        // in the other view
        "inner",
    ] {
        registry.redis.hset("cloudhosts", &[("web", "10.0.0.9")]);
        let hash = ["--hash", "cloudhosts"];
        let output = registry.run(&[&hash[..], &["point", "web", name, "--json"]].concat());
        assert_eq!(
            (output.status.code(), &*stderr(&output)),
            (Some(0), ""),
            "{name}"
        );
        let said: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(said["dangling"], false, "{name}");
        assert_eq!(registry.redis.cli(&["HGET", "cloudhosts", "web"]), name);
    }
    // an earlier hash decides, and leads nowhere
    registry.redis.hset("private", &[("db", "nobody")]);
    let hash = ["--hash", "cloudhosts"];
    registry.redis.hset("cloudhosts", &[("web", "10.0.0.9")]);
    registry.fails(REFUSED, &[&hash[..], &["point", "web", "db"]].concat());
}

#[test]
fn another_view_that_may_not_be_read_is_no_obstacle() {
    let dir = Dir::new();
    let rights = "user one on >secret ~cloudhosts ~cloudhosts:* +@all";
    let redis = Redis::builder(dir.join("redis")).user(rights).start();
    let password = dir.join("password");
    std::fs::write(&password, "secret\n").unwrap();
    let lines = format!(
        "hashes = ['private', 'cloudhosts']\n[redis]\nurls = ['{}']\nusername = 'one'\n\
         password_file = '{}'\n",
        redis.unix_url(),
        password.display()
    );
    let registry = Registry::with(dir, redis, &lines);
    registry.redis.hset("cloudhosts", &[("web", "10.0.0.1")]);
    registry.prints(&["--hash", "cloudhosts", "point", "web", "elsewhere"]);
    assert_eq!(registry.hash()["web"], "elsewhere");
}

/// While `name` is at an address and is not, again and again, each time logged, does `work`; the
/// entries of the log in the end.
fn while_it_comes_and_goes(name: &str, work: impl Fn(&Registry)) -> Vec<Value> {
    let registry = Registry::new();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let flip = format!(
                "MULTI\nXADD {LOG} * +{name} 10.0.0.3\nHSET cloudhosts {name} 10.0.0.3\nEXEC\n\
                 MULTI\nXADD {LOG} * -{name} \"\"\nHDEL cloudhosts {name}\nEXEC\n"
            );
            for _ in 0..200 {
                registry.redis.script(&flip.repeat(10));
            }
            ended.store(true, Ordering::Relaxed);
        });
        while !ended.load(Ordering::Relaxed) {
            work(&registry);
        }
    });
    let log = registry.prints(&["history", "--json"]);
    let entries = log.lines().map(|line| serde_json::from_str(line).unwrap());
    entries.collect()
}

/// Points one at the other; it may be refused, or others change it all the time.
fn point(registry: &Registry, role: &str, name: &str) {
    let output = registry.run(&["point", role, name]);
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 3 | REFUSED)), "{}", stderr(&output));
}

/// Looks at each pointing with what `role` was just before.
fn at_each_point(log: &[Value], role: &str, check: impl Fn(Option<&str>)) {
    let (mut value, mut pointed) = (None, 0);
    for entry in log {
        if entry["verb"] == "point" {
            check(value);
            pointed += 1;
        }
        let gone = entry["removed"].as_array().unwrap();
        if gone.contains(&role.into()) {
            value = None;
        }
        value = entry["set"][role].as_str().or(value);
    }
    assert!(pointed > 0, "it never was pointed");
}

#[test]
fn that_what_is_pointed_at_has_an_address_is_seen_in_the_same_step() {
    let log = while_it_comes_and_goes("db", |registry| {
        registry.prints(&["claim", "web", "10.0.0.1"]);
        point(registry, "web", "db");
    });
    at_each_point(&log, "db", |db| assert_eq!(db, Some("10.0.0.3")));
}

#[test]
fn that_the_role_has_none_is_seen_in_the_same_step() {
    let log = while_it_comes_and_goes("web", |registry| point(registry, "web", "nobody"));
    at_each_point(&log, "web", |web| assert_ne!(web, Some("10.0.0.3")));
}

#[test]
fn a_pointer_that_works_again_is_published() {
    let world = World::with(&[("web", "10.0.0.1"), ("db", "10.0.0.2")]);
    let output = world.cloudhosts(&["point", "web", "db-typo", "--wait"]);
    assert_eq!(output.status.code(), Some(REFUSED), "{}", stderr(&output));
    world.sees("web", &["10.0.0.1"]);
    let output = world.cloudhosts(&["point", "web", "db", "--wait"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    world.sees("web", &["10.0.0.2"]);
}
