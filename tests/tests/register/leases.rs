//! When a membership ends, and when it must not.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cloudhosts_tests::process::Signal;
use cloudhosts_tests::{Redis, World, wait};

use crate::common::{HELD, Holding, LEASES, Registry, map};

pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// A holder with a lease of 3 s, once it holds.
pub(crate) fn holder(registry: &Registry, role: &str, member: &str, address: &str) -> Holding {
    let lease = ["--lease", "3s"];
    let holder = registry.hold(&[&[role, address, "--member", member], &lease[..]].concat());
    holder.says("held at");
    holder
}

/// The leases that have not ended, with their ends.
pub(crate) fn ends(registry: &Registry) -> Vec<String> {
    let said = registry.redis.cli(&["ZRANGEBYSCORE", LEASES, "0", "+inf"]);
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
    let wanted = registry.redis.calls("eval") + count;
    wait::until_seen(
        "leases are renewed",
        || registry.redis.calls("eval"),
        |now| *now >= wanted,
    );
}

/// Runs a script on the leases, not by EVAL, which is counted.
pub(crate) fn on_leases(registry: &Registry, script: &str, argument: &str) {
    let script = registry.redis.cli(&["SCRIPT", "LOAD", script]);
    registry
        .redis
        .cli(&["EVALSHA", &script, "1", LEASES, argument]);
}

/// How many fields were removed: of the HDEL there were, each script asks one first that removes
/// nothing, to see whether it may.
pub(crate) fn removed(redis: &Redis) -> u64 {
    // both counts at one moment
    let said = redis.cli(&["INFO", "commandstats"]);
    let calls = |command: &str| -> u64 {
        let prefix = format!("cmdstat_{command}:calls=");
        let line = said.lines().find_map(|line| line.strip_prefix(&prefix));
        line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    };
    calls("hdel") - calls("eval")
}

/// A farm of four, and their fields.
pub(crate) fn farm(registry: &Registry) -> (Vec<Holding>, BTreeMap<String, String>) {
    let one = |n| holder(registry, "web", &format!("m{n}"), &format!("10.0.0.{n}"));
    let farm = (1..=4).map(one).collect();
    (farm, registry.hash())
}

/// The leases of web/m1 to web/m4 end one after the other, all within the next 2.8 s.
fn spread_the_ends(registry: &Registry) {
    let script = "local time = redis.call('TIME')
                  local now = time[1] * 1000 + math.floor(time[2] / 1000)
                  for n = 1, 4 do
                    redis.call('ZADD', KEYS[1], now + n * ARGV[1], 'web/m' .. n)
                  end";
    on_leases(registry, script, "700");
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
    let (hset, reads, evals) = (count("hset"), count("hgetall"), count("eval"));
    wait::until("it renews", || (count("eval") >= evals + 5).then_some(()));
    assert_eq!((count("hset"), count("hgetall")), (hset, reads));
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
    assert_eq!(ends(&registry).len(), 2);
    assert!(
        !registry
            .redis
            .cli(&["ZRANGE", HELD, "0", "-1"])
            .contains("dead")
    );
}

#[test]
fn the_last_address_stays_until_somebody_else_holds_the_role() {
    let registry = Registry::new();
    let _other = holder(&registry, "app", "alive", "10.0.0.3");
    let mut last = holder(&registry, "web", "last", "10.0.0.1");
    last.process.kill();
    wait::until_seen(
        "the lease has ended",
        || ends(&registry),
        |ends| *ends == ["app/alive"],
    );
    renewals(&registry, 4);
    assert_eq!(registry.hash()["web/last"], "10.0.0.1");
    let _next = holder(&registry, "web", "next", "10.0.0.2");
    assert_eq!(
        registry.hash(),
        map(&[("app/alive", "10.0.0.3"), ("web/next", "10.0.0.2")])
    );
}

#[test]
fn a_member_that_nobody_holds_never_ends_and_makes_the_held_one_go() {
    let registry = Registry::new();
    registry
        .redis
        .hset("cloudhosts", &[("Web/plain", "10.0.0.9")]);
    let mut dead = holder(&registry, "web", "dead", "10.0.0.1");
    let _other = holder(&registry, "app", "alive", "10.0.0.3");
    dead.process.kill();
    registry.until(&[("Web/plain", "10.0.0.9"), ("app/alive", "10.0.0.3")]);
    renewals(&registry, 4);
    assert_eq!(registry.hash().len(), 2);
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
        "the leases have ended",
        || ends(&registry),
        |ends| *ends == ["web/alive"],
    );
    renewals(&registry, 4);
    let all = [
        ("web/alive", "10.0.0.2"),
        ("web/one", "10.0.0.77"),
        ("web/two", "10.0.0.1"),
    ];
    assert_eq!(registry.hash(), map(&all));
    assert_eq!(
        registry.redis.cli(&["ZRANGE", HELD, "0", "-1"]),
        "web/alive 3000 10.0.0.2"
    );
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
    registry.hold(&long).says("held at");
    let _long = registry.hold(&long);
    let mut short = holder(&registry, "web", "short", "10.0.0.1");
    short.process.kill();
    registry.until(&[("web/long", "10.0.0.2")]);
}

/// Waits until all leases of the farm have run out, for a holder of another role to see.
pub(crate) fn all_run_out(registry: &Registry) -> Holding {
    let other = holder(registry, "app", "alive", "10.0.1.1");
    wait::until_seen(
        "the leases have run out",
        || ends(registry),
        |ends| *ends == ["app/alive"],
    );
    renewals(registry, 4);
    other
}

#[test]
fn a_farm_that_dies_at_once_stays_as_it_was() {
    let registry = Registry::new();
    let (mut farm, mut all) = farm(&registry);
    farm.iter_mut().for_each(|one| one.process.kill());
    spread_the_ends(&registry);
    let _other = all_run_out(&registry);
    all.insert("app/alive".into(), "10.0.1.1".into());
    assert_eq!(registry.hash(), all);
    // one of them is back: the others have a moment to be, and are gone then
    let _back = holder(&registry, "web", "m2", "10.0.0.2");
    assert_eq!(registry.hash(), all);
    registry.until(&[("app/alive", "10.0.1.1"), ("web/m2", "10.0.0.2")]);
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
        (ends(&registry).len() == 5).then_some(())
    });
    renewals(&registry, 12);
    assert_eq!((registry.hash().len(), removed(&registry.redis)), (5, 0));
}

#[test]
fn who_is_new_ends_at_once_what_was_kept_of_the_dead() {
    let registry = Registry::new();
    let (mut farm, _) = farm(&registry);
    farm.iter_mut().for_each(|one| one.process.kill());
    let _other = all_run_out(&registry);
    let _new = holder(&registry, "web", "new", "10.0.0.9");
    assert_eq!(
        registry.hash(),
        map(&[("app/alive", "10.0.1.1"), ("web/new", "10.0.0.9")])
    );
}

#[test]
fn what_nobody_can_read_among_the_leases_is_left_alone() {
    let registry = Registry::new();
    for junk in ["web/x", "web/x y 10.0.0.1", "web/", "web/y -1 z"] {
        registry.redis.cli(&["ZADD", HELD, "0", junk]);
    }
    registry
        .redis
        .cli(&["ZADD", LEASES, "5", "web/x", "7", "", "9", "\u{1b}"]);
    let mut one = holder(&registry, "web", "a", "10.0.0.1");
    let _two = holder(&registry, "web", "b", "10.0.0.2");
    registry.prints(&["join", "web", "10.0.0.3", "--member", "x"]);
    one.process.kill();
    registry.until(&[("web/b", "10.0.0.2"), ("web/x", "10.0.0.3")]);
    registry.run(&["claim", "web", "10.0.0.4"]);
    assert_eq!(registry.hash()["web"], "10.0.0.4");
}
