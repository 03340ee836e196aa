//! Changes that Redis pushes.

use crate::server::{PATIENCE, Redis};
use crate::watcher::Watcher;
use cloudhosts_registry::{Event, Mode, Trust};
use std::time::{Duration, Instant};

const TWO: &str = "hashes = [\"cloudhosts:private\", \"cloudhosts\"]\n";

fn quick(url: &str, resync: &str) -> String {
    format!("resync_interval = \"{resync}\"\n[redis]\nurls = [\"{url}\"]\n")
}

#[test]
fn the_first_pass_is_full_and_later_ones_hold_what_changed() {
    let mut redis = Redis::start(&[]);
    redis.run("HSET cloudhosts web 10.0.0.1");
    let text = format!("{TWO}[redis]\nurls = [\"{}\"]\n", redis.url());
    let mut watcher = Watcher::with(&text);
    let (endpoint, mode) = watcher.connected();
    assert_eq!((endpoint, mode), (redis.url(), Mode::Tracking));
    let pass = watcher.pass();
    let all: Vec<_> = pass
        .hashes
        .iter()
        .map(|read| (read.hash, read.trust))
        .collect();
    assert!(pass.full);
    assert_eq!(all, [(0, Trust::Reconnected), (1, Trust::Reconnected)]);
    redis.run("HSET cloudhosts web 10.0.0.2");
    let pass = watcher.pass();
    assert!(!pass.full);
    assert_eq!((pass.hashes.len(), pass.hashes[0].hash), (1, 1));
    assert_eq!(watcher.hashes[&1]["web"], "10.0.0.2");
    // The other hash does not exist, and is watched all the same.
    redis.run("HSET cloudhosts:private web 10.9.9.9");
    assert_eq!(
        watcher.until_hash_holds(0, &[("web", "10.9.9.9")]),
        Trust::Live
    );
}

#[test]
fn every_kind_of_change_is_seen() {
    let mut redis = Redis::start(&[]);
    let mut watcher = Watcher::of(&redis.url());
    watcher.pass();
    redis.run("HSET cloudhosts a 1 b 2");
    assert_eq!(watcher.until_holds(&[("a", "1"), ("b", "2")]), Trust::Live);
    redis.run("HDEL cloudhosts a");
    assert_eq!(watcher.until_holds(&[("b", "2")]), Trust::Live);
    redis.run("HDEL cloudhosts b");
    assert_eq!(
        watcher.until_holds(&[]),
        Trust::Live,
        "the last HDEL is meant"
    );
    redis.run("HSET other c 3");
    redis.run("RENAME other cloudhosts");
    watcher.until_holds(&[("c", "3")]);
    redis.run("DEL cloudhosts");
    assert_eq!(watcher.until_holds(&[]), Trust::Live, "a DEL is meant");
    redis.run("HSET cloudhosts d 4");
    watcher.until_holds(&[("d", "4")]);
    redis.run("PEXPIRE cloudhosts 50");
    assert_eq!(watcher.until_holds(&[]), Trust::Live);
    let mut both = redis::pipe();
    both.atomic().cmd("HSET").arg("cloudhosts").arg(&["e", "5"]);
    both.cmd("HSET").arg("cloudhosts").arg(&["f", "6"]);
    both.exec(redis.admin()).unwrap();
    watcher.until_holds(&[("e", "5"), ("f", "6")]);
}

#[test]
fn a_key_that_is_no_hash_is_reported_and_heals() {
    let mut redis = Redis::start(&[]);
    redis.run("HSET cloudhosts a 1");
    let mut watcher = Watcher::of(&redis.url());
    watcher.until_holds(&[("a", "1")]);
    redis.run("SET cloudhosts text");
    let why = watcher.until_unreadable();
    assert!(
        why.starts_with("WRONGTYPE") && why.contains("DEL it"),
        "{why}"
    );
    redis.run("DEL cloudhosts");
    redis.run("HSET cloudhosts a 2");
    watcher.until_holds(&[("a", "2")]);
}

#[test]
fn of_many_rapid_changes_the_last_is_seen() {
    let mut redis = Redis::start(&[]);
    let mut watcher = Watcher::of(&redis.url());
    watcher.pass();
    for n in 0..=2_000 {
        redis.run(&format!("HSET cloudhosts n {n}"));
    }
    watcher.until_holds(&[("n", "2000")]);
}

#[test]
fn following_costs_no_more_than_a_tenth() {
    let mut redis = Redis::start(&[]);
    let mut fill = redis::pipe();
    for n in 0..5_000 {
        fill.cmd("HSET")
            .arg("cloudhosts")
            .arg(format!("r{n}"))
            .arg("10.0.0.1")
            .ignore();
    }
    fill.exec(redis.admin()).unwrap();
    let start = Instant::now();
    let mut watcher = Watcher::of(&redis.url());
    let (mut passes, mut cost, mut last) = (0, Duration::ZERO, Duration::ZERO);
    let mut n = 0;
    while passes < 6 {
        assert!(start.elapsed() < PATIENCE * 2, "{passes} passes only");
        n += 1;
        redis.run(&format!("HSET cloudhosts n {n}"));
        if let Some(Event::Read(pass)) = watcher.event_within(Duration::from_millis(1)) {
            passes += 1;
            last = pass.cost;
            cost += pass.cost;
        }
    }
    // After the last read the rest is still to come.
    let allowed = start.elapsed() / 10 + last;
    assert!(cost <= allowed, "{cost:?} of {allowed:?}");
    let n = n.to_string();
    watcher.until("the last change", |event| match event {
        Event::Read(pass) => pass.hashes[0]
            .outcome
            .as_ref()
            .ok()?
            .iter()
            .find_map(|(f, v)| (f == b"n" && v == n.as_bytes()).then_some(())),
        _ => None,
    });
}

#[test]
fn a_flush_is_doubted_until_something_is_there_again() {
    for flush in ["FLUSHALL", "FLUSHDB"] {
        let mut redis = Redis::start(&[]);
        redis.run("HSET cloudhosts a 1");
        let mut watcher = Watcher::of(&redis.url());
        watcher.until_holds(&[("a", "1")]);
        redis.run(flush);
        assert_eq!(watcher.until_holds(&[]), Trust::Flushed, "{flush}");
        redis.run("HSET cloudhosts a 2");
        assert_eq!(watcher.until_holds(&[("a", "2")]), Trust::Live);
        redis.run("DEL cloudhosts");
        assert_eq!(watcher.until_holds(&[]), Trust::Live);
    }
}

#[test]
fn the_operator_can_accept_an_empty_redis() {
    let mut redis = Redis::start(&[]);
    redis.run("HSET cloudhosts a 1");
    let mut watcher = Watcher::of(&redis.url());
    watcher.until_holds(&[("a", "1")]);
    redis.run("FLUSHALL");
    assert_eq!(watcher.until_holds(&[]), Trust::Flushed);
    watcher.accept();
    let pass = watcher.pass();
    assert!(pass.full && pass.hashes[0].trust == Trust::Accepted);
}

#[test]
fn everything_is_read_again_at_the_interval() {
    let redis = Redis::start(&[]);
    let mut watcher = Watcher::with(&quick(&redis.url(), "200ms"));
    let first = Instant::now();
    for _ in 0..6 {
        assert!(watcher.pass().full);
    }
    let took = first.elapsed();
    assert!(took >= Duration::from_millis(850), "{took:?}");
}

#[test]
fn a_database_other_than_0_is_followed() {
    let mut redis = Redis::start(&[]);
    let url = format!("{}?db=3", redis.url());
    let mut watcher = Watcher::of(&url);
    watcher.pass();
    redis.run("SELECT 3");
    redis.run("HSET cloudhosts a 3");
    watcher.until_holds(&[("a", "3")]);
}

#[test]
fn an_idle_follower_sleeps() {
    let redis = Redis::start(&[]);
    let mut watcher = Watcher::of(&redis.url());
    watcher.pass();
    let switches = |watcher: &Watcher| -> u64 {
        let status = std::fs::read_to_string(watcher.proc.join("status")).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("voluntary_ctxt_switches:"));
        line.unwrap()
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap()
    };
    let before = switches(&watcher);
    assert!(watcher.event_within(Duration::from_secs(10)).is_none());
    let woken = switches(&watcher) - before;
    assert!((4..=10).contains(&woken), "{woken} times in 10 s");
}
