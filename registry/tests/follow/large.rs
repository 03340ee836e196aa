//! Hashes that are read in steps.

use crate::server::Redis;
use crate::watcher::{Contents, Watcher};
use cloudhosts_registry::Event;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn fill(redis: &mut Redis, fields: usize) {
    let mut fill = redis::pipe();
    for n in 0..fields {
        fill.cmd("HSET")
            .arg("cloudhosts")
            .arg(format!("role-{n}"))
            .arg("10.0.0.1")
            .ignore();
    }
    fill.exec(redis.admin()).unwrap();
}

fn truth(redis: &mut Redis) -> Contents {
    redis::cmd("HGETALL")
        .arg("cloudhosts")
        .query(redis.admin())
        .unwrap()
}

fn until_truth(watcher: &mut Watcher, redis: &mut Redis) {
    // After a read that took T there are 9 T of rest, and a build for tests is slow.
    let end = Instant::now() + Duration::from_secs(120);
    let truth = truth(redis);
    while watcher.hashes.get(&0) != Some(&truth) {
        let left = end.saturating_duration_since(Instant::now());
        assert!(
            watcher.event_within(left).is_some(),
            "the last state is never seen"
        );
    }
}

#[test]
fn a_hash_that_changes_while_it_is_scanned_is_right_in_the_end() {
    let mut redis = Redis::start(&[]);
    fill(&mut redis, 30_000);
    let mut watcher = Watcher::of(&redis.url());
    let read = watcher.pass();
    assert_eq!(read.hashes[0].outcome.as_ref().unwrap().len(), 30_000);
    let stop = AtomicBool::new(false);
    let url = redis.url();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = redis::Client::open(url.as_str())
                .unwrap()
                .get_connection()
                .unwrap();
            let mut n = 0;
            // Grows and shrinks, so that Redis resizes the hash under the scan.
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                let (at, away) = (n % 50_000, (n * 7) % 50_000);
                let mut change = redis::pipe();
                change
                    .cmd("HSET")
                    .arg("cloudhosts")
                    .arg(format!("role-{at}"))
                    .arg(n)
                    .ignore();
                change
                    .cmd("HDEL")
                    .arg("cloudhosts")
                    .arg(format!("role-{away}"))
                    .ignore();
                change.exec(&mut writer).unwrap();
            }
        });
        for _ in 0..3 {
            let pass =
                watcher.until_within(Duration::from_secs(90), "a pass", |event| match event {
                    Event::Read(pass) => Some(pass.hashes[0].outcome.as_ref().unwrap().len()),
                    _ => None,
                });
            assert_eq!(pass, watcher.hashes[&0].len(), "a field is there twice");
        }
        stop.store(true, Ordering::Relaxed);
    });
    until_truth(&mut watcher, &mut redis);
}

#[test]
fn a_hash_that_shrank_is_read_right() {
    let mut redis = Redis::start(&[]);
    fill(&mut redis, 40_000);
    let mut watcher = Watcher::of(&redis.url());
    watcher.pass();
    // Nine tenths go: Redis shrinks its table while we read.
    let mut go = redis::pipe();
    for n in 11_000..40_000 {
        go.cmd("HDEL")
            .arg("cloudhosts")
            .arg(format!("role-{n}"))
            .ignore();
    }
    go.exec(redis.admin()).unwrap();
    until_truth(&mut watcher, &mut redis);
}

#[test]
fn values_too_large_for_one_reply_are_read_in_small_steps() {
    let mut redis = Redis::start(&[]);
    let value = "x".repeat(1_000_000);
    for n in 0..80 {
        redis.command(&["HSET", "cloudhosts", &format!("r{n}"), &value]);
    }
    let mut watcher = Watcher::of(&redis.url());
    let why = watcher.disconnected();
    assert!(why.contains("64 MiB"), "{why}");
    let pass = watcher.pass();
    assert_eq!(pass.hashes[0].outcome.as_ref().unwrap().len(), 80);
}
