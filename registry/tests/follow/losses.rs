//! What Redis loses is retained, and what somebody deleted is not: each case in
//! which these were once taken for each other.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::peer::Peer;
use crate::server::{Dir, Redis, debug_arguments, wait_for};
use crate::watcher::Watcher;

const BOTH: [(&str, &str); 2] = [("a", "1"), ("b", "2")];

/// What saves each change before it is answered.
const SAVING: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

fn following(redis: &mut Redis, logged: bool) -> Watcher {
    write_both(redis, logged);
    let mut watcher = Watcher::of(&redis.url());
    watcher.until_holds(&BOTH);
    watcher
}

/// Follows a Redis through an endpoint that leads to the port in the returned number, and nowhere while it
/// is 0: what happens to Redis meanwhile happens before the follower is connected again.
fn behind_a_gate(redis: &Redis) -> (Arc<AtomicU16>, Peer, Watcher) {
    let port = Arc::new(AtomicU16::new(redis.port));
    let to = port.clone();
    let endpoint = Peer::to(move || to.load(Ordering::Relaxed));
    let mut watcher = Watcher::of(&endpoint.url);
    watcher.until_holds(&BOTH);
    (port, endpoint, watcher)
}

fn write_both(redis: &mut Redis, logged: bool) {
    if logged {
        let fields = [("a", Some("1")), ("b", Some("2"))];
        redis.logged_in("cloudhosts", &fields, &[(".len", "2")]);
    } else {
        redis.run("HSET cloudhosts a 1 b 2");
    }
}

fn replicates(replica: &mut Redis, master: &Redis) {
    replica.run(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    wait_for("the replica is in step", || {
        let text: String = redis::cmd("INFO")
            .arg("replication")
            .query(replica.admin())
            .unwrap();
        text.contains("master_link_status:up")
    });
}

fn has(redis: &mut Redis, field: &str, there: i64) {
    wait_for(field, || {
        redis.run(&format!("HEXISTS cloudhosts {field}")) == redis::Value::Int(there)
    });
}

fn on_both(first: &Redis, second: &Redis) -> String {
    format!(
        "[redis]\nurls = [\"{}\", \"{}\"]\n",
        first.tcp_url(),
        second.tcp_url()
    )
}

fn save(redis: &mut Redis) {
    // For a new replica it may be saving already.
    wait_for("a save", || redis::cmd("SAVE").exec(redis.admin()).is_ok());
}

/// A server that begins with what another has saved by now.
fn from_save_of(redis: &mut Redis) -> Redis {
    save(redis);
    let dir = Dir::new();
    let (from, to) = (redis.dir.path(), dir.path());
    std::fs::copy(from.join("dump.rdb"), to.join("dump.rdb")).unwrap();
    Redis::start_in(dir, &[])
}

// --- Losses that must not be believed ----------------------------------------

#[test]
fn a_flush_under_our_eyes_is_a_loss() {
    for (flush, logged) in [("FLUSHALL", false), ("FLUSHDB", false), ("FLUSHALL", true)] {
        let mut redis = Redis::start(&[]);
        let mut watcher = following(&mut redis, logged);
        redis.run(flush);
        watcher.until_retains(&[], &BOTH);
        // Each is retained until it is written again; and once Redis goes on
        // from there, what is deleted was meant.
        redis.run("HSET cloudhosts a 3");
        watcher.until_retains(&[("a", "3")], &[("b", "2")]);
        redis.run("HDEL cloudhosts a");
        watcher.until_retains(&[], &[("b", "2")]);
    }
}

#[test]
fn a_flush_while_the_connection_is_cut_is_a_loss() {
    for logged in [false, true] {
        let mut redis = Redis::start(&[]);
        let mut watcher = following(&mut redis, logged);
        let mut fault = redis::pipe();
        fault
            .cmd("CLIENT")
            .arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"]);
        fault.cmd("FLUSHALL");
        fault.cmd("HSET").arg(&["cloudhosts", "c", "3"]);
        fault.exec(redis.admin()).unwrap();
        watcher.until_retains(&[("c", "3")], &BOTH);
    }
}

#[test]
fn a_flush_that_stalls_redis_is_a_loss() {
    let mut redis = Redis::start(debug_arguments());
    let mut watcher = following(&mut redis, false);
    let mut stall = redis::pipe();
    stall
        .atomic()
        .cmd("FLUSHALL")
        .cmd("HSET")
        .arg(&["cloudhosts", "c", "3"]);
    stall.cmd("DEBUG").arg(&["SLEEP", "7"]);
    stall.exec(redis.admin()).unwrap();
    watcher.disconnected();
    watcher.until_retains(&[("c", "3")], &BOTH);
}

#[test]
fn an_older_save_at_the_second_url_is_a_loss() {
    for logged in [false, true] {
        let mut first = Redis::start(&[]);
        let mut replica = Redis::start(&[]);
        replicates(&mut replica, &first);
        first.run("HSET cloudhosts a 1");
        let second = from_save_of(&mut first);
        write_both(&mut first, logged);
        let mut watcher = Watcher::with(&on_both(&first, &second));
        watcher.until_holds(&BOTH);
        first.kill();
        watcher.until_retains(&[("a", "1")], &[("b", "2")]);
    }
}

#[test]
fn a_replica_that_returns_alone_with_an_older_save_is_a_loss() {
    for logged in [false, true] {
        let mut master = Redis::start(&[]);
        let port = master.port.to_string();
        let mut replica = Redis::start(&["--replicaof", "127.0.0.1", &port]);
        replicates(&mut replica, &master);
        master.run("HSET cloudhosts a 1");
        has(&mut replica, "a", 1);
        save(&mut replica);
        write_both(&mut master, logged);
        has(&mut replica, "b", 1);
        let mut watcher = Watcher::with(&on_both(&master, &replica));
        watcher.until_holds(&BOTH);
        master.kill();
        replica.kill();
        replica.start_again();
        watcher.until_retains(&[("a", "1")], &[("b", "2")]);
    }
}

#[test]
fn a_replica_that_had_lost_its_master_before_is_a_loss_until_it_has_caught_up() {
    for logged in [false, true] {
        let mut master = Redis::start(&SAVING);
        let mut replica = Redis::start(&[]);
        replicates(&mut replica, &master);
        master.run("HSET cloudhosts a 1");
        has(&mut replica, "a", 1);
        let mut watcher = Watcher::with(&on_both(&master, &replica));
        watcher.until_holds(&[("a", "1")]);
        replica.signal(Signal::STOP);
        master.run("CLIENT KILL TYPE replica");
        write_both(&mut master, logged);
        watcher.until_holds(&BOTH);
        master.kill();
        replica.signal(Signal::CONT);
        watcher.until_retains(&[("a", "1")], &[("b", "2")]);
        master.start_again();
        has(&mut replica, "b", 1);
        watcher.until_holds(&BOTH);
    }
}

#[test]
fn a_replica_is_not_believed_by_an_offset_from_before_what_was_logged() {
    let user = [
        "--user", "default", "on", "nopass", "~*", "&*", "+@all", "-xrange",
    ];
    let mut master = Redis::start(&[]);
    let mut replica = Redis::start(&user);
    replicates(&mut replica, &master);
    master.run("HSET cloudhosts a 1");
    has(&mut replica, "a", 1);
    let mut watcher = Watcher::with(&on_both(&master, &replica));
    watcher.until_holds(&[("a", "1")]);
    replica.signal(Signal::STOP);
    master.run("CLIENT KILL TYPE replica");
    // Told by the log, so that INFO is not asked again.
    master.logged(&[("b", Some("2"))]);
    watcher.until_holds(&BOTH);
    master.kill();
    replica.signal(Signal::CONT);
    watcher.until_retains(&[("a", "1")], &[("b", "2")]);
}

#[test]
fn a_loss_is_not_forgotten_when_the_connection_is_lost_before_it_is_looked_into() {
    let mut redis = Redis::start(&[]);
    let cuts = Arc::new(AtomicBool::new(false));
    let armed = cuts.clone();
    let peer = Peer::before(redis.port, move |bytes, client| {
        let marked = bytes.windows(6).any(|window| window == b"marked");
        let goes_on = client.write_all(bytes).is_ok();
        goes_on && !(marked && armed.swap(false, Ordering::Relaxed))
    });
    write_both(&mut redis, true);
    let mut watcher = Watcher::of(&peer.url);
    watcher.until_holds(&BOTH);
    cuts.store(true, Ordering::Relaxed);
    let mut fault = redis::pipe();
    fault
        .cmd("CLIENT")
        .arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"]);
    fault.cmd("FLUSHALL");
    crate::server::log_change(
        &mut fault,
        "cloudhosts",
        &[("c", Some("3"))],
        &[("x", "marked")],
    );
    fault.exec(redis.admin()).unwrap();
    // The first answer of the next connection tells that our entry is gone, and
    // is its last. In the one after that, the newest entry is known.
    watcher.until_retains(&[("c", "3")], &BOTH);
    assert!(!cuts.load(Ordering::Relaxed));
}

#[test]
fn an_empty_redis_at_which_one_has_registered_is_a_loss() {
    for logged in [false, true] {
        let mut redis = Redis::start(&[]);
        let past = following(&mut redis, logged).end();
        redis.kill();
        redis.start_again();
        redis.logged(&[("c", Some("3"))]);
        let text = format!("[redis]\nurls = [\"{}\"]\n", redis.url());
        let mut watcher = Watcher::since(&past, &text);
        watcher.until_retains(&[("c", "3")], &BOTH);
    }
}

#[test]
fn a_hash_that_is_evicted_is_a_loss() {
    for logged in [false, true] {
        let mut redis = Redis::start(&["--maxmemory-policy", "allkeys-random"]);
        let mut watcher = following(&mut redis, logged);
        redis.run("CONFIG SET maxmemory 1");
        // Any write evicts what there is.
        let mut writes = redis::pipe();
        writes.cmd("SET").arg(&["x", "1"]).ignore();
        let _ = writes.exec(redis.admin());
        redis.run("CONFIG SET maxmemory 0");
        watcher.until_retains(&[], &BOTH);
    }
}

/// Redis pushes nothing for SWAPDB, so that it is noticed at the next resync.
#[test]
fn databases_that_are_swapped_are_a_loss_until_they_are_swapped_back() {
    for logged in [false, true] {
        let mut redis = Redis::start(&[]);
        write_both(&mut redis, logged);
        let urls = format!("[redis]\nurls = [\"{}\"]\n", redis.url());
        let mut watcher = Watcher::with(&format!("resync_interval = \"500ms\"\n{urls}"));
        watcher.until_holds(&BOTH);
        redis.run("SWAPDB 0 1");
        watcher.until_retains(&[], &BOTH);
        redis.run("SWAPDB 0 1");
        watcher.until_holds(&BOTH);
    }
}

#[test]
fn a_hash_that_expires_is_a_loss() {
    let mut redis = Redis::start(&[]);
    let mut watcher = following(&mut redis, false);
    redis.run("PEXPIRE cloudhosts 1500");
    watcher.until_retains(&[], &BOTH);
}

#[test]
fn a_replica_that_is_given_to_an_empty_master_is_a_loss() {
    let mut master = Redis::start(&[]);
    let mut replica = Redis::start(&[]);
    replicates(&mut replica, &master);
    write_both(&mut master, false);
    let mut watcher = Watcher::of(&replica.url());
    watcher.until_holds(&BOTH);
    let other = Redis::start(&[]);
    replica.run(&format!("REPLICAOF 127.0.0.1 {}", other.port));
    watcher.until_retains(&[], &BOTH);
}

#[test]
fn a_redis_that_does_not_say_who_it_is_is_not_believed() {
    let user = [
        "--user", "default", "on", "nopass", "~*", "&*", "+@all", "-info",
    ];
    let mut redis = Redis::start(&[&user[..], &SAVING].concat());
    write_both(&mut redis, false);
    let (gate, _peer, mut watcher) = behind_a_gate(&redis);
    // Under watch a deletion is one.
    redis.run("HSET cloudhosts c 3");
    redis.run("HDEL cloudhosts c");
    gate.store(0, Ordering::Relaxed);
    redis.kill();
    watcher.disconnected();
    redis.start_again();
    redis.run("HDEL cloudhosts b");
    gate.store(redis.port, Ordering::Relaxed);
    watcher.until_retains(&[("a", "1")], &[("b", "2")]);
}

// --- Deletions that must be believed -----------------------------------------

#[test]
fn a_deletion_after_a_restart_from_the_append_only_file_is_believed_by_the_log() {
    let mut redis = Redis::start(&SAVING);
    let mut watcher = following(&mut redis, true);
    redis.kill();
    watcher.disconnected();
    redis.start_again();
    redis.run("HDEL cloudhosts b");
    watcher.until_holds(&[("a", "1")]);
}

#[test]
fn what_was_written_after_our_entry_without_the_log_is_not_proved_by_it() {
    let mut redis = Redis::start(&SAVING);
    write_both(&mut redis, true);
    let (gate, _peer, mut watcher) = behind_a_gate(&redis);
    redis.run("HSET cloudhosts c 3");
    watcher.until_mirror("c", |hashes| hashes[0].fields.len() == 3);
    gate.store(0, Ordering::Relaxed);
    redis.kill();
    watcher.disconnected();
    redis.start_again();
    redis.run("HDEL cloudhosts c");
    gate.store(redis.port, Ordering::Relaxed);
    watcher.until_retains(&BOTH, &[("c", "3")]);
}

#[test]
fn a_deletion_during_a_cut_is_believed() {
    for logged in [false, true] {
        let mut redis = Redis::start(&[]);
        let mut watcher = following(&mut redis, logged);
        let mut fault = redis::pipe();
        fault
            .cmd("CLIENT")
            .arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"]);
        fault.cmd("HDEL").arg(&["cloudhosts", "b"]);
        fault.exec(redis.admin()).unwrap();
        watcher.until_holds(&[("a", "1")]);
    }
}

#[test]
fn a_deletion_after_a_failover_behind_one_endpoint_is_believed() {
    for (logged, deletion) in [(false, false), (true, false), (true, true)] {
        let mut master = Redis::start(&[]);
        let mut replica = Redis::start(&[]);
        replicates(&mut replica, &master);
        let port = Arc::new(AtomicU16::new(master.port));
        let to = port.clone();
        let endpoint = Peer::to(move || to.load(Ordering::Relaxed));
        write_both(&mut master, logged);
        has(&mut replica, "b", 1);
        let mut watcher = Watcher::of(&endpoint.url);
        watcher.until_holds(&BOTH);
        port.store(replica.port, Ordering::Relaxed);
        master.kill();
        replica.run("REPLICAOF NO ONE");
        if deletion {
            replica.logged(&[("b", None)]);
        } else {
            replica.run("HDEL cloudhosts b");
        }
        watcher.until_holds(&[("a", "1")]);
    }
}

#[test]
fn a_deletion_during_a_full_resync_of_the_followed_replica_is_believed() {
    for logged in [false, true] {
        let mut master = Redis::start(&["--repl-backlog-size", "16384"]);
        let mut replica = Redis::start(&[]);
        replicates(&mut replica, &master);
        write_both(&mut master, logged);
        let mut watcher = Watcher::of(&replica.url());
        watcher.until_holds(&BOTH);
        let before = master.info("stats", "sync_full:");
        replica.signal(Signal::STOP);
        master.run("CLIENT KILL TYPE replica");
        master.run("HDEL cloudhosts b");
        for _ in 0..10 {
            master.command(&["SET", "x", &"x".repeat(10_000)]);
        }
        replica.signal(Signal::CONT);
        has(&mut replica, "b", 0);
        assert_eq!(master.info("stats", "sync_full:"), before + 1);
        watcher.until_holds(&[("a", "1")]);
    }
}

#[test]
fn a_deletion_beside_a_flush_of_another_database_is_believed() {
    for logged in [false, true] {
        let mut redis = Redis::start(&[]);
        write_both(&mut redis, logged);
        redis.run("HSET cloudhosts c 3");
        let mut watcher = Watcher::of(&redis.url());
        watcher.full();
        let mut both = redis::pipe();
        both.cmd("HDEL").arg(&["cloudhosts", "c"]);
        both.cmd("SELECT")
            .arg("5")
            .cmd("FLUSHDB")
            .cmd("SELECT")
            .arg("0");
        both.exec(redis.admin()).unwrap();
        watcher.until_holds(&BOTH);
        // The same while nobody is connected.
        redis.run("HSET cloudhosts c 3");
        watcher.until_mirror("c", |hashes| hashes[0].fields.len() == 3);
        let mut fault = redis::pipe();
        fault
            .cmd("CLIENT")
            .arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"]);
        fault
            .cmd("SELECT")
            .arg("5")
            .cmd("FLUSHDB")
            .cmd("SELECT")
            .arg("0");
        fault.cmd("HDEL").arg(&["cloudhosts", "c"]);
        fault.exec(redis.admin()).unwrap();
        watcher.until_holds(&BOTH);
    }
}

#[test]
fn a_log_that_was_trimmed_while_nobody_followed_is_not_a_loss() {
    let mut redis = Redis::start(&[]);
    let past = following(&mut redis, true).end();
    redis.logged(&[("b", None), ("c", Some("3"))]);
    redis.run("XTRIM cloudhosts:log MAXLEN 0");
    let text = format!("[redis]\nurls = [\"{}\"]\n", redis.url());
    let mut watcher = Watcher::since(&past, &text);
    watcher.until_holds(&[("a", "1"), ("c", "3")]);
}

#[test]
fn a_promoted_replica_in_step_is_believed_without_a_log() {
    let mut master = Redis::start(&[]);
    let mut replica = Redis::start(&[]);
    replicates(&mut replica, &master);
    write_both(&mut master, false);
    has(&mut replica, "b", 1);
    let mut watcher = Watcher::with(&on_both(&master, &replica));
    watcher.until_holds(&BOTH);
    // The replica has seen all of it, also what the master adds by itself.
    std::thread::sleep(Duration::from_millis(200));
    master.kill();
    replica.run("REPLICAOF NO ONE");
    replica.run("HDEL cloudhosts b");
    watcher.until_holds(&[("a", "1")]);
}

// --- What is retained is dropped ---------------------------------------------

#[test]
fn what_is_retained_is_dropped_through_the_log() {
    let mut redis = Redis::start(&[]);
    redis.logged(&[
        ("db", Some("1")),
        ("web/1", Some("2")),
        ("web/2", Some("3")),
    ]);
    let mut watcher = Watcher::of(&redis.url());
    watcher.full();
    redis.run("FLUSHALL");
    let all = [("db", "1"), ("web/1", "2"), ("web/2", "3")];
    watcher.until_retains(&[], &all);
    // As claim writes it, and as release does of what is not there.
    redis.logged_in("cloudhosts", &[("web", Some("9"))], &[(".drop", "web")]);
    watcher.until_retains(&[("web", "9")], &[("db", "1")]);
    redis.entry(&[(".drop", "Db.")]);
    watcher.until_holds(&[("web", "9")]);
    redis.run("FLUSHALL");
    watcher.until_retains(&[], &[("web", "9")]);
    redis.entry(&[(".drop", "*")]);
    watcher.until_holds(&[]);
}

#[test]
fn what_was_dropped_while_nobody_followed_is_not_retained() {
    let mut redis = Redis::start(&[]);
    redis.logged(&[("db", Some("1")), ("web/1", Some("2"))]);
    let mut watcher = Watcher::of(&redis.url());
    watcher.full();
    let mut fault = redis::pipe();
    fault
        .cmd("CLIENT")
        .arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"]);
    fault.cmd("FLUSHALL");
    crate::server::log_change(
        &mut fault,
        "cloudhosts",
        &[("web", Some("9"))],
        &[(".drop", "web")],
    );
    fault.exec(redis.admin()).unwrap();
    watcher.until_retains(&[("web", "9")], &[("db", "1")]);
}

/// An endpoint behind which the servers change.
impl Peer {
    fn to(port: impl Fn() -> u16 + Send + Sync + 'static) -> Peer {
        Peer::new(move |mut client| {
            let Ok(mut redis) = std::net::TcpStream::connect(("127.0.0.1", port())) else {
                return;
            };
            let (mut from, mut to) = (client.try_clone().unwrap(), redis.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(std::net::Shutdown::Both);
            });
            let _ = std::io::copy(&mut redis, &mut client);
            let _ = client.flush();
            let _ = client.shutdown(std::net::Shutdown::Both);
        })
    }
}

#[test]
fn a_daemon_that_knows_no_checkpoint_believes_nothing() {
    let mut redis = Redis::start(&[]);
    let mut past = following(&mut redis, true).end();
    past.checkpoint = cloudhosts_registry::Checkpoint::default();
    redis.run("HDEL cloudhosts b");
    let text = format!("[redis]\nurls = [\"{}\"]\n", redis.url());
    let mut watcher = Watcher::since(&past, &text);
    watcher.until_retains(&[("a", "1")], &[("b", "2")]);
}
