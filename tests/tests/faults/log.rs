//! The change log: what its entries say is followed, and whatever else stands in it, or happens to
//! it, costs nobody a name.

use cloudhosts_tests::config::list;
use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{Redis, World};

use crate::common::{RawConnection, Steady};
use crate::writers::{go, verb};

const LOG: &str = "cloudhosts:log";

/// `web` and `db`, registered by the verbs, and a daemon that follows them.
fn logged() -> World {
    let mut world = World::new().build();
    verb(&world, &world.redis, &["claim", "web", "10.0.0.5"]);
    verb(&world, &world.redis, &["claim", "db", "10.0.0.6"]);
    go(&mut world);
    world.sees("db", &["10.0.0.6"]);
    world
}

/// Changes are followed, in both ways that there are to make them. `round` makes them differ.
fn follows(world: &World, round: usize) {
    let address = format!("10.1.{round}.1");
    world.hset(&[("app", &address)]);
    world.sees("app", &[&address]);
    let address = format!("10.1.{round}.2");
    verb(world, &world.redis, &["claim", "db", &address]);
    world.sees("db", &[&address]);
    world.redis.cli(&["HDEL", HASH, "app"]);
    world.sees_none("app");
}

/// How often a hash was read whole so far: a small one is, by HGETALL, which no verb uses.
fn scans(redis: &Redis) -> u64 {
    redis.calls("hgetall")
}

#[test]
fn what_the_verbs_write_is_followed_without_reading_the_hash() {
    let world = logged();
    let before = scans(&world.redis);
    let run = |words: &[&str]| verb(&world, &world.redis, words);
    run(&["claim", "web", "10.0.0.8"]);
    world.sees("web", &["10.0.0.8"]);
    run(&["join", "web", "10.0.0.9", "--member", "a"]);
    world.sees("web", &["10.0.0.8", "10.0.0.9"]);
    run(&["leave", "web", "--member", "a"]);
    world.sees("web", &["10.0.0.8"]);
    run(&["point", "shop", "web"]);
    world.sees("shop", &["10.0.0.8"]);
    run(&["release", "db"]);
    world.sees_none("db");
    assert_eq!(scans(&world.redis), before);
}

#[test]
fn what_somebodys_own_transaction_writes_down_is_followed_without_reading_the_hash() {
    let world = logged();
    let before = scans(&world.redis);
    for number in 1..=3 {
        let address = format!("10.0.2.{number}");
        world.redis.script(&format!(
            "MULTI\nXADD {LOG} MAXLEN ~ 10000 * +web {address}\nHSET {HASH} web {address}\nEXEC\n"
        ));
        world.sees("web", &[&address]);
    }
    world.redis.script(&format!(
        "MULTI\nXADD {LOG} MAXLEN ~ 10000 * -db gone\nHDEL {HASH} db\nEXEC\n"
    ));
    world.sees_none("db");
    assert_eq!(scans(&world.redis), before);
}

#[test]
fn junk_in_the_log_costs_nobody_a_name() {
    let world = logged();
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    let mut wire = RawConnection::new(&world.redis);
    let long = vec![b'y'; 100_000];
    let junk: [&[(&[u8], &[u8])]; 12] = [
        &[(b"words", b"of no meaning")],
        &[(b"", b"")],
        &[(b"+", b"10.0.0.1"), (b"-", b"")],
        &[(b"+\xff\x00\x1b[2J", b"\xfe"), (b"-\xff", b"\x00")],
        &[(b"+web/", b"10.0.0.1"), (b"-no such field", b"")],
        &[(b"+web", b"not an address")],
        &[(b"+web/big", &long)],
        &[(b".len", b"-7")],
        &[(b".len", b"99999999999999999999")],
        &[
            (b".nonce", &long),
            (b".verb", b"\xff"),
            (b".by", b"\x1b[2J"),
        ],
        &[(b".drop", b""), (b".drop", b"\xff"), (b".reset", b"now")],
        &[(b".unknown", b"x"), (b".tx", &long)],
    ];
    for (round, fields) in junk.into_iter().enumerate() {
        let mut command: Vec<&[u8]> = vec![b"XADD", LOG.as_bytes(), b"*"];
        for (field, value) in fields {
            command.extend([*field, *value]);
        }
        wire.send(&[command]);
        steady.ran(&format!("with junk {round} in the log"));
        if round % 4 == 3 {
            follows(&world, round);
        }
    }
    // very many, all at once
    let many: Vec<Vec<&[u8]>> = vec![vec![b"XADD", LOG.as_bytes(), b"*", b"no", b"thing"]; 3_000];
    wire.send(&many);
    follows(&world, 100);
    steady.holds(&world, "with junk in the log");
    world.daemon.wait_for_state("live");
}

#[test]
fn an_entry_that_is_not_true_is_corrected_by_the_hash() {
    let world = logged();
    for round in 0..5 {
        world.redis.cli(&["XADD", LOG, "*", "-web", "gone"]);
        let address = format!("10.0.4.{round}");
        verb(&world, &world.redis, &["claim", "db", &address]);
        world.sees("db", &[&address]);
        world.sees("web", &["10.0.0.5"]);
    }
    world.redis.cli(&["XADD", LOG, "*", "+ghost", "10.0.0.66"]);
    follows(&world, 0);
    world.sees_none("ghost");
    world.sees("web", &["10.0.0.5"]);
}

#[test]
fn a_log_that_is_trimmed_deleted_renamed_or_expires_costs_nobody_a_name() {
    let world = logged();
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    let faults: [&[&str]; 5] = [
        &["XTRIM", LOG, "MAXLEN", "0"],
        &["DEL", LOG],
        &["RENAME", LOG, "elsewhere"],
        &["PEXPIRE", LOG, "1"],
        &["XTRIM", LOG, "MAXLEN", "1"],
    ];
    for (round, fault) in faults.into_iter().enumerate() {
        world.redis.cli(fault);
        follows(&world, round);
        steady.ran(&format!("after {fault:?}"));
        world.redis.script(&format!(
            "MULTI\n{}\nHSET {HASH} late 10.0.0.77\nEXEC\n",
            fault.join(" ")
        ));
        world.sees("late", &["10.0.0.77"]);
        // nothing was lost
        world
            .redis
            .script(&format!("MULTI\nDEL {LOG}\nHDEL {HASH} late\nEXEC\n"));
        world.sees_none("late");
        verb(&world, &world.redis, &["claim", "app", "10.0.0.8"]);
        world.sees("app", &["10.0.0.8"]);
    }
    steady.holds(&world, "whatever happened to the log");
    world.daemon.wait_for_state("live");
}

#[test]
fn a_log_of_another_type_costs_nobody_a_name() {
    let world = logged();
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    let make: [&[&str]; 2] = [&["SET", LOG, "junk"], &["HSET", LOG, "+web", "10.0.0.1"]];
    for (round, command) in make.into_iter().enumerate() {
        world.redis.cli(&["DEL", LOG]);
        world.redis.cli(command);
        for number in 0..3 {
            let address = format!("10.1.{round}.{number}");
            world.hset(&[("app", &address)]);
            world.sees("app", &[&address]);
        }
        world.redis.cli(&["HDEL", HASH, "app"]);
        world.sees_none("app");
        steady.ran(&format!("with {command:?}"));
    }
    world.redis.cli(&["DEL", LOG]);
    follows(&world, 3);
    steady.holds(&world, "with a log of another type");
    world.daemon.wait_for_state("live");
}

/// What was enough for a daemon before there was a log.
const WITHOUT_LOG: &str = "resetchannels -@all +hlen +hgetall +hscan +ping +info +client|tracking";

fn with_rights(rights: &str) -> World {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .user(&format!("user mirror on >secret resetkeys {rights}"))
        .start();
    let urls = list(&[&redis.unix_url()]);
    start
        .redis(redis)
        .config("redis.urls", urls)
        .login("mirror", "secret")
        .hash(HASH, &[("web", "10.0.0.5")])
        .start()
}

#[test]
fn a_daemon_that_may_not_read_the_log_follows_all_the_same() {
    let rights = [
        format!("%R~cloudhosts %R~cloudhosts:* {WITHOUT_LOG}"),
        format!("%R~cloudhosts {WITHOUT_LOG} +xrange +xrevrange +multi +exec"),
        format!("%R~cloudhosts %R~cloudhosts:* {WITHOUT_LOG} +multi +exec"),
    ];
    for rights in rights {
        let world = with_rights(&rights);
        let mode = world.daemon.status()["redis"]["mode"].to_string();
        assert!(mode.contains("tracking"), "{rights}: {mode}");
        let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
        let run = |words: &[&str]| verb(&world, &world.redis, words);
        run(&["claim", "db", "10.0.0.6"]);
        world.sees("db", &["10.0.0.6"]);
        follows(&world, 1);
        run(&["release", "db"]);
        world.sees_none("db");
        steady.ran(&rights);
        world.redis.cli(&["FLUSHALL"]);
        world.daemon.wait_for_state("guarded");
        steady.holds(&world, &rights);
    }
}
