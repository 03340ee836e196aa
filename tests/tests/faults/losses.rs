//! Redis has lost names, and does not say so. Every name goes on being answered, and the daemon
//! says that it is `guarded`.
//!
//! Each set-up has `early`, which somebody registers anew or which is in an older state of the
//! data, and `late`, which is lost. Both are there twice: written with HSET, and by the verbs.

use std::path::Path;

use cloudhosts_tests::config::list;
use cloudhosts_tests::process::Signal;
use cloudhosts_tests::redis::{debug_arguments, wait_for_replica};
use cloudhosts_tests::world::WorldBuilder;
use cloudhosts_tests::{Redis, World, wait};

use crate::common::RawConnection;
use crate::proxy::{Fault, Proxy};
use crate::writers::{Held, LOGGED, PLAIN, early_and_late, following_both, go, sees, set};

/// Everything is flushed and `early` is registered anew, in one step and in both ways.
const FLUSHED: &str = "MULTI
FLUSHALL
HSET cloudhosts:plain early-plain 10.0.1.9
XADD cloudhosts:logged:log MAXLEN ~ 10000 * +early-logged 10.0.2.9
HSET cloudhosts:logged early-logged 10.0.2.9
";

#[test]
fn a_flush_while_the_connection_is_cut() {
    let mut world = early_and_late();
    let mut held = Held::new(&world, "late", 2);
    world.daemon.signal(Signal::STOP);
    world.redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    world.redis.script(&format!("{FLUSHED}EXEC\n"));
    world.daemon.signal(Signal::CONT);
    sees(&world, "early", 9);
    held.are_retained(&world, 1, "after a flush that nobody was told of");
}

#[test]
fn a_flush_that_stalls_redis() {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .arguments(debug_arguments())
        .start();
    let urls = list(&[&redis.unix_url()]);
    let mut world = following_both(start.redis(redis).config("redis.urls", urls)).build();
    set(&world, &world.redis, "early", 1);
    set(&world, &world.redis, "late", 2);
    go(&mut world);
    let mut held = Held::new(&world, "late", 2);
    // as it does while it frees millions of keys
    world
        .redis
        .script(&format!("{FLUSHED}DEBUG SLEEP 7\nEXEC\n"));
    sees(&world, "early", 9);
    held.are_retained(&world, 1, "after a flush that took 7 s");
}

#[test]
fn a_flush_and_a_write_between_two_polls() {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .user("user poller on >secret ~* &* +@all -client|tracking")
        .start();
    let urls = list(&[&redis.unix_url()]);
    let start = start
        .redis(redis)
        .config("redis.urls", urls)
        .config("poll_interval", "'1s'")
        .login("poller", "secret");
    let mut world = following_both(start).build();
    set(&world, &world.redis, "early", 1);
    set(&world, &world.redis, "late", 2);
    go(&mut world);
    let mut held = Held::new(&world, "late", 2);
    world.redis.script(&format!("{FLUSHED}EXEC\n"));
    sees(&world, "early", 9);
    held.are_retained(&world, 1, "after a flush between two polls");
}

#[test]
fn a_redis_without_memory_that_evicts_the_hashes() {
    let world = early_and_late();
    let mut held = Held::new(&world, "late", 2);
    let used = world.redis.cli(&["INFO", "memory"]);
    let used = used
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"))
        .and_then(|bytes| bytes.trim().parse::<u64>().ok())
        .unwrap();
    let limit = (used + (512 << 10)).to_string();
    world.redis.cli(&["CONFIG", "SET", "maxmemory", &limit]);
    let policy = ["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"];
    world.redis.cli(&policy);
    let mut wire = RawConnection::new(&world.redis);
    let (mut filler, value) = (0, vec![b'x'; 4 << 10]);
    wait::until("both hashes are evicted", || {
        for _ in 0..10 {
            filler += 1;
            let key = format!("filler-{filler}");
            wire.send(&[vec![b"SET", key.as_bytes(), &value]]);
        }
        (world.redis.cli(&["EXISTS", PLAIN, LOGGED]) == "0").then_some(())
    });
    world.redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    held.are_retained(&world, 2, "after both hashes were evicted");
    set(&world, &world.redis, "early", 9);
    sees(&world, "early", 9);
    held.are_retained(&world, 1, "after one of each was registered anew");
}

#[test]
fn a_site_without_power_where_redis_comes_back_empty_and_the_daemon_last() {
    let mut world = early_and_late();
    let mut held = Held::new(&world, "late", 2);
    let file = world.sandbox.outside("/var/lib/cloudhosts/last-good.table");
    wait::until("the names are on disk", || {
        let table = std::fs::read(&file).unwrap_or_default();
        let name = b"late-logged";
        let found = table.windows(name.len()).any(|window| window == name);
        found.then_some(())
    });
    world.daemon.kill();
    world.redis.restart();
    set(&world, &world.redis, "early", 9);
    world.daemon.start();
    sees(&world, "early", 9);
    held.are_retained(&world, 1, "after the power came back");
}

/// A master and a replica, of which the daemon follows those that `urls` gives.
fn pair(urls: fn(&Redis, &Redis) -> Vec<String>) -> (World, Redis) {
    pair_by(World::new(), urls, |master| master.port())
}

/// The same where the replica comes to its master by another port.
fn pair_by(
    start: WorldBuilder,
    urls: fn(&Redis, &Redis) -> Vec<String>,
    port: impl Fn(&Redis) -> u16,
) -> (World, Redis) {
    let master = Redis::builder(start.directory().join("redis"))
        .tcp()
        .setting("repl-diskless-sync-delay 0")
        .start();
    let replica = Redis::builder(start.directory().join("replica"))
        .tcp()
        .replica_of(port(&master))
        .start();
    wait_for_replica(&master);
    let urls = urls(&master, &replica);
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let start = start
        .redis(master)
        .config("redis.urls", list(&urls))
        .config("redis.connect_timeout", "'500ms'");
    let mut world = following_both(start).build();
    set(&world, &world.redis, "early", 1);
    wait_for_replica(&world.redis);
    go(&mut world);
    sees(&world, "early", 1);
    (world, replica)
}

/// Both `late` names, which the daemon has seen and no `SAVE` so far has kept.
fn register_late(world: &World) -> Held {
    set(world, &world.redis, "late", 2);
    Held::new(world, "late", 2)
}

fn master_then_replica(master: &Redis, replica: &Redis) -> Vec<String> {
    vec![master.tcp_url(), replica.tcp_url()]
}

fn replica_alone(_: &Redis, replica: &Redis) -> Vec<String> {
    vec![replica.tcp_url()]
}

/// A copy of what a Redis would have if it were started anew.
fn keep_dump(world: &World, redis: &Redis) -> std::path::PathBuf {
    redis.cli(&["SAVE"]);
    let copy = world.dir.join("older.rdb");
    std::fs::copy(redis.dump(), &copy).unwrap();
    copy
}

fn restart_with(redis: &mut Redis, dump: &Path) {
    redis.kill();
    std::fs::copy(dump, redis.dump()).unwrap();
    redis.restart();
}

#[test]
fn an_older_backup_that_is_restored_at_the_second_url() {
    let start = World::new();
    let mut second = Redis::builder(start.directory().join("second"))
        .tcp()
        .start();
    second.kill();
    let master = Redis::builder(start.directory().join("redis"))
        .tcp()
        .setting("repl-diskless-sync-delay 0")
        .start();
    // with a replica the master saves which replication its data belongs to
    let replica = Redis::builder(start.directory().join("replica"))
        .tcp()
        .replica_of(master.port())
        .start();
    wait_for_replica(&master);
    let urls = list(&[&master.tcp_url(), &second.tcp_url()]);
    let mut world = following_both(start.redis(master).config("redis.urls", urls)).build();
    set(&world, &world.redis, "early", 1);
    go(&mut world);
    let older = keep_dump(&world, &world.redis);
    let mut held = register_late(&world);
    world.redis.kill();
    restart_with(&mut second, &older);
    drop(replica);
    world.daemon.wait_for("the second is followed", |status| {
        status["redis"]["endpoint"] == second.tcp_url()
    });
    held.are_retained(&world, 1, "at the second URL with an older backup");
}

#[test]
fn a_site_without_power_of_which_only_the_replica_returns_with_older_data() {
    let (mut world, mut replica) = pair(master_then_replica);
    let older = keep_dump(&world, &replica);
    let mut held = register_late(&world);
    wait_for_replica(&world.redis);
    world.redis.kill();
    restart_with(&mut replica, &older);
    held.are_retained(&world, 1, "at the replica that came back alone");
}

#[test]
fn a_replica_that_is_restarted_alone_with_older_data() {
    let (mut world, mut replica) = pair(replica_alone);
    let older = keep_dump(&world, &replica);
    let mut held = register_late(&world);
    // it does not hear from its master until that goes on
    world.redis.signal(Signal::STOP);
    restart_with(&mut replica, &older);
    held.are_retained(&world, 1, "at the replica that has older data");
    world.redis.signal(Signal::CONT);
    let status = world.daemon.wait_for_state("live");
    assert_eq!(status["hashes"][0]["retained"], 0, "{status:#}");
    held.hold(&world, "after the replica has caught up");
}

#[test]
fn a_replica_whose_link_to_the_master_was_down_before_the_write() {
    let proxy = std::cell::OnceCell::new();
    let (mut world, _replica) = pair_by(World::new(), master_then_replica, |master| {
        let proxy = proxy.get_or_init(|| Proxy::before(master.port()));
        proxy.port()
    });
    let proxy = proxy.get().unwrap();
    proxy.set(Fault::Refuse);
    let mut held = register_late(&world);
    world.redis.kill();
    held.are_retained(&world, 1, "at the replica that had not heard of it");
}
