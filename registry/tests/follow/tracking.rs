//! Changes that Redis pushes.

use std::time::{Duration, Instant};

use cloudhosts_registry::Mode;

use crate::server::Redis;
use crate::watcher::Watcher;

const TWO: &str = "hashes = [\"cloudhosts:private\", \"cloudhosts\"]\n";

fn quick(url: &str, resync: &str) -> String {
    format!("resync_interval = \"{resync}\"\n[redis]\nurls = [\"{url}\"]\n")
}

#[test]
fn the_first_batch_is_full_and_later_ones_hold_what_changed() {
    let mut redis = Redis::start(&[]);
    redis.run("HSET cloudhosts web 10.0.0.1");
    let text = format!("{TWO}[redis]\nurls = [\"{}\"]\n", redis.url());
    let mut watcher = Watcher::with(&text);
    let (endpoint, mode) = watcher.connected();
    assert_eq!((endpoint, mode), (redis.url(), Mode::Tracking));
    let batch = watcher.batch();
    let all: Vec<usize> = batch.hashes.iter().map(|told| told.hash).collect();
    assert!(batch.full.is_some());
    assert_eq!(all, [0, 1]);
    redis.run("HSET cloudhosts web 10.0.0.2");
    let batch = watcher.batch();
    assert_eq!((batch.hashes.len(), batch.hashes[0].hash), (1, 1));
    assert_eq!(watcher.hashes[1].fields["web"], "10.0.0.2");
    // The other hash does not exist, and is watched all the same.
    redis.run("HSET cloudhosts:private web 10.9.9.9");
    watcher.until_hash_holds(0, &[("web", "10.9.9.9")]);
}

#[test]
fn every_kind_of_change_is_seen() {
    let mut redis = Redis::start(&[]);
    let mut watcher = Watcher::of(&redis.url());
    watcher.full();
    redis.run("HSET cloudhosts a 1 b 2");
    watcher.until_holds(&[("a", "1"), ("b", "2")]);
    redis.run("HDEL cloudhosts a");
    watcher.until_holds(&[("b", "2")]);
    redis.run("HDEL cloudhosts b");
    // The last HDEL is meant.
    watcher.until_holds(&[]);
    redis.run("HSET other c 3");
    redis.run("RENAME other cloudhosts");
    watcher.until_holds(&[("c", "3")]);
    // A DEL is meant.
    redis.run("DEL cloudhosts");
    watcher.until_holds(&[]);
    redis.run("HSET cloudhosts d 4");
    watcher.until_holds(&[("d", "4")]);
    let mut both = redis::pipe();
    both.atomic().cmd("HSET").arg("cloudhosts").arg(&["e", "5"]);
    both.cmd("HSET").arg("cloudhosts").arg(&["f", "6"]);
    both.exec(redis.admin()).unwrap();
    watcher.until_holds(&[("d", "4"), ("e", "5"), ("f", "6")]);
}

#[test]
fn a_field_that_expires_is_gone_at_once() {
    let mut redis = Redis::start(&[]);
    let known = redis.run("COMMAND INFO HPEXPIRE");
    if matches!(&known, redis::Value::Array(each) if each == &[redis::Value::Nil]) {
        println!("skipped: before Redis 7.4 and Valkey 9.0 a field cannot expire");
        return;
    }
    redis.run("HSET cloudhosts a 1 b 2");
    let mut watcher = Watcher::of(&redis.url());
    watcher.until_holds(&[("a", "1"), ("b", "2")]);
    let lives = Duration::from_millis(1_500);
    let end = Instant::now() + lives;
    redis.run("HPEXPIRE cloudhosts 1500 FIELDS 1 b");
    watcher.until_holds(&[("a", "1")]);
    let late = Instant::now().saturating_duration_since(end);
    println!("an expired field was gone {late:?} after its time");
    // Pushed by Redis, and not found at the next resync.
    assert!(late < Duration::from_secs(10), "{late:?}");
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
    watcher.full();
    for n in 0..=2_000 {
        redis.run(&format!("HSET cloudhosts n {n}"));
    }
    watcher.until_holds(&[("n", "2000")]);
}

#[test]
fn everything_is_read_again_at_the_interval() {
    let redis = Redis::start(&[]);
    let mut watcher = Watcher::with(&quick(&redis.url(), "200ms"));
    let first = Instant::now();
    for _ in 0..6 {
        assert!(watcher.batch().full.is_some());
    }
    let took = first.elapsed();
    assert!(took >= Duration::from_millis(850), "{took:?}");
}

#[test]
fn a_database_other_than_0_is_followed() {
    let mut redis = Redis::start(&[]);
    let url = format!("{}?db=3", redis.url());
    let mut watcher = Watcher::of(&url);
    watcher.full();
    redis.run("SELECT 3");
    redis.run("HSET cloudhosts a 3");
    watcher.until_holds(&[("a", "3")]);
}

#[test]
fn an_idle_follower_sleeps() {
    let redis = Redis::start(&[]);
    let mut watcher = Watcher::of(&redis.url());
    watcher.full();
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
    // Three pings, of which each wakes it once to three times.
    assert!((2..=10).contains(&woken), "{woken} times in 10 s");
}
