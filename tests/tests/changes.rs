//! A running process follows every kind of change, over every kind of link to Redis.
//!
//! One suite; each test runs it over another link.

use cloudhosts_tests::config::{list, quote};
use cloudhosts_tests::failover::{Failover, MASTER};
use cloudhosts_tests::tls::Tls;
use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{Redis, World, rights};

#[test]
fn by_change_tracking() {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .tcp()
        .start();
    let urls = list(&[&redis.tcp_url()]);
    let world = start.redis(redis).config("redis.urls", urls).start();
    follows_by(&world, "tracking");
    suite(&world, &world.redis);
}

#[test]
fn by_polling_where_tracking_is_refused() {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .tcp()
        .user("user poller on >secret ~* &* +@all -client|tracking")
        .start();
    let urls = list(&[&redis.tcp_url()]);
    let world = start
        .redis(redis)
        .config("redis.urls", urls)
        .config("poll_interval", "'100ms'")
        .login("poller", "secret")
        .start();
    follows_by(&world, "polling");
    suite(&world, &world.redis);
}

#[test]
fn over_tls_with_a_private_authority() {
    let start = World::new();
    let tls = Tls::new(start.directory());
    let redis = Redis::builder(start.directory().join("redis"))
        .tls(tls.clone())
        .start();
    let urls = list(&[&redis.tls_url()]);
    let world = start
        .redis(redis)
        .config("redis.urls", urls)
        .config("redis.ca_file", quote(&tls.authority.display().to_string()))
        .start();
    follows_by(&world, "tracking");
    suite(&world, &world.redis);
}

#[test]
fn over_a_unix_socket() {
    let world = World::new().start();
    follows_by(&world, "tracking");
    suite(&world, &world.redis);
}

#[test]
fn as_a_user_with_the_least_privilege() {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .tcp()
        .user(&format!(
            "user cloudhosts on >secret {}",
            rights::of_daemon()
        ))
        .start();
    let urls = list(&[&redis.tcp_url()]);
    let world = start
        .redis(redis)
        .config("redis.urls", urls)
        .login("cloudhosts", "secret")
        .start();
    follows_by(&world, "tracking");
    suite(&world, &world.redis);
    assert!(
        !world.redis.cli(&["ACL", "LOG"]).contains("cloudhosts"),
        "nothing was asked that is not allowed"
    );
}

#[test]
fn through_sentinel_with_a_failover_in_the_middle() {
    let start = World::new();
    let master = Redis::builder(start.directory().join("redis"))
        .tcp()
        .start();
    let mut sentinel = Failover::of(start.directory(), &master);
    let urls = list(&["redis://127.0.0.1:1", &sentinel.url()]);
    let mut world = start
        .redis(master)
        .config("redis.urls", urls)
        .config("redis.sentinel", quote(MASTER))
        .start();
    suite(&world, &world.redis);

    world.hset(&[("survivor", "10.0.0.77"), ("moved", "10.0.0.78")]);
    world.sees("survivor", &["10.0.0.77"]);
    cloudhosts_tests::redis::wait_for_replica(&world.redis);
    world.redis.kill();
    assert_eq!(world.look_up("survivor").addresses, ["10.0.0.77"]);
    sentinel.wait_for_promotion();
    sentinel.replica().hset(HASH, &[("moved", "10.0.0.79")]);
    world.sees("moved", &["10.0.0.79"]);
    assert_eq!(world.look_up("survivor").addresses, ["10.0.0.77"]);
    let endpoint = world.daemon.wait_for_state("live")["redis"]["endpoint"].to_string();
    assert!(
        endpoint.contains(&sentinel.replica().port().to_string()),
        "{endpoint}"
    );

    suite(&world, sentinel.replica());
}

fn follows_by(world: &World, mode: &str) {
    world.daemon.wait_for(mode, |status| {
        status["redis"]["mode"]
            .as_str()
            .is_some_and(|said| said.starts_with(mode))
    });
}

/// Every kind of change, in a row, the way they would come in a long life. Each begins with what
/// the one before left, and ends with the running process seeing the final state.
fn suite(world: &World, redis: &Redis) {
    fields_come_change_and_go(world, redis);
    a_transaction_is_seen_whole_or_not_at_all(world, redis);
    two_hundred_rapid_changes_end_with_the_last(world, redis);
    a_pipeline_of_ten_thousand(world, redis);
    another_hash_renamed_over_ours(world, redis);
    a_key_of_the_wrong_type_changes_nothing(world, redis);
    the_whole_key_expires(world, redis);
    the_whole_key_is_deleted(world, redis);
    the_whole_key_is_renamed_away(world, redis);
}

fn fields_come_change_and_go(world: &World, redis: &Redis) {
    world.sees_none("web");
    redis.cli(&["HSET", HASH, "web", "10.0.0.1"]);
    world.sees("web", &["10.0.0.1"]);
    redis.cli(&["HSET", HASH, "web", "10.0.0.2"]);
    world.sees("web", &["10.0.0.2"]);
    redis.cli(&["HSET", HASH, "web/b", "10.0.0.3", "db", "10.0.0.4"]);
    world.sees("web", &["10.0.0.2", "10.0.0.3"]);
    world.sees("db", &["10.0.0.4"]);
    redis.cli(&["HDEL", HASH, "web"]);
    world.sees("web", &["10.0.0.3"]);
    redis.cli(&["HDEL", HASH, "web/b"]);
    world.sees_none("web");
    // the last field: the hash is empty now, as it was meant to be
    redis.cli(&["DEL", HASH]);
    redis.cli(&["HSET", HASH, "db", "10.0.0.4"]);
    world.sees("db", &["10.0.0.4"]);
    redis.cli(&["HDEL", HASH, "db"]);
    world.sees_none("db");
}

fn a_transaction_is_seen_whole_or_not_at_all(world: &World, redis: &Redis) {
    redis.cli(&["HSET", HASH, "pair/a", "10.0.1.1"]);
    world.sees("pair", &["10.0.1.1"]);
    let mut watch = world.watch("pair");
    watch.until(&["10.0.1.1"]);
    let mut script = String::new();
    for _ in 0..10 {
        script += "MULTI\nHDEL cloudhosts pair/a\nHSET cloudhosts pair/b 10.0.1.2\nEXEC\n";
        script += "MULTI\nHSET cloudhosts pair/a 10.0.1.1\nHDEL cloudhosts pair/b\nEXEC\n";
    }
    script += "MULTI\nHDEL cloudhosts pair/a\nHSET cloudhosts pair/b 10.0.1.2\nHSET cloudhosts pair/c 10.0.1.3\nEXEC\n";
    redis.script(&script);
    watch.until(&["10.0.1.2", "10.0.1.3"]);
    let states = [
        vec!["10.0.1.1"],
        vec!["10.0.1.2"],
        vec!["10.0.1.2", "10.0.1.3"],
    ];
    for seen in watch.history() {
        assert!(
            states.iter().any(|state| seen.addresses == *state),
            "between two states: {seen:?}"
        );
    }
}

fn two_hundred_rapid_changes_end_with_the_last(world: &World, redis: &Redis) {
    let mut watch = world.watch("rapid");
    // the moment after the last change is what matters, so there are several last ones
    for round in 0..5 {
        let script: String = (1..=200)
            .map(|number| format!("HSET cloudhosts rapid 10.3.{round}.{number}\n"))
            .collect();
        redis.script(&script);
        watch.until(&[&format!("10.3.{round}.200")]);
    }
}

fn a_pipeline_of_ten_thousand(world: &World, redis: &Redis) {
    let address = |number: usize| format!("10.4.{}.{}", number / 256, number % 256);
    let commands: String = (0..10_000)
        .map(|number| format!("HSET cloudhosts bulk-{number} {}\n", address(number)))
        .collect();
    redis.pipeline(&commands);
    world.sync_by(redis, HASH);
    for number in (0..10_000).step_by(37).chain([9_999]) {
        assert_eq!(
            world.look_up(&format!("bulk-{number}")).addresses,
            [address(number)]
        );
    }
    // pair/b and pair/c are one name
    let names = redis.cli(&["HLEN", HASH]).parse::<u64>().unwrap() - 1;
    world
        .daemon
        .wait_for("every name is counted", |status| status["names"] == names);

    // and once more, now that there are so many that they are read in parts
    let commands: String = (0..10_000)
        .map(|number| format!("HSET cloudhosts bulk-{number} {}\n", address(number + 1)))
        .collect();
    redis.pipeline(&commands);
    world.sees("bulk-9999", &[&address(10_000)]);
    for number in (0..10_000).step_by(37) {
        world.sees(&format!("bulk-{number}"), &[&address(number + 1)]);
    }
}

fn another_hash_renamed_over_ours(world: &World, redis: &Redis) {
    redis.hset("prepared", &[("web", "10.0.5.1"), ("db", "10.0.5.2")]);
    redis.cli(&["RENAME", "prepared", HASH]);
    world.sees("web", &["10.0.5.1"]);
    world.sees("db", &["10.0.5.2"]);
    world.sees_none("bulk-1");
    world.sees_none("pair");
}

fn a_key_of_the_wrong_type_changes_nothing(world: &World, redis: &Redis) {
    redis.cli(&["SET", HASH, "junk"]);
    world
        .daemon
        .wait_for("the wrong type is reported", |status| {
            status["hashes"]
                .to_string()
                .to_lowercase()
                .contains("wrongtype")
        });
    assert_eq!(world.look_up("web").addresses, ["10.0.5.1"]);
    assert_eq!(world.look_up("db").addresses, ["10.0.5.2"]);
    redis.script("MULTI\nDEL cloudhosts\nHSET cloudhosts web 10.0.6.1\nEXEC\n");
    world.sees("web", &["10.0.6.1"]);
    world.sees_none("db");
    world
        .daemon
        .wait_for("the wrong type is forgotten", |status| {
            !status["hashes"]
                .to_string()
                .to_lowercase()
                .contains("wrongtype")
        });
}

fn the_whole_key_expires(world: &World, redis: &Redis) {
    // Nobody said that its names are not wanted: they are retained. The daemon knows of the time to live once it
    // has read what was written with it.
    redis.script("MULTI\nEXPIRE cloudhosts 3600\nHSET cloudhosts web 10.0.6.2\nEXEC\n");
    world.sees("web", &["10.0.6.2"]);
    redis.cli(&["PEXPIRE", HASH, "50"]);
    world.daemon.wait_for_state("guarded");
    world.sees("web", &["10.0.6.2"]);
    redis.cli(&["HSET", HASH, "web", "10.0.7.1"]);
    world.sees("web", &["10.0.7.1"]);
}

fn the_whole_key_is_deleted(world: &World, redis: &Redis) {
    redis.cli(&["DEL", HASH]);
    world.sees_none("web");
    redis.cli(&["HSET", HASH, "web", "10.0.8.1"]);
    world.sees("web", &["10.0.8.1"]);
}

fn the_whole_key_is_renamed_away(world: &World, redis: &Redis) {
    redis.cli(&["RENAME", HASH, "elsewhere"]);
    world.sees_none("web");
    redis.cli(&["RENAME", "elsewhere", HASH]);
    world.sees("web", &["10.0.8.1"]);
    redis.cli(&["DEL", HASH]);
    world.sees_none("web");
}
