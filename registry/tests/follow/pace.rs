//! How soon a change is seen that has to be scanned for.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::peer::Peer;
use crate::server::Redis;
use crate::watcher::Watcher;

/// How long it takes until a value of a hash is seen.
fn until_seen(watcher: &mut Watcher, hash: usize, field: &str, value: &str) -> Duration {
    let start = Instant::now();
    watcher.until_mirror("the change", |hashes| {
        hashes[hash]
            .fields
            .get(field)
            .is_some_and(|seen| seen == value)
    });
    start.elapsed()
}

#[test]
fn a_slow_answer_does_not_slow_down_the_next_change() {
    let mut redis = Redis::start(&[]);
    redis.fill("cloudhosts", 10);
    let slow = Arc::new(AtomicBool::new(false));
    let stalls = slow.clone();
    let peer = Peer::before(redis.port, move |bytes, client| {
        let is_hash = bytes.windows(6).any(|window| window == b"role-1");
        if is_hash && stalls.swap(false, Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(3_500));
        }
        client.write_all(bytes).is_ok()
    });
    let mut watcher = Watcher::of(&peer.url);
    watcher.full();
    slow.store(true, Ordering::Relaxed);
    redis.run("HSET cloudhosts role-1 a");
    let took = until_seen(&mut watcher, 0, "role-1", "a");
    assert!(took > Duration::from_secs(3), "{took:?}");
    redis.run("HSET cloudhosts role-1 b");
    let took = until_seen(&mut watcher, 0, "role-1", "b");
    // Nine times as long would be 31 s.
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[test]
fn a_small_hash_beside_a_large_one_is_not_slowed_down() {
    let mut redis = Redis::start(&[]);
    redis.fill("large", 300_000);
    redis.run("HSET small a 0");
    let mut watcher = Watcher::with(&format!(
        "hashes = [\"large\", \"small\"]\n[redis]\nurls = [\"{}\"]\n",
        redis.url()
    ));
    let large = watcher.full().full.unwrap();
    let mut all = Vec::new();
    for n in 1..20 {
        // The large one is scanned, or rests.
        redis.run(&format!("HSET large role-1 {n}"));
        redis.run(&format!("HSET small a {n}"));
        all.push(until_seen(&mut watcher, 1, "a", &n.to_string()));
    }
    all.sort_unstable();
    let median = all[all.len() / 2];
    assert!(median < large / 2, "{median:?} beside {large:?}");
}

#[test]
fn a_resync_does_not_delay_the_change_after_it() {
    let mut redis = Redis::start(&[]);
    redis.fill("cloudhosts", 60_000);
    let mut watcher = Watcher::with(&format!(
        "resync_interval = \"3s\"\n[redis]\nurls = [\"{}\"]\n",
        redis.url()
    ));
    let first = watcher.full().full.unwrap();
    let best = (0..3).map(|n| {
        watcher.full();
        redis.run(&format!("HSET cloudhosts role-1 {n}"));
        until_seen(&mut watcher, 0, "role-1", &n.to_string())
    });
    let best = best.min().unwrap();
    // A scan and no rest.
    assert!(
        best < first * 3 + Duration::from_millis(500),
        "{best:?} after {first:?}"
    );
}

#[test]
fn under_churn_a_change_is_seen_within_a_rest_and_a_scan() {
    let mut redis = Redis::start(&[]);
    redis.fill("cloudhosts", 5_000);
    let mut watcher = Watcher::of(&redis.url());
    watcher.full();
    let start = Instant::now();
    let (mut n, mut scans) = (0, redis.calls("hgetall"));
    while start.elapsed() < Duration::from_secs(5) {
        n += 1;
        redis.run(&format!("HSET cloudhosts n {n}"));
        watcher.event_within(Duration::from_millis(1));
    }
    scans = redis.calls("hgetall") - scans;
    // No rest is longer than 2 s, and a scan of 5,000 fields is reckoned to cost some milliseconds.
    assert!((2..2_000).contains(&scans), "{scans} scans in 5 s");
    let took = until_seen(&mut watcher, 0, "n", &n.to_string());
    assert!(took < Duration::from_secs(15), "{took:?}");
}
