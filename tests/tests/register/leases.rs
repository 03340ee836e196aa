//! When a membership ends, and when it must not.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cloudhosts_tests::process::Signal;
use cloudhosts_tests::{World, wait};

use crate::common::{EXPIRING, HELD, Holding, Registry, map, times, word};

pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// A holder with a lease of 3 s, once it holds.
pub(crate) fn holder(registry: &Registry, role: &str, member: &str, address: &str) -> Holding {
    let lease = ["--lease", "3s"];
    let holder = registry.hold(&[&[role, address, "--member", member], &lease[..]].concat());
    holder.says(word::HELD);
    holder
}

/// The fields of these roles whose leases have not run out.
pub(crate) fn ends(registry: &Registry, roles: &[&str]) -> Vec<String> {
    let script = "local time, runs = redis.call('TIME'), {}
                  local now = time[1] * 1000 + math.floor(time[2] / 1000)
                  for _, times in ipairs(KEYS) do
                    for _, field in ipairs(redis.call('ZRANGE', times, 0, -1)) do
                      local lease = string.match(redis.call('HGET', ARGV[1], field), '^%l+ %x+ (%d+) ')
                      local renewed = redis.call('ZSCORE', times, field)
                      if renewed + lease >= now then runs[#runs + 1] = field end
                    end
                  end
                  return runs";
    let count = roles.len().to_string();
    let keys: Vec<String> = roles.iter().map(|role| times(role)).collect();
    let mut words = vec!["EVAL", script, count.as_str()];
    words.extend(keys.iter().map(String::as_str));
    words.push(HELD);
    let said = registry.redis.cli(&words);
    said.lines()
        .filter(|line| line.contains('/'))
        .map(str::to_owned)
        .collect()
}

/// Lets so much time pass, and looks all the while.
pub(crate) fn for_a_while(time: Duration, mut look: impl FnMut()) {
    let start = Instant::now();
    wait::until("time passes", || {
        look();
        (start.elapsed() > time).then_some(())
    });
}

/// Waits until that many more scripts have run.
pub(crate) fn renewals(registry: &Registry, count: u64) {
    let wanted = registry.redis.calls("evalsha") + count;
    wait::until_seen(
        "leases are renewed",
        || registry.redis.calls("evalsha"),
        |now| *now >= wanted,
    );
}

/// How many fields were removed, by any entry of the log.
pub(crate) fn removed(registry: &Registry) -> usize {
    let log = registry.log();
    let does = log.iter().flat_map(crate::entries::Entry::does);
    does.filter(|word| word.starts_with('-')).count()
}

/// A farm of four, and their fields.
pub(crate) fn farm(registry: &Registry) -> (Vec<Holding>, BTreeMap<String, String>) {
    let one = |n| holder(registry, "web", &format!("m{n}"), &format!("10.0.0.{n}"));
    let farm = (1..=4).map(one).collect();
    (farm, registry.hash())
}

#[test]
fn a_renewal_touches_nothing_that_is_mirrored() {
    let world = World::new().config("resync_interval", "'1h'").start();
    let url = world.redis.unix_url();
    let command = cloudhosts_tests::programs::find(cloudhosts_tests::programs::COMMAND);
    let mut hold = cloudhosts_tests::process::mortal(command);
    hold.args([
        "--config",
        "/dev/null",
        "--redis-url",
        &url,
        "hold",
        "web",
        "10.0.0.2",
        "--lease",
        "3s",
    ]);
    let _holder = cloudhosts_tests::process::Process::start(hold);
    world.sees("web", &["10.0.0.2"]);
    let count = |command: &str| world.redis.calls(command);
    let (hset, reads, evals) = (count("hset"), count("hgetall"), count("evalsha"));
    wait::until("it renews", || {
        (count("evalsha") >= evals + 5).then_some(())
    });
    assert_eq!((count("hset"), count("hgetall")), (hset, reads));
}

#[test]
fn a_renewal_costs_the_same_however_much_is_held() {
    let registry = Registry::new();
    let holder = registry.hold(&[
        "web",
        "10.0.0.2",
        "--member",
        "i-0abc12ef",
        "--lease",
        "30s",
    ]);
    holder.says(word::HELD);
    // others of the role, who renew, and many of other roles
    let others = (0..3_000).fold(String::new(), |text, n| {
        let role = if n % 3 == 0 { "web" } else { "app" };
        format!(
            "{text}HSET {HELD} {role}/o{n} \"member 0f 15000 1 1 - x 10.0.1.1\"\n\
             ZADD {HELD}:{role} 9000000000000 {role}/o{n}\n"
        )
    });
    registry.redis.pipeline(&others);
    let commands = [
        "evalsha",
        "time",
        "hget",
        "zscore",
        "zcount",
        "zadd",
        "zrem",
        "hset",
        "hmget",
        "zrange",
        "zrangebyscore",
        "hscan",
        "xadd",
    ];
    let counts = || {
        // at one moment, and none of a renewal that is going on
        let said = registry.redis.cli(&["INFO", "commandstats"]);
        commands.map(|command| -> u64 {
            let prefix = format!("cmdstat_{command}:calls=");
            let line = said.lines().find_map(|line| line.strip_prefix(&prefix));
            line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
        })
    };
    let before = counts();
    let after = wait::until("it has renewed twice", || {
        let now = counts();
        (now[0] >= before[0] + 2).then_some(now)
    });
    let renewals = after[0] - before[0];
    let each: Vec<u64> = after
        .iter()
        .zip(before)
        .map(|(after, before)| (after - before) / renewals)
        .collect();
    assert_eq!(
        each,
        [1, 1, 2, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0],
        "{commands:?}"
    );
}

#[test]
fn who_dies_goes_when_the_lease_ends_and_no_sooner() {
    let registry = Registry::new();
    let mut dead = holder(&registry, "web", "dead", "10.0.0.1");
    let _alive = holder(&registry, "web", "alive", "10.0.0.2");
    let _other = holder(&registry, "app", "alive", "10.0.0.3");
    renewals(&registry, 6);
    dead.process.kill();
    let died = Instant::now();
    registry.until(&[("web/alive", "10.0.0.2"), ("app/alive", "10.0.0.3")]);
    // it was renewed at most a third of the lease before
    assert!(died.elapsed() > LEASE / 2, "{:?}", died.elapsed());
    assert_eq!(ends(&registry, &["web", "app"]).len(), 2);
    assert!(!registry.held().contains_key("web/dead"));
}

/// Waits until no lease of that role runs any more, and others had time to see it.
fn all_over(registry: &Registry, role: &str) {
    wait::until_seen(
        "the leases have run out",
        || ends(registry, &[role]),
        Vec::is_empty,
    );
    renewals(registry, 4);
}

#[test]
fn the_last_address_stays_until_somebody_else_has_held_the_role_for_a_lease() {
    let registry = Registry::new();
    let _other = holder(&registry, "app", "alive", "10.0.0.3");
    let mut last = holder(&registry, "web", "last", "10.0.0.1");
    last.process.kill();
    all_over(&registry, "web");
    assert_eq!(registry.hash()["web/last"], "10.0.0.1");
    let begun = Instant::now();
    let _next = holder(&registry, "web", "next", "10.0.0.2");
    assert_eq!(registry.hash().len(), 3);
    registry.until(&[("app/alive", "10.0.0.3"), ("web/next", "10.0.0.2")]);
    assert!(begun.elapsed() >= LEASE);
}

#[test]
fn a_member_that_nobody_holds_never_ends_and_is_nobody_s_witness() {
    let registry = Registry::new();
    registry
        .redis
        .hset("cloudhosts", &[("Web/plain", "10.0.0.9")]);
    let mut dead = holder(&registry, "web", "dead", "10.0.0.1");
    let _other = holder(&registry, "app", "alive", "10.0.0.3");
    dead.process.kill();
    all_over(&registry, "web");
    assert_eq!(registry.hash().len(), 3);
    let _next = holder(&registry, "web", "next", "10.0.0.2");
    registry.until(&[
        ("Web/plain", "10.0.0.9"),
        ("app/alive", "10.0.0.3"),
        ("web/next", "10.0.0.2"),
    ]);
}

#[test]
fn what_somebody_else_wrote_into_a_leased_field_stays() {
    let registry = Registry::new();
    let _alive = holder(&registry, "web", "alive", "10.0.0.2");
    let mut one = holder(&registry, "web", "one", "10.0.0.1");
    let mut two = holder(&registry, "web", "two", "10.0.0.1");
    one.process.kill();
    two.process.kill();
    // by hand, to another value; and by a join, to the same one
    registry
        .redis
        .hset("cloudhosts", &[("web/one", "10.0.0.77")]);
    registry.prints(&["join", "web", "10.0.0.1", "--member", "two"]);
    wait::until_seen(
        "the leases are gone",
        || registry.redis.cli(&["ZRANGE", &times("web"), "0", "-1"]),
        |fields| *fields == "web/alive",
    );
    let all = [
        ("web/alive", "10.0.0.2"),
        ("web/one", "10.0.0.77"),
        ("web/two", "10.0.0.1"),
    ];
    assert_eq!(registry.hash(), map(&all));
    assert!(!registry.held().contains_key("web/one"));
}

#[test]
fn one_that_is_cut_off_alone_ends_and_is_back_when_it_can() {
    let registry = Registry::new();
    let _alive = holder(&registry, "web", "alive", "10.0.0.2");
    let mut alone = holder(&registry, "web", "alone", "10.0.0.1");
    alone.process.signal(Signal::STOP);
    registry.until(&[("web/alive", "10.0.0.2")]);
    alone.process.signal(Signal::CONT);
    registry.until(&[("web/alive", "10.0.0.2"), ("web/alone", "10.0.0.1")]);
}

#[test]
fn short_leases_end_beside_long_ones() {
    let registry = Registry::new();
    let long = ["web", "10.0.0.2", "--member", "long", "--lease", "10m"];
    registry.hold(&long).says(word::HELD);
    let _long = registry.hold(&long);
    let mut short = holder(&registry, "web", "short", "10.0.0.1");
    short.process.kill();
    registry.until(&[("web/long", "10.0.0.2")]);
}

/// Waits until all leases of the farm have run out, for a holder of another role to see.
pub(crate) fn all_run_out(registry: &Registry) -> Holding {
    let other = holder(registry, "app", "alive", "10.0.1.1");
    all_over(registry, "web");
    other
}

#[test]
fn a_farm_that_dies_at_once_stays_as_it_was() {
    let registry = Registry::new();
    let (mut farm, mut all) = farm(&registry);
    farm.iter_mut().for_each(|one| one.process.kill());
    let _other = all_run_out(&registry);
    all.insert("app/alive".into(), "10.0.1.1".into());
    assert_eq!(registry.hash(), all);
    // one of them is back: the others have a lease to be, and are gone then
    let back = Instant::now();
    let _back = holder(&registry, "web", "m2", "10.0.0.2");
    assert_eq!(registry.hash(), all);
    registry.until(&[("app/alive", "10.0.1.1"), ("web/m2", "10.0.0.2")]);
    assert!(back.elapsed() >= LEASE);
}

#[test]
fn a_farm_that_was_cut_off_as_one_comes_back_as_one() {
    let registry = Registry::new();
    let (mut farm, all) = farm(&registry);
    farm.iter_mut()
        .for_each(|one| one.process.signal(Signal::STOP));
    let _other = all_run_out(&registry);
    farm.iter_mut()
        .for_each(|one| one.process.signal(Signal::CONT));
    wait::until("all of them renew again", || {
        let now = registry.hash();
        assert!(
            all.iter().all(|(field, at)| now.get(field) == Some(at)),
            "{now:?}"
        );
        (ends(&registry, &["web"]).len() == 4).then_some(())
    });
    renewals(&registry, 40);
    assert_eq!((registry.hash().len(), removed(&registry)), (5, 0));
}

#[test]
fn what_nobody_can_read_among_the_leases_does_no_harm() {
    let registry = Registry::new();
    for junk in ["web/x", "web/x y 10.0.0.1", "web/", "web", "", "\u{1b}"] {
        registry.redis.cli(&["HSET", HELD, junk, "junk"]);
        registry.redis.cli(&["ZADD", &times("web"), "5", junk]);
        registry.redis.cli(&["ZADD", EXPIRING, "5", junk]);
    }
    registry.redis.cli(&["ZADD", &times("web"), "inf", "web/y"]);
    registry.redis.cli(&["ZADD", EXPIRING, "-inf", "web/a/b"]);
    let mut one = holder(&registry, "web", "a", "10.0.0.1");
    let _two = holder(&registry, "web", "b", "10.0.0.2");
    registry.prints(&["join", "web", "10.0.0.3", "--member", "x"]);
    one.process.kill();
    registry.until(&[("web/b", "10.0.0.2"), ("web/x", "10.0.0.3")]);
    wait::until_seen(
        "what nobody can read is gone",
        || {
            let expiring = registry.redis.cli(&["ZCARD", EXPIRING]);
            expiring + &registry.redis.cli(&["ZRANGE", &times("web"), "0", "-1"])
        },
        |left| *left == "0web/b",
    );
    registry.run(&["claim", "web", "10.0.0.4"]);
    assert_eq!(registry.hash(), map(&[("web", "10.0.0.4")]));
}

#[test]
fn keys_of_other_types_are_named_and_nothing_is_changed() {
    for key in [HELD, EXPIRING, "cloudhosts:held:web"] {
        let registry = Registry::new();
        registry.redis.cli(&["SET", key, "a note"]);
        for words in [
            &["hold", "web", "10.0.0.1"][..],
            &["claim", "web", "10.0.0.1"],
            &["join", "web", "10.0.0.1"],
            &["leave", "web"],
        ] {
            let said = registry.fails(3, words);
            assert!(said.contains("WRONGTYPE"), "{said}");
        }
        assert_eq!(registry.redis.cli(&["KEYS", "*"]), key);
    }
}

#[test]
fn redis_without_memory_costs_nobody_alive_its_place_and_the_dead_go() {
    let registry = Registry::new();
    let alive = holder(&registry, "web", "alive", "10.0.0.2");
    let mut dead = holder(&registry, "web", "dead", "10.0.0.1");
    registry
        .redis
        .cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    registry.redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    assert!(
        registry
            .redis
            .cli(&["SET", "x", "y"])
            .starts_with("OOM command not allowed")
    );
    dead.process.kill();
    registry.until(&[("web/alive", "10.0.0.2")]);
    renewals(&registry, 4);
    assert!(
        !alive.said().contains(word::NOT_RENEWED),
        "{}",
        alive.said()
    );
    // and a role can be released, to make room
    registry.run(&["release", "web"]);
    registry.until(&[]);
}
