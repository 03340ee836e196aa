//! What was deleted on purpose goes, whatever happened to Redis meanwhile; and what is retained of
//! a role goes as soon as somebody says who has that role now.

use cloudhosts_tests::config::list;
use cloudhosts_tests::process::Signal;
use cloudhosts_tests::redis::wait_for_replica;
use cloudhosts_tests::{Redis, World};

use crate::common::Steady;
use crate::proxy::{Fault, Proxy};
use crate::writers::{
    Held, delete, early_and_late, following_both, go, sees, sees_neither, set, verb,
};

/// `late` goes by itself, `early` stays, and nothing is wrong.
fn late_goes(world: &World, mut early: Held, when: &str) {
    sees_neither(world.running(), "late");
    let status = world.daemon.wait_for_state("live");
    for hash in 0..2 {
        assert_eq!(status["hashes"][hash]["retained"], 0, "{when}: {status:#}");
    }
    early.hold(world, when);
}

#[test]
fn a_name_that_was_released_before_a_restart_from_the_append_only_file() {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .setting("appendonly yes")
        .setting("appendfsync always")
        .start();
    let urls = list(&[&redis.unix_url()]);
    let mut world = start.redis(redis).config("redis.urls", urls).build();
    verb(&world, &world.redis, &["claim", "web", "10.0.0.5"]);
    verb(&world, &world.redis, &["claim", "db", "10.0.0.6"]);
    go(&mut world);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    world.sees("db", &["10.0.0.6"]);
    world.daemon.signal(Signal::STOP);
    world.redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    verb(&world, &world.redis, &["release", "db"]);
    world.redis.restart();
    world.daemon.signal(Signal::CONT);
    world.sees_none("db");
    world.daemon.wait_for_state("live");
    steady.holds(&world, "after a restart from the append-only file");
}

#[test]
fn names_that_were_deleted_before_a_failover_behind_one_endpoint() {
    let start = World::new();
    let master = Redis::builder(start.directory().join("redis"))
        .tcp()
        .setting("repl-diskless-sync-delay 0")
        .start();
    let replica = Redis::builder(start.directory().join("replica"))
        .tcp()
        .replica_of(master.port())
        .start();
    wait_for_replica(&master);
    let proxy = Proxy::before(master.port());
    let start = start
        .redis(master)
        .config("redis.urls", list(&[&proxy.url()]));
    let mut world = following_both(start).build();
    set(&world, &world.redis, "early", 1);
    set(&world, &world.redis, "late", 2);
    go(&mut world);
    let early = Held::new(&world, "early", 1);
    sees(&world, "late", 2);
    proxy.set(Fault::Refuse);
    delete(&world, &world.redis, "late");
    wait_for_replica(&world.redis);
    world.redis.kill();
    replica.cli(&["REPLICAOF", "NO", "ONE"]);
    proxy.point_at(replica.port());
    proxy.set(Fault::None);
    late_goes(&world, early, "after a failover behind one endpoint");
}

#[test]
fn names_that_were_deleted_before_the_followed_replica_is_filled_anew() {
    let start = World::new();
    let master = Redis::builder(start.directory().join("redis"))
        .tcp()
        .setting("repl-diskless-sync-delay 0")
        .setting("repl-backlog-size 16kb")
        .start();
    let link = Proxy::before(master.port());
    let replica = Redis::builder(start.directory().join("replica"))
        .tcp()
        .replica_of(link.port())
        .start();
    wait_for_replica(&master);
    let urls = list(&[&replica.tcp_url()]);
    let start = start.redis(master).config("redis.urls", urls);
    let mut world = following_both(start).build();
    set(&world, &world.redis, "early", 1);
    set(&world, &world.redis, "late", 2);
    wait_for_replica(&world.redis);
    go(&mut world);
    let early = Held::new(&world, "early", 1);
    sees(&world, "late", 2);
    link.set(Fault::Refuse);
    delete(&world, &world.redis, "late");
    // more than the master keeps for a replica that comes back
    let much = "x".repeat(64 << 10);
    world.redis.cli(&["SET", "much", &much]);
    let full = |redis: &Redis| {
        let text = redis.cli(&["INFO", "stats"]);
        let line = text.lines().find(|line| line.starts_with("sync_full:"));
        line.unwrap().to_owned()
    };
    let before = full(&world.redis);
    link.set(Fault::None);
    wait_for_replica(&world.redis);
    assert_ne!(full(&world.redis), before, "the replica was filled anew");
    late_goes(&world, early, "after the replica was filled anew");
}

#[test]
fn names_that_are_deleted_while_another_database_is_flushed() {
    let world = early_and_late();
    let early = Held::new(&world, "early", 1);
    set(&world, &world.redis, "more", 3);
    sees(&world, "more", 3);
    sees(&world, "late", 2);
    world.redis.script(
        "MULTI
SELECT 1
SET another 1
FLUSHDB
SELECT 0
HDEL cloudhosts:plain late-plain
XADD cloudhosts:logged:log MAXLEN ~ 10000 * -late-logged gone
HDEL cloudhosts:logged late-logged
EXEC
",
    );
    late_goes(&world, early, "after another database was flushed");
}

#[test]
fn the_last_name_that_was_released_while_no_daemon_ran() {
    let mut world = World::new().build();
    verb(&world, &world.redis, &["claim", "web", "10.0.0.5"]);
    go(&mut world);
    world.sees("web", &["10.0.0.5"]);
    assert!(world.daemon.terminate().success());
    verb(&world, &world.redis, &["release", "web"]);
    world.daemon.start();
    world.sees_none("web");
    world.daemon.wait_for_state("live");
}

#[test]
fn a_name_that_was_released_while_no_daemon_ran_and_the_log_was_trimmed() {
    let mut world = World::new().build();
    for (role, address) in [("web", "10.0.0.5"), ("db", "10.0.0.6")] {
        verb(&world, &world.redis, &["claim", role, address]);
    }
    go(&mut world);
    world.sees("db", &["10.0.0.6"]);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    assert!(world.daemon.terminate().success());
    verb(&world, &world.redis, &["release", "db"]);
    verb(&world, &world.redis, &["claim", "app", "10.0.0.7"]);
    world.redis.cli(&["XTRIM", "cloudhosts:log", "MAXLEN", "1"]);
    world.daemon.start();
    world.sees_none("db");
    world.sees("app", &["10.0.0.7"]);
    world.daemon.wait_for_state("live");
    steady.holds(&world, "with a log that does not reach back");
}

#[test]
fn what_is_retained_of_a_role_goes_when_somebody_claims_or_releases_it() {
    let mut world = World::new().build();
    for (member, address) in [("a", "10.0.0.1"), ("b", "10.0.0.2")] {
        verb(
            &world,
            &world.redis,
            &["join", "db-master", address, "--member", member],
        );
    }
    world.hset(&[("queue", "10.0.0.3"), ("web", "10.0.0.5")]);
    go(&mut world);
    world.sees("db-master", &["10.0.0.1", "10.0.0.2"]);
    world.sees("queue", &["10.0.0.3"]);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    world.redis.cli(&["FLUSHALL"]);
    world.daemon.wait_for_state("guarded");
    assert_eq!(
        world.look_up("db-master").sorted(),
        ["10.0.0.1", "10.0.0.2"]
    );
    let mut watch = world.watch("db-master");
    watch.until(&["10.0.0.1", "10.0.0.2"]);
    verb(&world, &world.redis, &["claim", "db-master", "10.0.0.9"]);
    watch.until(&["10.0.0.9"]);
    assert_eq!(watch.history().len(), 2, "{:?}", watch.history());
    // Redis has nothing of it: what counts is what the daemons retain
    world.cloudhosts(&["release", "queue"]);
    world.sees_none("queue");
    steady.holds(&world, "while other roles are claimed and released");
    let status = world.daemon.wait_for("one is retained", |status| {
        status["hashes"][0]["retained"] == 1
    });
    assert_eq!(status["state"], "guarded", "{status:#}");
}
