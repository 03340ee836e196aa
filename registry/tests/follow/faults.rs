//! A Redis that dies, stops, comes back or is elsewhere: what becomes of the
//! connection. What becomes of the names stands in `losses.rs`.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cloudhosts_registry::Event;
use rustix::process::Signal;

use crate::peer::{Peer, manners};
use crate::server::{Redis, free_port, wait_for};
use crate::watcher::Watcher;

#[test]
fn a_redis_that_dies_is_tried_again() {
    let mut redis = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    redis.run("HSET cloudhosts a 1");
    let mut watcher = Watcher::of(&redis.tcp_url());
    watcher.until_holds(&[("a", "1")]);
    redis.kill();
    let why = watcher.disconnected();
    assert!(why.contains("closed") || why.contains("reset"), "{why}");
    let why = watcher.disconnected();
    assert!(why.contains("refused"), "{why}");
    redis.start_again();
    watcher.connected();
    redis.run("HSET cloudhosts a 2");
    watcher.until_holds(&[("a", "2")]);
}

#[test]
fn a_stopped_redis_is_noticed_within_5_seconds() {
    let mut redis = Redis::start(&[]);
    redis.run("HSET cloudhosts a 1");
    let mut watchers = [Watcher::of(&redis.url()), Watcher::of(&redis.tcp_url())];
    for watcher in &mut watchers {
        watcher.until_holds(&[("a", "1")]);
    }
    redis.signal(Signal::STOP);
    let stopped = Instant::now();
    for watcher in &mut watchers {
        let why = watcher.disconnected();
        assert!(why.contains("nothing came"), "{why}");
        let took = stopped.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    redis.signal(Signal::CONT);
    for watcher in &mut watchers {
        watcher.full();
        watcher.until_holds(&[("a", "1")]);
    }
}

#[test]
fn a_redis_that_stops_while_it_owes_an_answer_is_noticed() {
    let mut redis = Redis::start(&[]);
    let mut watcher = Watcher::with(&format!(
        "resync_interval = \"1ms\"\n[redis]\nurls = [\"{}\"]\n",
        redis.url()
    ));
    watcher.full();
    redis.signal(Signal::STOP);
    let stopped = Instant::now();
    watcher.disconnected();
    let took = stopped.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    redis.signal(Signal::CONT);
    watcher.connected();
    redis.run("HSET cloudhosts a 1");
    watcher.until_holds(&[("a", "1")]);
}

#[test]
fn urls_are_tried_in_turn() {
    let mut redis = Redis::start(&[]);
    redis.run("HSET cloudhosts a 1");
    let dead = format!("redis://127.0.0.1:{}", free_port());
    let text = format!("[redis]\nurls = [\"{dead}\", \"{}\"]\n", redis.tcp_url());
    let mut watcher = Watcher::with(&text);
    assert_eq!(watcher.connected().0, redis.tcp_url());
    watcher.until_holds(&[("a", "1")]);
    redis.kill();
    watcher.disconnected();
    let why = watcher.disconnected();
    assert!(
        why.contains(&dead) && why.contains(&redis.tcp_url()),
        "{why}"
    );
    redis.start_again();
    assert_eq!(watcher.connected().0, redis.tcp_url());
}

#[test]
fn a_first_url_that_is_loading_or_without_its_slots_gives_way_to_the_next() {
    let mut redis = Redis::start(&[]);
    redis.run("HSET cloudhosts a 1");
    for error in [
        "LOADING Redis is loading the dataset in memory",
        "CLUSTERDOWN Hash slot not served",
        "MOVED 3999 127.0.0.1:6381",
        "NOPERM this user has no permissions",
    ] {
        let peer = Peer::answering(move |words| {
            manners(words).unwrap_or_else(|| format!("-{error}\r\n").into_bytes())
        });
        let text = format!(
            "[redis]\nurls = [\"{}\", \"{}\"]\n",
            peer.url,
            redis.tcp_url()
        );
        let mut watcher = Watcher::with(&text);
        assert_eq!(watcher.connected().0, redis.tcp_url(), "{error}");
        watcher.until_holds(&[("a", "1")]);
    }
}

#[test]
fn of_two_urls_that_both_refuse_the_first_is_kept_without_haste() {
    let error = "-NOPERM this user has no permissions\r\n";
    let refusing =
        || Peer::answering(|words| manners(words).unwrap_or_else(|| error.as_bytes().to_vec()));
    let (first, second) = (refusing(), refusing());
    let mut watcher = Watcher::with(&format!(
        "resync_interval = \"100ms\"\n[redis]\nurls = [\"{}\", \"{}\"]\n",
        first.url, second.url
    ));
    assert_eq!(watcher.connected().0, first.url);
    // it reads and looks at the other meanwhile, and stays
    wait_for("some visits", || {
        let event = watcher.event();
        assert!(matches!(event, Event::Changes(_)), "{event:?}");
        second.connections.load(Ordering::Relaxed) > 5
    });
}

#[test]
fn a_killed_connection_comes_back_at_once() {
    let mut redis = Redis::start(&[]);
    redis.run("HSET cloudhosts a 1");
    let mut watcher = Watcher::of(&redis.url());
    watcher.until_holds(&[("a", "1")]);
    redis.cut();
    let retry_in = watcher.until("the loss", |event| match event {
        Event::Disconnected { retry_in, .. } => Some(*retry_in),
        _ => None,
    });
    assert!(retry_in <= Duration::from_millis(50), "{retry_in:?}");
    watcher.full();
    watcher.until_holds(&[("a", "1")]);
}

#[test]
fn a_redis_that_is_out_of_memory_is_followed() {
    let mut redis = Redis::start(&["--maxmemory-policy", "noeviction"]);
    redis.logged(&[("a", Some("1")), ("b", Some("2")), ("c", Some("3"))]);
    let mut watcher = Watcher::of(&redis.url());
    watcher.full();
    redis.run("CONFIG SET maxmemory 1");
    // It takes no more, and queues nothing for a transaction.
    redis.run("HDEL cloudhosts a");
    watcher.until_holds(&[("b", "2"), ("c", "3")]);
    redis.run("CONFIG SET maxmemory 0");
    redis.logged(&[("b", Some("4"))]);
    redis.run("HSET cloudhosts b 5");
    watcher.until_holds(&[("b", "5"), ("c", "3")]);
    // Once the log is read again, it does not bring back what is older.
    let before = redis.calls("exec");
    wait_for("transactions", || {
        redis.run("HSET cloudhosts c 6");
        watcher.event_within(Duration::from_millis(100));
        redis.calls("exec") > before
    });
    redis.logged(&[("d", Some("7"))]);
    watcher.until_holds(&[("b", "5"), ("c", "6"), ("d", "7")]);
}
