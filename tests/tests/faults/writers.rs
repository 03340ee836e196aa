//! Names that were written in both ways there are: with plain HSET, and by the verbs, which also
//! write down what they did. What is known of a name that is missing differs, so each fault is
//! made for both, in two hashes side by side.

use cloudhosts_tests::caller::Caller;
use cloudhosts_tests::config::list;
use cloudhosts_tests::process::{stderr, stdout};
use cloudhosts_tests::world::WorldBuilder;
use cloudhosts_tests::{Redis, World, wait};

use crate::common::Steady;

/// The hash that is written with HSET and HDEL.
pub(crate) const PLAIN: &str = "cloudhosts:plain";
/// The hash that is written by `cloudhosts claim` and `cloudhosts release`.
pub(crate) const LOGGED: &str = "cloudhosts:logged";

/// Has the daemon follow both.
pub(crate) fn following_both(start: WorldBuilder) -> WorldBuilder {
    start.config("hashes", list(&[PLAIN, LOGGED]))
}

/// A world with a Redis on a Unix socket, and `early` and `late` in both hashes.
pub(crate) fn early_and_late() -> World {
    let mut world = following_both(World::new()).build();
    set(&world, &world.redis, "early", 1);
    set(&world, &world.redis, "late", 2);
    go(&mut world);
    world
}

/// Starts the daemon, and waits until it has read both.
pub(crate) fn go(world: &mut World) {
    world.daemon.start();
    world.daemon.wait_for_state("live");
}

/// Runs the command as on a machine that may write to that Redis. It must succeed; what it prints.
pub(crate) fn verb(world: &World, redis: &Redis, arguments: &[&str]) -> String {
    let config = world.dir.join("registrar.toml");
    let text = format!("[redis]\nurls = ['{}']\n", redis.unix_url());
    std::fs::write(&config, text).unwrap();
    let config = config.display().to_string();
    let output = world.cloudhosts(&[&["--config", &config][..], arguments].concat());
    assert!(
        output.status.success(),
        "cloudhosts {arguments:?}: {}{}",
        stdout(&output),
        stderr(&output)
    );
    stdout(&output)
}

/// Both names of that kind, and where they are.
fn both(name: &str, last: u8) -> [(String, String); 2] {
    [
        (format!("{name}-plain"), format!("10.0.1.{last}")),
        (format!("{name}-logged"), format!("10.0.2.{last}")),
    ]
}

/// Registers both names of that kind.
pub(crate) fn set(world: &World, redis: &Redis, name: &str, last: u8) {
    let [(plain, at), (logged, there)] = both(name, last);
    redis.hset(PLAIN, &[(&plain, &at)]);
    verb(world, redis, &["--hash", LOGGED, "claim", &logged, &there]);
}

/// Removes both.
pub(crate) fn delete(world: &World, redis: &Redis, name: &str) {
    let [(plain, _), (logged, _)] = both(name, 0);
    redis.cli(&["HDEL", PLAIN, &plain]);
    verb(world, redis, &["--hash", LOGGED, "release", &logged]);
}

/// Waits until the running process is told both.
pub(crate) fn sees(world: &World, name: &str, last: u8) {
    for (name, address) in both(name, last) {
        world.sees(&name, &[&address]);
    }
}

/// Waits until the running process finds neither.
pub(crate) fn sees_neither(caller: &Caller, name: &str) {
    for (name, _) in both(name, 0) {
        caller.sees_none(&name);
    }
}

/// Both names of one kind, which must be answered all along.
pub(crate) struct Held([Steady; 2]);

impl Held {
    /// Begins to watch.
    pub(crate) fn new(world: &World, name: &str, last: u8) -> Held {
        Held(both(name, last).map(|(name, address)| Steady::new(world, &name, &[&address])))
    }

    /// Sees that nothing has changed for those that run, nor for those that start.
    pub(crate) fn hold(&mut self, world: &World, when: &str) {
        for one in &mut self.0 {
            one.holds(world, when);
        }
    }

    /// Waits until the daemon knows that so many names of each hash are lost, all of which it
    /// retains.
    pub(crate) fn are_retained(&mut self, world: &World, count: u64, when: &str) {
        wait::until(
            &format!("{count} of each hash are retained, {when}"),
            || {
                for one in &mut self.0 {
                    one.ran(when);
                }
                let status = world.daemon.status();
                let retained = |hash: usize| status["hashes"][hash]["retained"] == count;
                (status["state"] == "guarded" && retained(0) && retained(1)).then_some(())
            },
        );
        self.hold(world, when);
    }
}
