//! A loss is accepted once, for all daemons.

use cloudhosts_tests::World;
use cloudhosts_tests::config::list;
use cloudhosts_tests::machine::Machine;
use cloudhosts_tests::process::Signal;
use cloudhosts_tests::world::HASH;
use serde_json::Value;

use crate::common::Steady;
use crate::writers::verb;

/// Redis has lost `web`, `db` and `app`, which were written with HSET, and both daemons know it.
fn two_daemons_that_guard() -> (World, Machine) {
    let pairs = [("web", "10.0.0.5"), ("db", "10.0.0.6"), ("app", "10.0.0.7")];
    let world = World::with(&pairs);
    let other = Machine::start(&world, "other", |_| {});
    for (name, address) in pairs {
        world.sees(name, &[address]);
        other.caller.sees(name, &[address]);
    }
    // Without it the process answers from the file of the first.
    other.daemon.wait_for_state("live");
    world.redis.cli(&["FLUSHALL"]);
    world.daemon.wait_for_state("guarded");
    other.daemon.wait_for_state("guarded");
    (world, other)
}

fn retains(status: &Value, count: u64) -> bool {
    status["hashes"][0]["retained"] == count
}

#[test]
fn accepting_a_role_or_all_is_heard_by_every_daemon() {
    let (world, other) = two_daemons_that_guard();
    let mut steady = Steady::new(&world, "app", &["10.0.0.7"]);
    verb(&world, &world.redis, &["accept", "web"]);
    world.sees_none("web");
    other.caller.sees_none("web");
    for daemon in [&world.daemon, &other.daemon] {
        let status = daemon.wait_for("two are retained", |status| retains(status, 2));
        assert_eq!(status["state"], "guarded");
    }
    steady.holds(&world, "after another role was accepted");
    drop(steady);
    assert_eq!(other.caller.look_up("db").addresses, ["10.0.0.6"]);
    verb(&world, &world.redis, &["accept"]);
    for (caller, daemon) in [
        (world.running(), &world.daemon),
        (&other.caller, &other.daemon),
    ] {
        caller.sees_none("db");
        caller.sees_none("app");
        let status = daemon.wait_for_state("live");
        assert!(retains(&status, 0), "{status:#}");
    }
}

#[test]
fn a_daemon_that_was_away_hears_what_was_accepted_meanwhile() {
    let (world, mut other) = two_daemons_that_guard();
    assert!(other.daemon.terminate().success());
    verb(&world, &world.redis, &["accept", "web", "db"]);
    world.sees_none("db");
    other.daemon.start();
    other.caller.sees_none("web");
    other.caller.sees_none("db");
    other.daemon.wait_for_state("guarded");
    assert_eq!(other.caller.look_up("app").addresses, ["10.0.0.7"]);
}

#[test]
fn sighup_accepts_nothing() {
    let (mut world, _other) = two_daemons_that_guard();
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    world.redis.hset("more", &[("mark", "10.0.0.99")]);
    let mut config = world.config.clone();
    config.set("hashes", list(&[HASH, "more"]));
    world.daemon.configure(&config.text());
    world.daemon.signal(Signal::HUP);
    // it was heeded: the configuration was read again
    world.sees("mark", &["10.0.0.99"]);
    steady.holds(&world, "after SIGHUP");
    let status = world.daemon.wait_for_state("guarded");
    assert!(retains(&status, 3), "{status:#}");
}
