//! SIGHUP: the configuration is read again.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use cloudhosts_tests::config::list;
use cloudhosts_tests::process::Signal;
use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{Redis, World, wait};
use serde_json::{Value, json};

/// Another configuration at the same Redis, and SIGHUP.
fn reload(world: &mut World, top: &str) {
    let urls = list(&[&world.redis.unix_url()]);
    reload_at(world, top, &urls);
}

fn reload_at(world: &mut World, top: &str, urls: &str) {
    world
        .daemon
        .configure(&format!("{top}\n[redis]\nurls = {urls}\n"));
    world.daemon.signal(Signal::HUP);
}

/// Waits until the daemon has logged this since it had logged so much.
fn logs(world: &World, before: usize, words: &[&str]) {
    wait::until_seen(
        &format!("the daemon logs {words:?}"),
        || world.daemon.log().split_off(before),
        |log| words.iter().all(|word| log.contains(word)),
    );
}

#[test]
fn a_wrong_file_changes_nothing() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    world.sees("web", &["10.0.0.5"]);
    let before = world.daemon.status();
    for wrong in ["hashes = []", "allow = 'web'", "no toml", "stale_max = '1'"] {
        let logged = world.daemon.log().len();
        reload(&mut world, wrong);
        logs(&world, logged, &["cloudhosts.toml:1"]);
        world.hset(&[("web", "10.0.0.6")]);
        world.sees("web", &["10.0.0.6"]);
        world.hset(&[("web", "10.0.0.5")]);
        world.sees("web", &["10.0.0.5"]);
    }
    let after = world.daemon.status();
    for same in ["pid", "state", "since"] {
        assert_eq!(after[same], before[same], "{after:#}");
    }
    assert_eq!(after["redis"], before["redis"], "not even a new connection");
}

#[test]
fn other_hashes_take_effect_and_no_name_is_lost_meanwhile() {
    let mut world = World::new()
        .hash("old", &[("web", "10.0.0.5"), ("db", "10.0.0.6")])
        .hash("new", &[("web", "10.0.0.7"), ("db", "10.0.0.8")])
        .hash("other", &[("mail", "10.0.0.9")])
        .config("hashes", "['old', 'other']")
        .start();
    let mut watch = world.watch("db");
    watch.until(&["10.0.0.6"]);
    let from = watch.history().len() - 1;
    world.sees("mail", &["10.0.0.9"]);
    reload(&mut world, "hashes = ['new', 'other']");
    world.sees("web", &["10.0.0.7"]);
    watch.until(&["10.0.0.8"]);
    world.redis.hset("new", &[("db", "10.0.0.10")]);
    watch.until(&["10.0.0.10"]);
    world.daemon.wait_for("the hashes", |status| {
        let keys = [0, 1, 2].map(|at| status["hashes"][at]["key"].clone());
        status["state"] == "live" && keys == [json!("new"), json!("other"), Value::Null]
    });
    let seen: Vec<Vec<String>> = watch.history()[from..]
        .iter()
        .map(|seen| seen.addresses.clone())
        .collect();
    assert_eq!(seen, [["10.0.0.6"], ["10.0.0.8"], ["10.0.0.10"]]);
    // and what only the hash had that left is gone
    reload(&mut world, "hashes = ['new']");
    world.sees_none("mail");
    world.daemon.wait_for_state("live");
}

#[test]
fn a_hash_that_leaves_is_answered_until_the_new_one_is_read() {
    let mut world = World::new()
        .hash("old", &[("db", "10.0.0.6")])
        .hash("new", &[("db", "10.0.0.7")])
        .config("hashes", "['old']")
        .start();
    world.sees("db", &["10.0.0.6"]);
    reload_at(&mut world, "hashes = ['new']", "['redis://127.0.0.1:1']");
    world.daemon.wait_for("another hash", |status| {
        status["hashes"][0]["key"] == "new" && status["state"] == "reconnecting"
    });
    assert_eq!(world.look_up("db").addresses, ["10.0.0.6"]);
    reload(&mut world, "hashes = ['new']");
    world.sees("db", &["10.0.0.7"]);
}

#[test]
fn allow_and_domain_take_effect() {
    let mut world = World::with(&[("web", "10.0.0.5"), ("db", "10.0.0.6")]);
    world.sees("db", &["10.0.0.6"]);
    reload(&mut world, "allow = ['w*']\ndomain = 'example.com'");
    world.sees_none("db");
    world.sees("web.example.com", &["10.0.0.5"]);
    world.hset(&[("db", "10.0.0.7"), ("web", "10.0.0.8")]);
    world.sees("web", &["10.0.0.8"]);
    reload(&mut world, "");
    world.sees("db", &["10.0.0.7"]);
    world.sees_none("web.example.com");
    assert_eq!(world.daemon.wait_for_state("live")["rejected"]["count"], 0);
}

#[test]
fn another_redis_takes_no_name_away() {
    let mut world = World::with(&[("web", "10.0.0.5"), ("db", "10.0.0.6")]);
    world.sees("db", &["10.0.0.6"]);
    let second = Redis::builder(world.dir.join("second")).start();
    second.hset(HASH, &[("web", "10.0.0.7")]);
    let urls = list(&[&second.unix_url()]);
    reload_at(&mut world, "", &urls);
    world.sees("web", &["10.0.0.7"]);
    assert_eq!(world.look_up("db").addresses, ["10.0.0.6"]);
    let status = world.daemon.wait_for_state("guarded");
    assert_eq!(status["hashes"][0]["retained"], 1, "{status:#}");
}

#[test]
fn what_needs_a_restart_is_named() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    let logged = world.daemon.log().len();
    let top = "socket = '/run/cloudhosts/other.sock'\nstate_dir = '/var/lib/other'\n\
               status_file = '/run/cloudhosts/other.json'\norder = 'fixed'";
    reload(&mut world, top);
    logs(
        &world,
        logged,
        &["order", "socket", "state_dir", "status_file", "restart"],
    );
    world.hset(&[("web", "10.0.0.6")]);
    world.sees("web", &["10.0.0.6"]);
    assert_eq!(world.caller().by_name("web").addresses, ["10.0.0.6"]);
}

#[test]
fn a_refused_value_is_told_again_after_a_reload() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    world.hset(&[("web", "what?"), ("bad field", "10.0.0.6")]);
    world.daemon.wait_for_rejected(HASH, "web");
    reload(&mut world, "order = 'fixed'");
    world.daemon.wait_for("both are told", |status| {
        status["state"] == "live" && status["rejected"]["count"] == 2
    });
    assert_eq!(world.look_up("web").addresses, ["10.0.0.5"]);
    // the one that is gone is told no more
    world.redis.cli(&["HDEL", HASH, "bad field"]);
    world
        .daemon
        .wait_for("one is left", |status| status["rejected"]["count"] == 1);
}

#[test]
fn the_service_manager_is_told_of_the_reload() {
    let mut world = World::new()
        .config("redis.urls", "['redis://127.0.0.1:1']")
        .build();
    let path = world.dir.join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let minute = Some(Duration::from_secs(60));
    manager.set_read_timeout(minute).unwrap();
    world.daemon.set_variable("NOTIFY_SOCKET", &path);
    world.daemon.start();
    let next = |wanted: &str| {
        loop {
            let mut message = [0; 4096];
            let length = manager.recv(&mut message).unwrap();
            let text = String::from_utf8_lossy(&message[..length]).into_owned();
            if text.lines().any(|line| line == wanted) {
                return text;
            }
        }
    };
    next("READY=1");
    // Both a right and a wrong file end a reload.
    for top in ["order = 'fixed'", "order = 'none'"] {
        reload_at(&mut world, top, "['redis://127.0.0.1:1']");
        let said = next("RELOADING=1");
        assert!(said.contains("MONOTONIC_USEC="), "{said}");
        next("READY=1");
    }
}
