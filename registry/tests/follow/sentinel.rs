//! Finding the master through sentinels.

use std::time::{Duration, Instant};

use cloudhosts_registry::Event;
use cloudhosts_testkit::Sentinel;
use cloudhosts_testkit::sentinel::MASTER;

use crate::server::{Redis, free_port, wait_for};
use crate::watcher::Watcher;

/// The rights that cloudhosts-registry(7) gives a user at a sentinel.
const RIGHTS: &str = "-@all resetchannels +auth +hello +sentinel|get-master-addr-by-name \
    +sentinel|master +subscribe &+switch-master &+failover-state-reconf-slaves";

/// A sentinel whose user `mirror` has these rights.
fn with(master: &Redis, rights: &str, lines: &str) -> Sentinel {
    let user = format!("user mirror on >secret {rights}\n{lines}");
    Sentinel::watching(master.port, &user)
}

fn watching(master: &Redis) -> Sentinel {
    with(master, RIGHTS, "")
}

/// One that logs in at the servers as a user of its own, and sees them no more when that user is
/// switched off.
fn as_user(master: &Redis) -> Sentinel {
    let lines = format!("sentinel auth-user {MASTER} watch\nsentinel auth-pass {MASTER} word\n");
    with(master, RIGHTS, &lines)
}

fn text(sentinel: &Sentinel, name: &str) -> String {
    let dead = free_port();
    format!(
        "resync_interval = \"500ms\"\n[redis]\nsentinel = \"{name}\"\n\
         urls = [\"redis://127.0.0.1:{dead}\", \"redis://127.0.0.1:{}\"]\n",
        sentinel.port()
    )
}

/// These sentinels, asked again after this time.
fn asking(sentinels: &[&Sentinel], resync: &str) -> String {
    let urls: Vec<String> = sentinels
        .iter()
        .map(|sentinel| format!("\"redis://mirror:secret@127.0.0.1:{}\"", sentinel.port()))
        .collect();
    format!(
        "resync_interval = \"{resync}\"\n[redis]\nsentinel = \"{MASTER}\"\nurls = [{}]\n",
        urls.join(", ")
    )
}

/// A master and a replica of it, at which the sentinel has a user of its own.
fn pair() -> (Redis, Redis) {
    let mut first = Redis::start(&[]);
    let mut second = Redis::start(&[]);
    for redis in [&mut first, &mut second] {
        redis.run("ACL SETUSER watch on >word ~* &* +@all");
    }
    first.run("HSET cloudhosts a 1");
    second.run(&format!("REPLICAOF 127.0.0.1 {}", first.port));
    wait_for("the replica has the data", || {
        second.run("EXISTS cloudhosts") == redis::Value::Int(1)
    });
    (first, second)
}

/// The sentinel sees the master no more, which everybody else does.
fn hide(master: &mut Redis) {
    master.run("ACL SETUSER watch off");
    // whom it falls back to
    master.run("ACL SETUSER default -ping -replicaof -slaveof");
    master.run("CLIENT KILL USER watch");
}

fn until_connected(watcher: &mut Watcher, redis: &Redis) {
    while watcher.connected().0 != redis.tcp_url() {}
}

#[test]
fn a_deposed_master_that_still_answers_is_left() {
    let (mut first, mut second) = pair();
    let sentinel = as_user(&first);
    sentinel.knows(second.port);
    let mut watcher = Watcher::with(&asking(&[&sentinel], "60s"));
    assert_eq!(watcher.connected().0, first.tcp_url());
    watcher.until_holds(&[("a", "1")]);
    hide(&mut first);
    sentinel.names(second.port);
    second.run("HSET cloudhosts a 2");
    until_connected(&mut watcher, &second);
    watcher.until_holds(&[("a", "2")]);
    assert_eq!(
        first.run("HGET cloudhosts a"),
        redis::Value::BulkString(b"1".to_vec()),
        "the first master is reached all the time, and has the old data"
    );
}

#[test]
fn of_sentinels_that_disagree_the_one_with_the_newest_configuration_counts() {
    let (mut first, second) = pair();
    let sentinel = as_user(&first);
    sentinel.knows(second.port);
    hide(&mut first);
    sentinel.names(second.port);
    // These see the first master alone, and know of no failover; they are asked first, and more.
    let stale = [watching(&first), watching(&first)];
    stale.iter().for_each(|stale| stale.names(first.port));
    let all = [&stale[0], &stale[1], &sentinel];
    let mut watcher = Watcher::with(&asking(&all, "500ms"));
    assert_eq!(watcher.connected().0, second.tcp_url());
    watcher.until_holds(&[("a", "1")]);
    for _ in 0..5 {
        let event = watcher.event();
        assert!(matches!(event, Event::Changes(_)), "{event:?}");
    }
}

#[test]
fn a_failover_that_is_meant_is_followed_at_once() {
    let (first, mut second) = pair();
    let sentinels = [as_user(&first), as_user(&first)];
    sentinels
        .iter()
        .for_each(|sentinel| sentinel.knows(second.port));
    let [gone, sentinel] = sentinels;
    let mut watcher = Watcher::with(&asking(&[&gone, &sentinel], "60s"));
    watcher.until_holds(&[("a", "1")]);
    // Whichever of the two was listened to, now it is this one.
    drop(gone);
    sentinel.until(&["CLIENT", "LIST"], "sub=2");
    sentinel.fail_over();
    sentinel.names(second.port);
    let named = Instant::now();
    until_connected(&mut watcher, &second);
    watcher.until_holds(&[("a", "1")]);
    let took = named.elapsed();
    println!("followed {took:?} after the sentinel named the new master");
    // It takes the old master 10 s to cut its clients off.
    assert!(took < Duration::from_secs(5), "{took:?}");
    second.run("HSET cloudhosts a 2");
    watcher.until_holds(&[("a", "2")]);
}

#[test]
fn the_sentinels_are_asked_again_at_each_resync() {
    // also one that lets us neither subscribe nor know how new its word is
    let less = RIGHTS
        .replace("+subscribe", "")
        .replace("+sentinel|master", "");
    for rights in [RIGHTS, &less] {
        let (first, mut second) = pair();
        let sentinel = with(&first, rights, "");
        let mut watcher = Watcher::with(&asking(&[&sentinel], "500ms"));
        watcher.until_holds(&[("a", "1")]);
        second.run("REPLICAOF NO ONE");
        sentinel.monitor(second.port);
        until_connected(&mut watcher, &second);
    }
}

#[test]
fn a_master_is_followed_though_all_sentinels_are_gone() {
    let mut first = Redis::start(&[]);
    let sentinel = watching(&first);
    sentinel.names(first.port);
    let mut watcher = Watcher::with(&asking(&[&sentinel], "300ms"));
    watcher.connected();
    drop(sentinel);
    for n in 0..10 {
        first.run(&format!("HSET cloudhosts a {n}"));
        // several resyncs
        for _ in 0..2 {
            let event = watcher.event();
            assert!(matches!(event, Event::Changes(_)), "{event:?}");
        }
    }
}

#[test]
fn the_master_is_found_and_followed_through_a_failover() {
    let mut first = Redis::start(&[]);
    let mut second = Redis::start(&[]);
    first.run("HSET cloudhosts a 1");
    second.run(&format!("REPLICAOF 127.0.0.1 {}", first.port));
    wait_for("the replica has the data", || {
        second.run("EXISTS cloudhosts") == redis::Value::Int(1)
    });
    let sentinel = watching(&first);
    sentinel.knows(second.port);
    let mut watcher = Watcher::with(&text(&sentinel, MASTER));
    assert_eq!(watcher.connected().0, first.tcp_url());
    watcher.until_holds(&[("a", "1")]);
    first.kill();
    sentinel.names(second.port);
    loop {
        if watcher.connected().0 == second.tcp_url() {
            break;
        }
    }
    // It has the data of the one before: what is gone there was deleted.
    watcher.until_holds(&[("a", "1")]);
    second.run("HSET cloudhosts a 2");
    watcher.until_holds(&[("a", "2")]);
}

#[test]
fn a_master_that_was_demoted_is_left() {
    let first = Redis::start(&[]);
    let mut second = Redis::start(&[]);
    second.run(&format!("REPLICAOF 127.0.0.1 {}", first.port));
    let sentinel = watching(&first);
    sentinel.knows(second.port);
    let mut watcher = Watcher::with(&text(&sentinel, MASTER));
    assert_eq!(watcher.connected().0, first.tcp_url());
    watcher.full();
    sentinel.fail_over();
    sentinel.names(second.port);
    loop {
        if watcher.connected().0 == second.tcp_url() {
            break;
        }
    }
    second.run("HSET cloudhosts a 2");
    watcher.until_holds(&[("a", "2")]);
}

#[test]
fn demotion_without_a_cut_is_noticed_at_the_next_full_read() {
    let mut first = Redis::start(&[]);
    let other = Redis::start(&[]);
    let sentinel = watching(&first);
    let mut watcher = Watcher::with(&text(&sentinel, MASTER));
    watcher.connected();
    first.run(&format!("REPLICAOF 127.0.0.1 {}", other.port));
    let why = watcher.disconnected();
    assert!(why.contains("no longer the master"), "{why}");
    let why = watcher.disconnected();
    assert!(why.contains("it is a replica"), "{why}");
}

#[test]
fn a_name_no_sentinel_knows_is_said() {
    let first = Redis::start(&[]);
    let sentinel = watching(&first);
    let why = Watcher::with(&text(&sentinel, "nobody")).disconnected();
    assert!(
        why.contains("monitors no master called \"nobody\""),
        "{why}"
    );
}

#[test]
fn the_rights_that_the_page_gives_are_these() {
    let page = include_str!("../../../man/cloudhosts-registry.7");
    let rights = RIGHTS.strip_prefix("-@all resetchannels ").unwrap();
    assert!(page.contains(rights), "{rights}");
}
