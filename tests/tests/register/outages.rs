//! Redis is away, or its clock jumps, while roles are held.

use std::time::{Duration, Instant};

use cloudhosts_tests::dir::Dir;
use cloudhosts_tests::failover::{Failover, MASTER};
use cloudhosts_tests::process::Signal;
use cloudhosts_tests::redis::wait_for_replica;
use cloudhosts_tests::{Redis, wait};

use crate::common::{HELD, Holding, Registry, map, times, word};
use crate::leases::{LEASE, ends, farm, for_a_while, holder, removed, renewals};

/// Five holders of one role, with two lengths of leases.
struct Fleet {
    _alive: Vec<Holding>,
    dead: Holding,
}

const FLEET: [(&str, &str); 5] = [
    ("web/a", "10.0.0.1"),
    ("web/b", "10.0.0.2"),
    ("web/c", "10.0.0.3"),
    ("web/d", "10.0.0.4"),
    ("web/dead", "10.0.0.66"),
];

fn fleet(registry: &Registry) -> Fleet {
    let long = ["web", "10.0.0.2", "--member", "b", "--lease", "9s"];
    let mut alive = vec![registry.hold(&long)];
    alive[0].says(word::HELD);
    for (field, at) in FLEET
        .iter()
        .filter(|(field, _)| !["web/b", "web/dead"].contains(field))
    {
        let (role, member) = field.split_once('/').unwrap();
        alive.push(holder(registry, role, member, at));
    }
    let dead = holder(registry, "web", "dead", "10.0.0.66");
    renewals(registry, 6);
    Fleet {
        _alive: alive,
        dead,
    }
}

/// The clock of Redis, as the scripts see it, is set by so much: all they have written lies so much
/// further in the past.
fn set_the_clock(registry: &Registry, ms: i64) {
    let script = "for _, field in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
                    redis.call('ZINCRBY', KEYS[1], -ARGV[1], field)
                    local state, since, from, rest = string.match(redis.call('HGET', KEYS[2], field),
                      '^(%l+ %x+ %d+ )(%d+) (%d+)(.*)$')
                    redis.call('HSET', KEYS[2], field, string.format('%s%.0f %.0f%s', state,
                      since - ARGV[1], from - ARGV[1], rest))
                  end";
    let (times, ms) = (times("web"), ms.to_string());
    registry
        .redis
        .cli(&["EVAL", script, "2", &times, HELD, &ms]);
}

/// The alive never lose their place, and the dead one does in the end.
fn only_the_dead_one_goes(registry: &Registry) {
    let alive = map(&FLEET[..4]);
    wait::until("the dead one goes", || {
        let now = registry.hash();
        for (field, at) in &alive {
            assert_eq!(now.get(field), Some(at), "lost its place: {now:?}");
        }
        (now == alive).then_some(())
    });
    renewals(registry, 12);
    assert_eq!(registry.hash(), alive);
    assert_eq!(removed(registry), 1, "nobody else was removed");
}

#[test]
fn redis_stopped_for_longer_than_the_leases_costs_nobody_alive_its_place() {
    let mut registry = Registry::new();
    let mut fleet = fleet(&registry);
    registry.redis.signal(Signal::STOP);
    fleet.dead.process.kill();
    for_a_while(LEASE * 4, || {});
    registry.redis.signal(Signal::CONT);
    only_the_dead_one_goes(&registry);
}

#[test]
fn redis_back_with_its_data_after_longer_than_the_leases_costs_nobody_alive_its_place() {
    let mut registry = Registry::new();
    let mut fleet = fleet(&registry);
    registry.redis.cli(&["SAVE"]);
    registry.redis.kill();
    fleet.dead.process.kill();
    for_a_while(LEASE * 4, || {});
    registry.redis.restart();
    only_the_dead_one_goes(&registry);
}

#[test]
fn redis_back_without_its_data_is_told_again() {
    let mut registry = Registry::new();
    let mut fleet = fleet(&registry);
    registry.redis.kill();
    fleet.dead.process.kill();
    for_a_while(LEASE * 2, || {});
    registry.redis.restart();
    registry.until(&FLEET[..4]);
    assert_eq!(ends(&registry, &["web"]).len(), 4);
    assert_eq!(removed(&registry), 0);
}

#[test]
fn a_clock_set_forward_costs_nobody_alive_its_place() {
    let registry = Registry::new();
    let mut fleet = fleet(&registry);
    fleet.dead.process.kill();
    set_the_clock(&registry, 3_600_000);
    only_the_dead_one_goes(&registry);
}

#[test]
fn a_clock_set_back_makes_nobody_dead_live_on() {
    let registry = Registry::new();
    let mut fleet = fleet(&registry);
    fleet.dead.process.kill();
    let set = Instant::now();
    set_the_clock(&registry, -3_600_000);
    only_the_dead_one_goes(&registry);
    assert!(set.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_holder_leaves_a_deposed_master_that_still_answers() {
    let dir = Dir::new();
    let master = Redis::builder(dir.join("redis")).tcp().start();
    let sentinel = Failover::of(dir.path(), &master);
    let url = sentinel.url();
    let lines =
        format!("resync_interval = '1s'\n[redis]\nurls = ['{url}']\nsentinel = '{MASTER}'\n");
    let registry = Registry::with(dir, master, &lines);
    let (_farm, all) = farm(&registry);
    wait_for_replica(&registry.redis);
    sentinel.depose();
    let replica = sentinel.replica();
    let before = replica.calls("evalsha");
    wait::until("all of them renew at the new master", || {
        let fields = replica.cli(&["HLEN", "cloudhosts"]);
        assert_eq!(fields, all.len().to_string());
        (replica.calls("evalsha") >= before + 20).then_some(())
    });
    assert!(
        !replica
            .cli(&["XRANGE", "cloudhosts:log", "-", "+"])
            .contains("-web")
    );
}

#[test]
fn a_failover_costs_nobody_alive_its_place() {
    let dir = Dir::new();
    let master = Redis::builder(dir.join("redis")).tcp().start();
    let mut sentinel = Failover::of(dir.path(), &master);
    let url = sentinel.url();
    let lines = format!("[redis]\nurls = ['{url}']\nsentinel = '{MASTER}'\n");
    let mut registry = Registry::with(dir, master, &lines);
    let (_farm, all) = farm(&registry);
    wait_for_replica(&registry.redis);
    registry.redis.kill();
    sentinel.wait_for_promotion();
    let replica = sentinel.replica();
    let renewals = || replica.calls("evalsha");
    let before = renewals();
    wait::until("all of them renew there", || {
        let fields = replica.cli(&["HLEN", "cloudhosts"]);
        assert_eq!(fields, all.len().to_string());
        (renewals() >= before + 20).then_some(())
    });
    assert!(
        !replica
            .cli(&["XRANGE", "cloudhosts:log", "-", "+"])
            .contains("-web")
    );
}
