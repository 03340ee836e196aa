//! Hashes that are read in steps, and hashes with something in them that is too
//! large.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloudhosts_registry::{Event, Value, ValueError};

use crate::peer::{Peer, manners};
use crate::server::{Redis, wait_for};
use crate::watcher::Watcher;

fn until_truth(watcher: &mut Watcher, redis: &mut Redis) {
    let truth = redis.fields("cloudhosts");
    watcher.until_mirror("the last state", |hashes| hashes[0].fields == truth);
    assert!(watcher.hashes[0].retained.is_empty());
}

#[test]
fn a_hash_that_changes_while_it_is_scanned_is_right_in_the_end() {
    let mut redis = Redis::start(&[]);
    redis.fill("cloudhosts", 30_000);
    let mut watcher = Watcher::of(&redis.url());
    watcher.full();
    assert_eq!(watcher.hashes[0].fields.len(), 30_000);
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
            watcher.full();
        }
        stop.store(true, Ordering::Relaxed);
    });
    until_truth(&mut watcher, &mut redis);
}

#[test]
fn a_hash_that_shrank_is_read_right() {
    let mut redis = Redis::start(&[]);
    redis.fill("cloudhosts", 40_000);
    let mut watcher = Watcher::of(&redis.url());
    watcher.full();
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
fn values_too_large_for_one_reply_are_read_in_several() {
    let mut redis = Redis::start(&[]);
    let value = "x".repeat(1_000_000);
    for n in 0..80 {
        redis.command(&["HSET", "cloudhosts", &format!("r{n}"), &value]);
    }
    let mut watcher = Watcher::of(&redis.url());
    let why = watcher.disconnected();
    assert!(why.contains("64 MiB"), "{why}");
    watcher.full();
    assert_eq!(watcher.hashes[0].fields.len(), 80);
    assert!(watcher.hashes[0].fields.values().all(|read| *read == value));
}

/// More than a connection takes for one question.
const GIANT: usize = 70_000_000;

/// All that Redis has sent to anybody.
fn sent(redis: &mut Redis) -> u64 {
    redis.info("stats", "total_net_output_bytes:")
}

fn is_refused(watcher: &Watcher, field: &str) -> bool {
    let value = watcher.hashes[0].fields.get(field);
    value.is_some_and(|value| Value::parse(value.as_bytes()) == Err(ValueError::TooLong))
}

#[test]
fn a_giant_value_is_left_aside_until_it_is_gone() {
    let mut redis = Redis::start(&[]);
    redis.run("HSET cloudhosts a 10.0.0.1 b 10.0.0.2");
    let mut watcher = Watcher::of(&redis.url());
    watcher.until_holds(&[("a", "10.0.0.1"), ("b", "10.0.0.2")]);
    redis.command(&["HSET", "cloudhosts", "b", &"x".repeat(GIANT)]);
    let why = watcher.disconnected();
    assert!(why.contains("64 MiB"), "{why}");
    watcher.full();
    assert!(
        is_refused(&watcher, "b"),
        "{:?}",
        watcher.hashes[0].fields.keys()
    );
    assert_eq!(watcher.hashes[0].fields["a"], "10.0.0.1");

    // The others are followed, and nothing large is sent any more.
    let before = sent(&mut redis);
    for n in 0..20 {
        let address = format!("10.0.1.{n}");
        redis.run(&format!("HSET cloudhosts a {address}"));
        watcher.until_mirror("the change", |hashes| hashes[0].fields["a"] == address);
        assert!(is_refused(&watcher, "b"));
    }
    let sent = sent(&mut redis) - before;
    assert!(sent < 1_000_000, "{sent} bytes for 20 changes");

    // Without it the hash is read at once again.
    redis.run("HDEL cloudhosts b");
    let before = redis.calls("hgetall");
    let mut n = 0;
    wait_for("one question for the hash", || {
        n += 1;
        redis.run(&format!("HSET cloudhosts a 10.0.2.{}", n % 256));
        watcher
            .event_within(Duration::from_millis(500))
            .inspect(|event| {
                assert!(!matches!(event, Event::Disconnected { .. }), "{event:?}");
            });
        redis.calls("hgetall") > before
    });
}

#[test]
fn a_value_too_long_to_be_used_is_sent_once() {
    let mut redis = Redis::start(&[]);
    redis.run("HSET cloudhosts a 1");
    redis.command(&["HSET", "cloudhosts", "b", &"x".repeat(5_000_000)]);
    let before = sent(&mut redis);
    let mut watcher = Watcher::of(&redis.url());
    watcher.full();
    for n in 0..10 {
        redis.run(&format!("HSET cloudhosts a {n}"));
        watcher.full();
        assert!(is_refused(&watcher, "b"));
        assert_eq!(watcher.hashes[0].fields["a"], n.to_string());
    }
    let sent = sent(&mut redis) - before;
    assert!(sent < 6_000_000, "{sent} bytes for 11 reads");
}

#[test]
fn a_giant_field_name_makes_its_hash_unreadable_and_leaves_the_others() {
    let mut redis = Redis::start(&[]);
    let name = "x".repeat(GIANT);
    redis.run("HSET bad a 1");
    redis.run("HSET good a 1");
    redis.command(&["HSET", "bad", &name, "1"]);
    let before = sent(&mut redis);
    let mut watcher = Watcher::with(&format!(
        "hashes = [\"bad\", \"good\"]\n[redis]\nurls = [\"{}\"]\n",
        redis.url()
    ));
    let why = watcher.until_unreadable();
    assert!(why.contains("HDEL") && why.contains("field name"), "{why}");
    watcher.until_hash_holds(1, &[("a", "1")]);
    // For as long as it rests, changes come at once and cost nothing.
    for n in 0..20 {
        redis.run(&format!("HSET good a {n}"));
        let value = n.to_string();
        watcher.until_hash_holds(1, &[("a", &value)]);
        redis.run(&format!("HSET bad a {n}"));
    }
    let sent = sent(&mut redis) - before;
    assert!(sent < 300_000_000, "{sent} bytes");
    // Once it is gone the hash is read again, by itself.
    redis.command(&["HDEL", "bad", &name]);
    watcher.until_hash_holds(0, &[("a", "19")]);
}

/// A Redis of version 7.4 or later with 20,000 fields, one of which is giant,
/// as far as its answers are asked for.
#[test]
fn a_scan_without_values_measures_a_hash_of_many_fields() {
    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    let peer = Peer::answering(move |words| match words[0].as_str() {
        "HLEN" => b":20000\r\n".to_vec(),
        "HSCAN" if words.last().is_some_and(|word| word == "NOVALUES") => {
            let next = if words[2] == "0" { "7" } else { "0" };
            let name = if words[2] == "0" { "a" } else { "b" };
            // A field may come twice.
            let names = format!("*2\r\n{}{}", bulk(name), bulk("a"));
            format!("*2\r\n{}{names}", bulk(next)).into_bytes()
        }
        "HSCAN" => {
            let giant = bulk(&"x".repeat(GIANT));
            format!("*2\r\n{}*2\r\n{}{giant}", bulk("0"), bulk("b")).into_bytes()
        }
        "HSTRLEN" if words[2] == "b" => format!(":{GIANT}\r\n").into_bytes(),
        "HSTRLEN" => b":8\r\n".to_vec(),
        "HMGET" => {
            assert_eq!(words[2..], ["a"]);
            format!("*1\r\n{}", bulk("10.0.0.1")).into_bytes()
        }
        _ => manners(words).unwrap(),
    });
    let mut watcher = Watcher::of(&peer.url);
    watcher.full();
    assert_eq!(watcher.hashes[0].fields.len(), 2);
    assert_eq!(watcher.hashes[0].fields["a"], "10.0.0.1");
    assert!(is_refused(&watcher, "b"));
}

#[test]
fn a_hash_beyond_max_fields_is_not_read_until_it_fits() {
    let mut redis = Redis::start(&[]);
    redis.run("HSET first a 1 b 1");
    redis.run("HSET cloudhosts c 1 d 1 e 1");
    let mut watcher = Watcher::with(&format!(
        "max_fields = 5\nhashes = [\"first\", \"cloudhosts\"]\n[redis]\nurls = [\"{}\"]\n",
        redis.url()
    ));
    watcher.until_hash_holds(1, &[("c", "1"), ("d", "1"), ("e", "1")]);
    // One too many, without the log, with it, and in the hash before.
    type Step = fn(&mut Redis);
    let grow: [(Step, Step); 3] = [
        (
            |redis| drop(redis.run("HSET cloudhosts f 1")),
            |redis| drop(redis.run("HDEL cloudhosts f")),
        ),
        (
            |redis| redis.logged(&[("c", Some("2")), ("f", Some("1"))]),
            |redis| redis.logged(&[("f", None), ("c", Some("1"))]),
        ),
        (
            |redis| drop(redis.run("HSET first f 1")),
            |redis| drop(redis.run("HDEL first f")),
        ),
    ];
    for (grow, shrink) in grow {
        grow(&mut redis);
        watcher.until_mirror("it is too large", |hashes| {
            let why = hashes[1].unreadable.as_deref().unwrap_or_default();
            why.contains("max_fields") && hashes[1].answered()["c"] == "1"
        });
        assert_eq!(watcher.hashes[1].answered().len(), 3);
        // The other is followed.
        redis.run("HSET first a 2");
        watcher.until_mirror("the other", |hashes| hashes[0].fields["a"] == "2");
        redis.run("HSET first a 1");
        shrink(&mut redis);
        watcher.until_mirror("it fits again", |hashes| {
            hashes[1].unreadable.is_none() && hashes[0].fields["a"] == "1"
        });
        redis.run("HSET cloudhosts d 2");
        watcher.until_mirror("it is followed again", |hashes| {
            hashes[1].fields["d"] == "2"
        });
        redis.run("HSET cloudhosts d 1");
        watcher.until_hash_holds(1, &[("c", "1"), ("d", "1"), ("e", "1")]);
    }
}

#[test]
fn values_beyond_what_max_fields_leaves_are_not_kept() {
    let mut redis = Redis::start(&[]);
    redis.run("HSET cloudhosts a 1");
    let mut watcher = Watcher::with(&format!(
        "max_fields = 10\n[redis]\nurls = [\"{}\"]\n",
        redis.url()
    ));
    watcher.until_holds(&[("a", "1")]);
    let large = "x".repeat(3_000);
    for logged in [false, true] {
        if logged {
            redis.logged(&[("b", Some(&large))]);
        } else {
            redis.command(&["HSET", "cloudhosts", "b", &large]);
        }
        watcher.until_mirror("it is too large", |hashes| {
            let why = hashes[0].unreadable.as_deref().unwrap_or_default();
            why.contains("max_fields")
        });
        assert_eq!(watcher.hashes[0].answered().len(), 1);
        redis.run("HDEL cloudhosts b");
        watcher.until_mirror("it fits again", |hashes| hashes[0].unreadable.is_none());
        watcher.until_holds(&[("a", "1")]);
    }
}
