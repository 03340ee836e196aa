//! A Redis that dies, stops, comes back empty or elsewhere.

use crate::peer::{Peer, manners};
use crate::server::{Redis, free_port, wait_for};
use crate::watcher::Watcher;
use cloudhosts_registry::{Event, Trust};
use rustix::process::Signal;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

#[test]
fn a_redis_that_comes_back_empty_is_doubted() {
    let mut redis = Redis::start(&[]);
    redis.run("HSET cloudhosts a 1");
    let mut watcher = Watcher::of(&redis.tcp_url());
    assert_eq!(watcher.until_holds(&[("a", "1")]), Trust::Reconnected);
    redis.kill();
    let why = watcher.disconnected();
    assert!(why.contains("closed") || why.contains("reset"), "{why}");
    let why = watcher.disconnected();
    assert!(why.contains("refused"), "{why}");
    redis.start_again();
    assert_eq!(watcher.until_holds(&[]), Trust::Replaced);
    // Another key changes, then ours, but it stays empty.
    redis.run("SET x 1");
    redis.run("HSET cloudhosts a 1");
    redis.run("HDEL cloudhosts a");
    watcher.accept();
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        assert!(Instant::now() < end, "never accepted");
        match watcher.until_holds(&[]) {
            Trust::Accepted => break,
            trust => assert_ne!(trust, Trust::Flushed),
        }
    }
    redis.run("HSET cloudhosts a 2");
    assert_eq!(watcher.until_holds(&[("a", "2")]), Trust::Live);
}

#[test]
fn after_a_reconnect_empty_stays_doubted_until_something_was_there() {
    let mut redis = Redis::start(&[]);
    let mut watcher = Watcher::with(&format!(
        "resync_interval = \"100ms\"\n[redis]\nurls = [\"{}\"]\n",
        redis.url()
    ));
    for _ in 0..4 {
        assert_eq!(watcher.until_holds(&[]), Trust::Reconnected);
    }
    redis.run("HSET cloudhosts a 1");
    assert_eq!(watcher.until_holds(&[("a", "1")]), Trust::Live);
    redis.run("DEL cloudhosts");
    assert_eq!(watcher.until_holds(&[]), Trust::Live);
}

#[test]
fn a_redis_that_comes_back_with_its_data_is_read_at_once() {
    let mut redis = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    redis.run("HSET cloudhosts a 1");
    let mut watcher = Watcher::of(&redis.url());
    watcher.until_holds(&[("a", "1")]);
    redis.kill();
    watcher.disconnected();
    redis.start_again();
    assert_eq!(watcher.until_holds(&[("a", "1")]), Trust::Replaced);
    redis.run("HSET cloudhosts a 2");
    assert_eq!(watcher.until_holds(&[("a", "2")]), Trust::Live);
}

#[test]
fn a_redis_that_only_dropped_the_connection_is_known_again() {
    let mut redis = Redis::start(&[]);
    redis.run("HSET cloudhosts a 1");
    let mut watcher = Watcher::of(&redis.url());
    watcher.until_holds(&[("a", "1")]);
    for _ in 0..2 {
        redis.run("CLIENT KILL TYPE normal SKIPME yes");
        watcher.disconnected();
        assert_eq!(watcher.until_holds(&[("a", "1")]), Trust::Reconnected);
    }
    redis.run("HSET cloudhosts a 2");
    assert_eq!(watcher.until_holds(&[("a", "2")]), Trust::Live);
}

#[test]
fn a_redis_whose_user_may_not_ask_who_it_is_is_taken_for_the_same() {
    let user = [
        "--user", "default", "on", "nopass", "~*", "&*", "+@all", "-info",
    ];
    let saving = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut redis = Redis::start(&[&user[..], &saving[..]].concat());
    redis.run("HSET cloudhosts a 1");
    let mut watcher = Watcher::of(&redis.url());
    assert_eq!(watcher.until_holds(&[("a", "1")]), Trust::Reconnected);
    redis.kill();
    watcher.disconnected();
    redis.start_again();
    assert_eq!(watcher.until_holds(&[("a", "1")]), Trust::Reconnected);
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
        assert!(
            stopped.elapsed() < Duration::from_secs(5),
            "{:?}",
            stopped.elapsed()
        );
    }
    redis.signal(Signal::CONT);
    for watcher in &mut watchers {
        assert_eq!(watcher.until_holds(&[("a", "1")]), Trust::Reconnected);
    }
}

#[test]
fn a_redis_that_stops_while_it_owes_an_answer_is_noticed() {
    let mut redis = Redis::start(&[]);
    let mut watcher = Watcher::with(&format!(
        "resync_interval = \"1ms\"\n[redis]\nurls = [\"{}\"]\n",
        redis.url()
    ));
    watcher.pass();
    redis.signal(Signal::STOP);
    let stopped = Instant::now();
    watcher.disconnected();
    assert!(
        stopped.elapsed() < Duration::from_secs(5),
        "{:?}",
        stopped.elapsed()
    );
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
        assert!(matches!(event, Event::Read(_)), "{event:?}");
        second.connections.load(Ordering::Relaxed) > 5
    });
}

#[test]
fn a_killed_connection_comes_back_at_once() {
    let mut redis = Redis::start(&[]);
    redis.run("HSET cloudhosts a 1");
    let mut watcher = Watcher::of(&redis.url());
    watcher.until_holds(&[("a", "1")]);
    redis.run("CLIENT KILL TYPE normal SKIPME yes");
    let retry_in = watcher.until("the loss", |event| match event {
        Event::Disconnected { retry_in, .. } => Some(*retry_in),
        _ => None,
    });
    assert!(retry_in <= Duration::from_millis(50), "{retry_in:?}");
    assert_eq!(watcher.until_holds(&[("a", "1")]), Trust::Reconnected);
}

#[test]
fn a_wish_to_accept_without_a_connection_is_for_the_next_attempt_only() {
    let port = free_port();
    let mut watcher = Watcher::of(&format!("redis://127.0.0.1:{port}"));
    watcher.disconnected();
    watcher.accept();
    watcher.disconnected();
    watcher.disconnected();
    let redis = Redis::start(&[]);
    let mut other = Watcher::of(&redis.url());
    assert_eq!(other.until_holds(&[]), Trust::Reconnected);
}

#[test]
fn replicas_are_followed_and_their_full_resync_is_doubted() {
    let mut master = Redis::start(&[]);
    let mut replica = Redis::start(&[]);
    master.run("HSET cloudhosts a 1");
    replica.run(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    let mut watcher = Watcher::of(&replica.url());
    watcher.until_holds(&[("a", "1")]);
    master.run("HSET cloudhosts a 2");
    watcher.until_holds(&[("a", "2")]);
    // The replica is given to an empty master: it drops all it has.
    let other = Redis::start(&[]);
    replica.run(&format!("REPLICAOF 127.0.0.1 {}", other.port));
    assert_ne!(watcher.until_holds(&[]), Trust::Live);
}
