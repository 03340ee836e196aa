//! A logged change comes in between: to a role that is being read again, or to the hash to which a role
//! moves without the log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::peer::Peer;
use crate::server::{PATIENCE, Redis, log_change};
use crate::watcher::Watcher;

#[test]
fn a_role_that_moves_while_it_is_read_again_is_in_one_place() {
    moves_while_it_is_read_again(|_| {});
}

#[test]
fn a_role_that_moves_while_it_is_read_again_and_the_connection_is_cut_is_in_one_place() {
    moves_while_it_is_read_again(|writer| {
        let others = ["KILL", "TYPE", "normal", "SKIPME", "yes"];
        redis::cmd("CLIENT").arg(&others).exec(writer).unwrap();
    });
}

/// A role moves without the log. Just before the follower reads it again it moves once more, with the log,
/// and then `also` happens. It must not be told to be in both places.
fn moves_while_it_is_read_again(also: impl Fn(&mut redis::Connection) + Send + Sync + 'static) {
    let mut redis = Redis::start(&[]);
    // Too large to be read together with the other one.
    redis.fill("large", 12_000);
    redis.run("HSET small role/1 10.0.0.1");
    let client = redis::Client::open(redis.url()).unwrap();
    let writer = Mutex::new(client.get_connection().unwrap());
    let armed = Arc::new(AtomicBool::new(false));
    let once = armed.clone();
    let peer = Peer::asking(redis.port, move |request| {
        let reads_role = request.iter().any(|words| words[0] == "HMGET");
        if reads_role && once.swap(false, Ordering::Relaxed) {
            let mut change = redis::pipe();
            change.atomic();
            let moves = [("role/3", Some("10.0.0.3")), ("role/2", None)];
            log_change(&mut change, "small", &moves, &[]);
            let mut writer = writer.lock().unwrap();
            change.exec(&mut *writer).unwrap();
            also(&mut writer);
        }
    });
    let mut watcher = Watcher::with(&format!(
        "hashes = [\"large\", \"small\"]\n[redis]\nurls = [\"{}\"]\n",
        peer.url
    ));
    watcher.full();
    armed.store(true, Ordering::Relaxed);
    let mut moves = redis::pipe();
    moves
        .atomic()
        .cmd("HDEL")
        .arg(&["small", "role/1"])
        .cmd("HSET")
        .arg(&["small", "role/2", "10.0.0.2"])
        .cmd("HSET")
        .arg(&["large", "other", "10.0.0.9"]);
    moves.exec(&mut client.get_connection().unwrap()).unwrap();
    let end = Instant::now() + PATIENCE;
    loop {
        let fields: Vec<&String> = watcher.hashes[1].fields.keys().collect();
        assert_eq!(fields.len(), 1, "{fields:?}");
        let is_all = watcher.hashes[0].fields.contains_key("other");
        if fields == ["role/3"] && is_all {
            break;
        }
        assert!(Instant::now() < end, "still {fields:?}");
        watcher.event_within(Duration::from_millis(100));
    }
    assert!(!armed.load(Ordering::Relaxed));
}

/// A key is pushed once until it is read again. So of a change of two hashes without the log the push of
/// one is missing if a logged change of that hash came just before.
#[test]
fn a_role_that_moves_behind_a_logged_change_is_never_gone() {
    let mut redis = Redis::start(&[]);
    // Too large to be read together with the other one.
    redis.fill("large", 12_000);
    redis.run("HSET large leaves 1");
    redis.run("HSET small role/1 10.0.0.1");
    let client = redis::Client::open(redis.url()).unwrap();
    let writer = Mutex::new(client.get_connection().unwrap());
    let armed = Arc::new(AtomicBool::new(false));
    let once = armed.clone();
    let peer = Peer::asking(redis.port, move |_| {
        if once.swap(false, Ordering::Relaxed) {
            // The length of the large hash stays what it is.
            let mut moves = redis::pipe();
            moves.atomic();
            for words in [
                &["HDEL", "small", "role/1"][..],
                &["HSET", "large", "role/2", "10.0.0.2"],
                &["HDEL", "large", "leaves"],
            ] {
                moves.cmd(words[0]).arg(&words[1..]);
            }
            moves.exec(&mut *writer.lock().unwrap()).unwrap();
        }
    });
    let mut watcher = Watcher::with(&format!(
        "hashes = [\"large\", \"small\"]\n[redis]\nurls = [\"{}\"]\n",
        peer.url
    ));
    watcher.full();
    armed.store(true, Ordering::Relaxed);
    let mut logged = redis::pipe();
    logged.atomic();
    log_change(&mut logged, "large", &[("other", Some("10.0.0.9"))], &[]);
    logged.exec(&mut client.get_connection().unwrap()).unwrap();
    let end = Instant::now() + PATIENCE;
    while !watcher.hashes[0].fields.contains_key("role/2") {
        let is_there = watcher.hashes[1].fields.contains_key("role/1");
        assert!(is_there, "the role is nowhere");
        assert!(Instant::now() < end, "it is still where it was");
        watcher.event_within(Duration::from_millis(100));
    }
    assert!(!armed.load(Ordering::Relaxed));
}
