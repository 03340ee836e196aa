//! Nobody sees half of a change: neither of one that is made while a hash is
//! read, nor of one that is made in two hashes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::server::{PATIENCE, Redis};
use crate::watcher::{Contents, Watcher};

/// Writes on a connection of its own until it is told to stop; the number of the
/// turn is given.
fn writing<T>(
    redis: &Redis,
    pause: Duration,
    write: impl Fn(usize, &mut redis::Connection) + Sync,
    meanwhile: impl FnOnce(&AtomicUsize) -> T,
) -> T {
    let (stop, turns) = (AtomicBool::new(false), AtomicUsize::new(0));
    let url = redis.url();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = redis::Client::open(url).unwrap().get_connection().unwrap();
            while !stop.load(Ordering::Relaxed) {
                let turn = turns.fetch_add(1, Ordering::Relaxed);
                write(turn, &mut writer);
                std::thread::sleep(pause);
            }
        });
        let end = StopAtEnd(&stop);
        let given = meanwhile(&turns);
        drop(end);
        given
    })
}

/// Stops the writer also when an assertion fails.
struct StopAtEnd<'s>(&'s AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The fields of a role.
fn role<'c>(contents: &'c Contents, role: &str) -> Vec<(&'c str, &'c str)> {
    let of = |field: &str| field.split('/').next() == Some(role);
    let fields = contents.iter().filter(|(field, _)| of(field));
    fields
        .map(|(field, value)| (&field[..], &value[..]))
        .collect()
}

/// Another name than the one that is watched changes all the time, and the one
/// that is watched is taken over again and again: its new value is set and its
/// member deleted, in one transaction.
fn takeovers(turn: usize, writer: &mut redis::Connection) {
    let mut change = redis::pipe();
    change.atomic();
    if turn.is_multiple_of(10) {
        let (new, old) = (turn / 10 + 1, turn / 10);
        change
            .cmd("HSET")
            .arg(&["cloudhosts", &format!("db-master/{new}"), "10.0.0.1"]);
        change
            .cmd("HDEL")
            .arg(&["cloudhosts", &format!("db-master/{old}")]);
    }
    let (field, gone) = (turn * 7 % 60_000, turn * 13 % 60_000);
    change
        .cmd("HSET")
        .arg(&["cloudhosts", &format!("role-{field}"), &turn.to_string()]);
    change
        .cmd("HDEL")
        .arg(&["cloudhosts", &format!("role-{gone}")]);
    change.exec(writer).unwrap();
}

#[test]
fn a_takeover_under_a_scan_is_seen_whole() {
    let mut redis = Redis::start(&[]);
    redis.fill("cloudhosts", 50_000);
    redis.run("HSET cloudhosts db-master/0 10.0.0.1");
    let mut watcher = Watcher::of(&redis.url());
    watcher.full();
    let seen = writing(&redis, Duration::from_millis(2), takeovers, |_| {
        let end = Instant::now() + Duration::from_secs(25);
        let mut seen: Vec<String> = Vec::new();
        while Instant::now() < end || seen.len() <= 5 && Instant::now() < end + PATIENCE {
            watcher.event();
            let answered = watcher.hashes[0].answered();
            let masters = role(&answered, "db-master");
            let [(master, _)] = masters[..] else {
                panic!("after {} takeovers: {masters:?}", seen.len());
            };
            if seen.last().is_none_or(|last| last != master) {
                seen.push(master.to_owned());
            }
        }
        seen
    });
    assert!(seen.len() > 5, "only {} takeovers were seen", seen.len());
    let truth = redis.fields("cloudhosts");
    watcher.until_mirror("the last state", |hashes| hashes[0].fields == truth);
    assert!(watcher.hashes[0].retained.is_empty());
}

#[test]
fn a_takeover_under_the_first_scan_is_seen_whole() {
    let mut redis = Redis::start(&[]);
    redis.fill("cloudhosts", 50_000);
    redis.run("HSET cloudhosts db-master/0 10.0.0.1");
    writing(&redis, Duration::from_millis(1), takeovers, |_| {
        for _ in 0..5 {
            let mut watcher = Watcher::of(&redis.url());
            watcher.full();
            let masters = watcher.hashes[0].answered();
            assert_eq!(role(&masters, "db-master").len(), 1);
        }
    });
}

#[test]
fn a_role_that_moves_between_two_hashes_is_always_somewhere() {
    // Small enough for one question; and one of them too large for that.
    for (first, second) in [(5_000, 5_000 - 10), (5_000, 12_000), (12_000, 100)] {
        let mut redis = Redis::start(&[]);
        redis.fill("a", first);
        redis.fill("b", second);
        redis.run("HSET a shop 10.0.0.1");
        let mut watcher = Watcher::with(&format!(
            "hashes = [\"a\", \"b\"]\n[redis]\nurls = [\"{}\"]\n",
            redis.url()
        ));
        watcher.full();
        let moves = |turn: usize, writer: &mut redis::Connection| {
            let (to, from) = if turn.is_multiple_of(2) {
                ("b", "a")
            } else {
                ("a", "b")
            };
            let mut change = redis::pipe();
            change.atomic();
            change.cmd("HDEL").arg(&[from, "shop"]);
            change.cmd("HSET").arg(&[to, "shop", "10.0.0.1"]);
            change.exec(writer).unwrap();
        };
        let seen = writing(&redis, Duration::from_millis(3), moves, |_| {
            let end = Instant::now() + Duration::from_secs(10);
            let (mut seen, mut last) = (0, 0);
            while Instant::now() < end || seen <= 5 && Instant::now() < end + PATIENCE {
                watcher.event();
                let has = |hash: usize| watcher.hashes[hash].answered().contains_key("shop");
                let at = match (has(0), has(1)) {
                    (false, false) => panic!("it is nowhere, after {seen} moves"),
                    (true, _) => 0,
                    (false, true) => 1,
                };
                seen += usize::from(at != last);
                last = at;
            }
            seen
        });
        assert!(
            seen > 5,
            "only {seen} moves were seen of {first} and {second}"
        );
        let truth = (redis.fields("a"), redis.fields("b"));
        watcher.until_mirror("the last state", |hashes| {
            hashes[0].fields == truth.0 && hashes[1].fields == truth.1
        });
    }
}

#[test]
fn logged_changes_under_a_scan_leave_it_of_one_moment() {
    let mut redis = Redis::start(&[]);
    redis.fill("cloudhosts", 30_000);
    let mut watcher = Watcher::with(&format!(
        "resync_interval = \"1ms\"\n[redis]\nurls = [\"{}\"]\n",
        redis.url()
    ));
    watcher.full();
    let hmget = redis.calls("hmget");
    let changes = |turn: usize, writer: &mut redis::Connection| {
        let (new, old) = (format!("db/{turn}"), format!("db/{}", turn.wrapping_sub(1)));
        let number = turn.to_string();
        let gone = format!("role-{}", turn % 30_000);
        let fields = [(&new[..], Some(&number[..])), (&old, None), (&gone, None)];
        let mut change = redis::pipe();
        change.atomic();
        crate::server::log_change(&mut change, "cloudhosts", &fields, &[]);
        change.exec(writer).unwrap();
    };
    writing(&redis, Duration::from_millis(1), changes, |turns| {
        let end = Instant::now() + PATIENCE;
        while turns.load(Ordering::Relaxed) < 3_000 {
            assert!(Instant::now() < end);
            watcher.event();
            let answered = watcher.hashes[0].answered();
            let masters = role(&answered, "db");
            assert!(masters.len() <= 1, "{masters:?}");
        }
    });
    let truth = redis.fields("cloudhosts");
    watcher.until_mirror("the last state", |hashes| hashes[0].fields == truth);
    assert!(watcher.hashes[0].retained.is_empty());
    // Nothing had to be read again.
    assert_eq!(redis.calls("hmget"), hmget);
}
