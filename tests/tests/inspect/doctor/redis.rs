//! Redis, visited as the daemon would.

use std::fs;

use cloudhosts_tests::config::{list, quote};
use cloudhosts_tests::failover::{Failover, MASTER};
use cloudhosts_tests::process::Signal;
use cloudhosts_tests::world::{HASH, WorldBuilder};
use cloudhosts_tests::{Redis, World, rights, wait};

use super::{doctor, examine, says};

#[test]
fn redis_is_visited_as_the_daemon_would() {
    let mut world = World::with(&[("web", "10.0.0.5"), ("bad", "10.0.0.5:80")]);
    says(&doctor(&world).1, "wrong", "rejected", &["cloudhosts lint"]);
    world.redis.cli(&["FLUSHALL"]);
    world.daemon.wait_for_state("guarded");
    let said = doctor(&world).1;
    says(&said, "wrong", "guard", &["cloudhosts accept"]);
    says(&said, "warning", "redis", &["cloudhosts"]);
    examine(&world).is("redis", &["ok", "empty"]);
    world.redis.kill();
    world.daemon.wait_for_state("reconnecting");
    let said = doctor(&world).1;
    says(&said, "wrong", "redis", &["redis+unix"]);
    examine(&world).is("daemon", &["disconnected"]);
}

#[test]
fn the_acl_that_is_documented_is_enough_and_less_is_told() {
    let builder = World::new();
    let redis = Redis::builder(builder.directory().join("redis")).start();
    let rights = format!("on >secret {}", rights::of_daemon());
    let grant = |rights: &str| {
        let all = ["ACL", "SETUSER", "cloudhosts", "reset"];
        redis.cli(&[&all[..], &rights.split_whitespace().collect::<Vec<_>>()].concat());
    };
    grant(&rights);
    redis.hset("cloudhosts", &[("web", "10.0.0.5")]);
    let urls = format!("['{}']", redis.unix_url());
    let world = builder
        .redis(redis)
        .login("cloudhosts", "secret")
        .config("redis.urls", urls)
        .start();
    let (code, said) = doctor(&world);
    assert_eq!(code, 0, "{said}");
    says(&said, "ok", "acl", &[]);
    // also where a value is too large to be read
    let giant = "redis.call('HSET', KEYS[1], 'db', string.rep('x', 70000000))";
    world.redis.cli(&["EVAL", giant, "1", "cloudhosts"]);
    world.daemon.wait_for_rejected("cloudhosts", "db");
    let said = doctor(&world).1;
    says(&said, "ok", "acl", &[]);
    world.redis.cli(&["HDEL", "cloudhosts", "db"]);
    let grant = |rights: &str| {
        let all = ["ACL", "SETUSER", "cloudhosts", "reset"];
        world
            .redis
            .cli(&[&all[..], &rights.split_whitespace().collect::<Vec<_>>()].concat());
    };
    for (missing, verdict, check) in [
        ("+hgetall", "wrong", "acl"),
        ("+hscan", "wrong", "acl"),
        ("+hlen", "wrong", "acl"),
        ("+ping", "wrong", "acl"),
        ("+info", "warning", "acl"),
        ("+xrange", "warning", "acl"),
        ("+xrevrange", "warning", "acl"),
        ("+multi", "warning", "acl"),
        ("+exec", "warning", "acl"),
        ("+pttl", "warning", "acl"),
        ("+hkeys", "warning", "acl"),
        ("+hstrlen", "warning", "acl"),
        ("+hmget", "warning", "acl"),
        ("+client|tracking", "warning", "redis"),
    ] {
        grant(&rights.replace(missing, ""));
        let said = doctor(&world).1;
        let command = missing.trim_start_matches('+');
        says(&said, verdict, check, &[command.split('|').next().unwrap()]);
    }
    fs::write(world.dir.join("password"), "wrong\n").unwrap();
    let said = doctor(&world).1;
    says(&said, "wrong", "redis", &["password"]);
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn the_ways_in_which_redis_loses_names_by_itself_are_told() {
    let world = World::with(&[("web", "10.0.0.5")]);
    for setting in [["maxmemory", "1gb"], ["maxmemory-policy", "allkeys-lru"]] {
        world
            .redis
            .cli(&[&["CONFIG", "SET"][..], &setting].concat());
    }
    world.redis.cli(&["EXPIRE", HASH, "100000"]);
    // the file to save to is a directory
    fs::create_dir(world.dir.join("redis/dump.rdb")).unwrap();
    world.redis.cli(&["BGSAVE"]);
    wait::until("saving has failed", || {
        let info = world.redis.cli(&["INFO", "persistence"]);
        info.contains("rdb_last_bgsave_status:err").then_some(())
    });
    let (code, said) = doctor(&world);
    assert_eq!(code, 0, "warnings are no failure: {said}");
    says(&said, "warning", "eviction", &["allkeys-lru", "noeviction"]);
    says(&said, "warning", "expiry", &[HASH, "PERSIST"]);
    says(&said, "warning", "persistence", &[]);
}

#[test]
fn the_master_that_the_sentinels_name_is_told_from_the_one_that_is_followed() {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .tcp()
        .start();
    let sentinel = Failover::of(start.directory(), &redis);
    let dead = "redis://127.0.0.1:1";
    let mut world = start
        .redis(redis)
        .config("redis.sentinel", quote(MASTER))
        .config("redis.urls", list(&[dead, &sentinel.url()]))
        .config("resync_interval", quote("1s"))
        .hash(HASH, &[("web", "10.0.0.5")])
        .start();
    let (code, said) = doctor(&world);
    assert_eq!(code, 0, "{said}");
    let master = world.redis.tcp_url();
    says(&said, "ok", "sentinel", &[&master]);
    says(&said, "warning", "sentinel", &[dead]);

    // the daemon can't follow, and does as soon as it can
    world.daemon.signal(Signal::STOP);
    sentinel.depose();
    let (code, said) = doctor(&world);
    assert_eq!(code, 1, "{said}");
    let named = sentinel.replica().tcp_url();
    says(&said, "wrong", "sentinel", &[&master, &named]);
    world.daemon.signal(Signal::CONT);
    world
        .daemon
        .wait_for("the new master is followed", |status| {
            status["state"] == "live" && status["redis"]["endpoint"] == named.as_str()
        });
    says(&doctor(&world).1, "ok", "sentinel", &[&named]);
}

/// The line that mends what the user may not do, as it is printed, does mend it.
#[test]
fn the_line_that_grants_what_is_missing_grants_it() {
    let builder = World::new();
    let redis = Redis::builder(builder.directory().join("redis")).start();
    let rules = rights::of_daemon();
    let grant = |redis: &Redis, rights: &str| {
        let all = ["ACL", "SETUSER", "cloudhosts", "reset", "on", ">secret"];
        redis.cli(&[&all[..], &rights.split_whitespace().collect::<Vec<_>>()].concat());
    };
    grant(&redis, &rules);
    redis.hset(HASH, &[("web", "10.0.0.5")]);
    let urls = list(&[&redis.unix_url()]);
    let world = builder
        .redis(redis)
        .login("cloudhosts", "secret")
        .config("redis.urls", urls)
        .start();
    examine(&world).is("acl", &["ok"]);
    for (missing, code) in [
        (&["+hgetall"][..], "needed"),
        (&["+hlen"], "needed"),
        (&["+hscan", "+ping"], "needed"),
        (&["%R~cloudhosts", "%R~cloudhosts:*"], "needed"),
        (&["%R~cloudhosts:*"], "limited"),
        (&["+hkeys", "+xrange"], "limited"),
        (&["+multi"], "limited"),
    ] {
        let left: Vec<&str> = rules
            .split_whitespace()
            .filter(|rule| !missing.contains(rule))
            .collect();
        grant(&world.redis, &left.join(" "));
        let examined = examine(&world);
        examined.is("acl", &[code]);
        let remedy = examined.remedy("acl", code);
        let line = remedy.strip_prefix("in Redis: ").unwrap();
        assert!(line.starts_with("ACL SETUSER cloudhosts "), "{line}");
        for one in missing.iter().filter(|one| one.starts_with('+')) {
            assert!(line.contains(one), "{missing:?}: {line}");
        }
        world
            .redis
            .cli(&line.split_whitespace().collect::<Vec<_>>());
        let after = examine(&world);
        assert_eq!(
            after.codes("acl"),
            ["ok"],
            "{missing:?}: {line}: {:#}",
            after.json
        );
    }
}

/// Two nodes of a cluster, of which the second has the hash, and nothing else.
fn cluster(start: &WorldBuilder) -> (Redis, Redis) {
    let node = |name: &str| {
        Redis::builder(start.directory().join(name))
            .cluster()
            .start()
    };
    let (first, owner) = (node("a"), node("b"));
    first.cli(&["CLUSTER", "MEET", "127.0.0.1", &owner.port().to_string()]);
    let slot: u16 = first.cli(&["CLUSTER", "KEYSLOT", HASH]).parse().unwrap();
    first.add_slots((0..16_384).filter(|&other| other != slot));
    owner.add_slots([slot]);
    for node in [&first, &owner] {
        wait::until("the cluster is up", || {
            let info = node.cli(&["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok").then_some(())
        });
    }
    (first, owner)
}

#[test]
fn of_a_cluster_the_rights_at_the_node_that_has_the_hash_count() {
    let start = World::new();
    let (first, owner) = cluster(&start);
    owner.hset(HASH, &[("web", "10.0.0.5")]);
    let grant = |node: &Redis, rights: &str| {
        let all = ["ACL", "SETUSER", "of-url", "reset", "on", ">secret"];
        node.cli(&[&all[..], &rights.split_whitespace().collect::<Vec<_>>()].concat());
    };
    let rights = rights::of_daemon();
    grant(&first, &rights);
    grant(&owner, &rights.replace("+hkeys", ""));
    let urls = list(&[&format!("redis://of-url:secret@127.0.0.1:{}", first.port())]);
    let world = start.redis(first).config("redis.urls", urls).start();
    let examined = examine(&world);
    examined.is("redis", &["ok"]);
    examined.is("acl", &["limited"]);
    let line = examined.remedy("acl", "limited");
    let rule = line.strip_prefix("in Redis: ").unwrap();
    assert!(rule.starts_with("ACL SETUSER of-url "), "{rule}");
    owner.cli(&rule.split_whitespace().collect::<Vec<_>>());
    examine(&world).is("acl", &["ok"]);
}

#[test]
fn a_hash_on_another_node_is_no_missing_right() {
    let start = World::new();
    let (redis, other) = cluster(&start);
    let urls = list(&[&redis.tcp_url()]);
    // A second hash, which is on the first node.
    let apart = list(&[HASH, "apart"]);
    let mut world = start
        .redis(redis)
        .config("redis.urls", urls)
        .config("hashes", apart)
        .build();
    world.daemon.start();
    world.daemon.wait_for_state("unreadable");
    let examined = examine(&world);
    examined.is("redis", &["ok", "other-node"]);
    examined.is("acl", &["ok"]);
    assert!(
        examined
            .remedy("redis", "other-node")
            .contains("{cloudhosts}")
    );
    drop(other);
}
