//! The log overtakes a role that is being read again.

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
