//! The daemon dies, hangs, and is replaced, while everybody goes on resolving.
//!
//! A second daemon, a socket that a killed one left, and a start with Redis away are in
//! `tests/lifecycle.rs`; what a hostile daemon can do is in `table/tests/handover`.

use std::time::{Duration, Instant};

use cloudhosts_tests::World;
use cloudhosts_tests::process::{Signal, bounded, succeed};
use cloudhosts_tests::{programs, wait};

use crate::common::{Newcomers, Steady, launch, soak};

#[test]
fn a_crash_loop_takes_no_name_away() {
    let mut world = World::with(&[("web", "10.0.0.5"), ("db", "10.0.0.6")]);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    wait::until("the file is there", || {
        last_good(&world).exists().then_some(())
    });
    let newcomers = Newcomers::start(&world, "db", "10.0.0.6");
    for round in 0..if soak() { 200 } else { 12 } {
        world.daemon.kill();
        steady.holds(&world, &format!("round {round}, dead"));
        world.daemon.start();
        if round % 3 == 0 {
            world.daemon.wait_for_state("live");
        }
        steady.ran(&format!("round {round}, started"));
    }
    println!("{} processes started meanwhile", newcomers.finish());
    world.daemon.wait_for_state("live");
    world.hset(&[("db", "10.0.0.7")]);
    world.sees("db", &["10.0.0.7"]);
}

fn last_good(world: &World) -> std::path::PathBuf {
    world.sandbox.outside("/var/lib/cloudhosts/last-good.table")
}

#[test]
fn a_stopped_daemon_holds_nobody_up() {
    let mut world = World::with(&[("web", "10.0.0.5"), ("db", "10.0.0.6")]);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    wait::until("the file is there", || {
        last_good(&world).exists().then_some(())
    });
    world.daemon.signal(Signal::STOP);
    let stopped = Instant::now();
    let mut count = 0;
    // past the 3 s after which those that run look for another daemon, once a second
    while stopped.elapsed() < Duration::from_secs(6) {
        steady.holds(&world, "while the daemon is stopped");
        count += 1;
    }
    println!("{count} processes started meanwhile");
    world.daemon.signal(Signal::CONT);
    world.hset(&[("db", "10.0.0.7")]);
    world.sees("db", &["10.0.0.7"]);
    steady.holds(&world, "after it goes on");
}

#[test]
fn an_upgrade_is_not_noticed() {
    let world = World::new()
        .hash("cloudhosts", &[("web", "10.0.0.5"), ("db", "10.0.0.6")])
        .build();
    let program = world.dir.join("cloudhosts-cached");
    let installed = program.to_str().unwrap();
    let install = || {
        let new = world.dir.join("cloudhosts-cached.dpkg-new");
        programs::install(&programs::find(programs::DAEMON), &new);
        std::fs::rename(&new, &program).unwrap();
    };
    install();
    let mut daemon = launch(&world, &[installed]);
    world.daemon.wait_for_state("live");
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    let newcomers = Newcomers::start(&world, "db", "10.0.0.6");
    for round in 0..if soak() { 50 } else { 5 } {
        install();
        daemon.signal(Signal::TERM);
        assert!(daemon.wait().success());
        steady.ran(&format!("round {round}, between two daemons"));
        daemon = launch(&world, &[installed]);
        world.daemon.wait_for("the new one is live", |status| {
            status["state"] == "live" && status["pid"] == daemon.id()
        });
        let address = format!("10.0.1.{round}");
        world.hset(&[("new", &address)]);
        world.sees("new", &[&address]);
        steady.holds(&world, &format!("round {round}, with a new daemon"));
    }
    println!("{} processes started meanwhile", newcomers.finish());
}

/// What the processes see of a clock that is set is in `state.rs`.
#[test]
fn a_wall_clock_that_steps_under_the_daemon_is_not_noticed() {
    const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/callers/wall_clock.c");
    const DAY: i64 = 86_400;
    let mut world = World::with(&[("web", "10.0.0.5")]);
    let (preload, step) = (world.dir.join("wall_clock.so"), world.dir.join("step"));
    succeed(
        bounded("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&preload)
            .arg(SOURCE),
    );
    std::fs::write(&step, "0").unwrap();
    assert!(world.daemon.terminate().success());
    world.daemon.set_variable("LD_PRELOAD", &preload);
    world.daemon.set_variable("CLOUDHOSTS_TEST_STEP", &step);
    world.daemon.start();
    world.daemon.wait_for_state("live");
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    for (round, days) in [2, -2, 3650, -3650, 0].into_iter().enumerate() {
        std::fs::write(&step, (days * DAY).to_string()).unwrap();
        let address = format!("10.0.1.{round}");
        world.hset(&[("db", &address)]);
        world.sees("db", &[&address]);
        steady.holds(&world, &format!("{days} days away"));
        world.daemon.wait_for_state("live");
        // the table says when it was made: by the clock that stepped
        let told = world.cloudhosts(&["resolve", "db", "--json"]);
        let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
        let age = told["age_s"].as_f64().unwrap();
        let behind = (-days).max(0) * DAY;
        assert!((age - behind as f64).abs() < 3600.0, "{days} days: {told}");
    }
}
