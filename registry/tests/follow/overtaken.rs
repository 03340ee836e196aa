//! A logged change comes in between: to a role that is being read again, or to the hash to which a role
//! moves without the log.

use std::io::Write;
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

/// A push of the log and a later one of the hash need not be of one change. Here the log is cleared, so
/// that the hash is scanned, an entry that is no change is appended before that, and a change without the
/// log follows: its push arrives together with the reply, which is from before it.
#[test]
fn a_change_right_behind_a_scan_is_not_taken_for_part_of_it() {
    for _ in 0..TIMES {
        let mut redis = Redis::start(&[]);
        redis.logged(&[("web", Some("10.0.0.1"))]);
        let appender = Mutex::new(connection(&redis));
        let cleared = Arc::new(AtomicBool::new(false));
        let appended = Arc::new(AtomicBool::new(false));
        let (once, done, asked) = (cleared.clone(), appended.clone(), AtomicBool::new(false));
        let appending = Peer::asking(redis.port, move |_| {
            // The first request finds the log empty, and tracks it again.
            let is_second = once.load(Ordering::Relaxed) && asked.swap(true, Ordering::Relaxed);
            if is_second && once.swap(false, Ordering::Relaxed) {
                run(
                    &mut appender.lock().unwrap(),
                    "XADD cloudhosts:log * no change",
                );
                done.store(true, Ordering::Relaxed);
            }
        });
        let joining = joining(&redis, &appending, &appended, "10.0.0.1", &[CHANGE]);
        let mut watcher = Watcher::of(&joining.url);
        watcher.full();
        cleared.store(true, Ordering::Relaxed);
        redis.run("XTRIM cloudhosts:log MAXLEN 0");
        watcher.until_holds(&[("web", "10.0.0.3")]);
        assert!(!cleared.load(Ordering::Relaxed) && !appended.load(Ordering::Relaxed));
    }
}

/// The same behind a logged change that was read just before: it does not explain the push of the hash,
/// because the one of the log is of an entry that is no change.
#[test]
fn a_change_right_behind_an_entry_that_is_none_is_not_missed() {
    for _ in 0..TIMES {
        let mut redis = Redis::start(&[]);
        redis.logged(&[("web", Some("10.0.0.1"))]);
        let armed = Arc::new(AtomicBool::new(false));
        let direct = Peer::asking(redis.port, |_| {});
        let joining = joining(&redis, &direct, &armed, "10.0.0.2", &[ENTRY, CHANGE]);
        let mut watcher = Watcher::of(&joining.url);
        watcher.full();
        armed.store(true, Ordering::Relaxed);
        redis.logged(&[("web", Some("10.0.0.2"))]);
        watcher.until_holds(&[("web", "10.0.0.3")]);
        assert!(!armed.load(Ordering::Relaxed));
    }
}

/// What these tests are about happens at most times, not always: it depends on which of two threads is
/// the first.
const TIMES: usize = 8;

/// An entry of the log that is no change.
const ENTRY: &str = "XADD cloudhosts:log * no change";

/// A change without the log.
const CHANGE: &str = "HSET cloudhosts web 10.0.0.3";

/// Stands before another peer. Once it is armed, it runs these commands behind the reply that contains
/// `value`, and passes that on together with their pushes.
fn joining(
    redis: &Redis,
    behind: &Peer,
    armed: &Arc<AtomicBool>,
    value: &'static str,
    commands: &'static [&str],
) -> Peer {
    let (_, port) = behind.url.rsplit_once(':').unwrap();
    let (port, armed) = (port.parse().unwrap(), armed.clone());
    let state = Mutex::new((connection(redis), Vec::new(), 0));
    Peer::before(port, move |bytes, client| {
        let mut state = state.lock().unwrap();
        let (writer, held, awaited) = &mut *state;
        held.extend_from_slice(bytes);
        let has = |text: &[u8]| bytes.windows(text.len()).any(|at| at == text);
        if has(value.as_bytes()) && armed.swap(false, Ordering::Relaxed) {
            commands.iter().for_each(|command| run(writer, command));
            *awaited = commands.len();
        }
        let pushes = held.windows(10).filter(|at| at == b"invalidate").count();
        if pushes < std::mem::take(awaited) {
            *awaited = commands.len();
            return true;
        }
        client.write_all(&std::mem::take(held)).is_ok()
    })
}

fn connection(redis: &Redis) -> redis::Connection {
    let client = redis::Client::open(redis.url()).unwrap();
    client.get_connection().unwrap()
}

fn run(connection: &mut redis::Connection, command: &str) {
    let words: Vec<&str> = command.split(' ').collect();
    redis::cmd(words[0])
        .arg(&words[1..])
        .exec(connection)
        .unwrap();
}
