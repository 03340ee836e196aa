//! The log overtakes a role that is being read again.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::peer::Peer;
use crate::server::{PATIENCE, Redis, log_change};
use crate::watcher::Watcher;

/// Waits with both hashes for one moment at which a role has moved without the log, and with the log
/// once more just before the follower reads it again. It must not be told to be in both places.
#[test]
fn a_role_that_moves_while_it_is_read_again_is_in_one_place() {
    let mut redis = Redis::start(&[]);
    // Too large to be read together with the other one.
    redis.fill("large", 12_000);
    redis.run("HSET small role/1 10.0.0.1");
    let client = redis::Client::open(redis.url()).unwrap();
    let writer = Mutex::new(client.get_connection().unwrap());
    let armed = std::sync::Arc::new(AtomicBool::new(false));
    let once = armed.clone();
    let peer = Peer::asking(redis.port, move |request| {
        let reads_role = request.iter().any(|words| words[0] == "HMGET");
        if reads_role && once.swap(false, Ordering::Relaxed) {
            let mut change = redis::pipe();
            change.atomic();
            let moves = [("role/3", Some("10.0.0.3")), ("role/2", None)];
            log_change(&mut change, "small", &moves, &[]);
            change.exec(&mut *writer.lock().unwrap()).unwrap();
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
    moves.exec(redis.admin()).unwrap();
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
