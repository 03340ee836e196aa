//! Redis is killed, stopped, replaced, and asked with what no longer opens it.
//!
//! What it means when data is lost is in `tests/lifecycle.rs` and `tests/changes.rs`.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use cloudhosts_tests::config::{list, quote};
use cloudhosts_tests::process::Signal;
use cloudhosts_tests::tls::Tls;
use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{Redis, World};

use crate::common::{Newcomers, Steady};

#[test]
fn a_killed_redis_takes_no_name_away() {
    let mut world = World::with(&[("web", "10.0.0.5"), ("db", "10.0.0.6")]);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    let newcomers = Newcomers::start(&world, "db", "10.0.0.6");
    world.redis.cli(&["SAVE"]);
    world.redis.kill();
    world.daemon.wait_for_state("reconnecting");
    steady.holds(&world, "while Redis is dead");
    world.redis.restart();
    let status = world.daemon.wait_for_state("live");
    assert_eq!(status["names"], 2);
    steady.holds(&world, "after Redis has come back with its data");
    println!("{} processes started meanwhile", newcomers.finish());
    world.hset(&[("db", "10.0.0.7")]);
    world.sees("db", &["10.0.0.7"]);
}

#[test]
fn a_stopped_redis_is_noticed_and_takes_no_name_away() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    world.redis.signal(Signal::STOP);
    let stopped = Instant::now();
    world.daemon.wait_for_state("reconnecting");
    let noticed = stopped.elapsed();
    println!("a stopped Redis was noticed by the status after {noticed:?}");
    // 5 s, and what a busy machine adds
    assert!(noticed < Duration::from_secs(10), "{noticed:?}");
    steady.holds(&world, "while Redis is stopped");
    world.redis.signal(Signal::CONT);
    world.daemon.wait_for_state("live");
    steady.holds(&world, "after Redis goes on");
}

#[test]
fn a_redis_that_comes_back_empty_again_and_again_takes_no_name_away() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    for round in 0..3 {
        world.redis.restart();
        let status = world.daemon.wait_for_state("guarded");
        assert_eq!(status["hashes"][0]["retained"], 1, "{status:#}");
        steady.holds(&world, &format!("with an empty Redis, round {round}"));
        world.redis.kill();
        world.daemon.wait_for_state("reconnecting");
    }
    world.redis.restart();
    world.daemon.wait_for_state("guarded");
    world.hset(&[("db", "10.0.0.6")]);
    world.sees("db", &["10.0.0.6"]);
    steady.holds(&world, "after the first one has registered anew");
}

#[test]
fn a_rotated_password_takes_no_name_away_and_the_new_file_is_read() {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .tcp()
        .user("user mirror on >hunter-one ~* &* +@all")
        .start();
    let urls = list(&[&redis.tcp_url()]);
    let world = start
        .redis(redis)
        .config("redis.urls", urls)
        .login("mirror", "hunter-one")
        .hash(HASH, &[("web", "10.0.0.5")])
        .start();
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    world
        .redis
        .cli(&["ACL", "SETUSER", "mirror", "resetpass", ">hunter-two"]);
    world.redis.cli(&["CLIENT", "KILL", "USER", "mirror"]);
    let status = world.daemon.wait_for("the password is refused", |status| {
        status["reason"].to_string().contains("WRONGPASS")
    });
    assert_eq!(status["state"], "reconnecting");
    steady.holds(&world, "with the old password");
    std::fs::write(world.dir.join("password"), "hunter-two\n").unwrap();
    world.daemon.wait_for_state("live");
    world.hset(&[("db", "10.0.0.6")]);
    world.sees("db", &["10.0.0.6"]);
    steady.holds(&world, "with the new password");
    for text in [world.daemon.log(), world.daemon.status().to_string()] {
        assert!(!text.contains("hunter"), "a password is shown: {text}");
    }
}

#[test]
fn an_expired_certificate_takes_no_name_away() {
    let start = World::new();
    let tls = Tls::new(start.directory());
    let redis = Redis::builder(start.directory().join("redis"))
        .tls(tls.clone())
        .start();
    let urls = list(&[&redis.tls_url()]);
    let mut world = start
        .redis(redis)
        .config("redis.urls", urls)
        .config("redis.ca_file", quote(&tls.authority.display().to_string()))
        .hash(HASH, &[("web", "10.0.0.5")])
        .start();
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    let good = std::fs::read(&tls.certificate).unwrap();
    std::fs::copy(tls.expired(), &tls.certificate).unwrap();
    world.redis.cli(&["SAVE"]);
    world.redis.restart();
    let status = world
        .daemon
        .wait_for("the certificate is refused", |status| {
            status["reason"]
                .to_string()
                .to_lowercase()
                .contains("expired")
        });
    assert_eq!(status["state"], "reconnecting");
    steady.holds(&world, "with an expired certificate");
    std::fs::write(&tls.certificate, good).unwrap();
    world.redis.restart();
    world.daemon.wait_for_state("live");
    steady.holds(&world, "with a good certificate");
}

#[test]
fn a_dead_first_url_and_a_stopped_first_redis_give_way_to_the_second() {
    let start = World::new();
    let mut first = Redis::builder(start.directory().join("first"))
        .tcp()
        .start();
    let redis = Redis::builder(start.directory().join("redis"))
        .tcp()
        .start();
    for one in [&first, &redis] {
        one.hset(HASH, &[("web", "10.0.0.5")]);
    }
    let second = redis.tcp_url();
    let urls = list(&["redis://127.0.0.1:1", &first.tcp_url(), &second]);
    let world = start
        .redis(redis)
        .config("redis.urls", urls)
        .config("redis.connect_timeout", "'500ms'")
        .start();
    assert_eq!(
        world.daemon.status()["redis"]["endpoint"],
        first.tcp_url(),
        "the first that lives"
    );
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    first.signal(Signal::STOP);
    world.daemon.wait_for("the second is followed", |status| {
        status["state"] == "live" && status["redis"]["endpoint"] == second.as_str()
    });
    steady.holds(&world, "on the second");
    world.hset(&[("web", "10.0.0.6")]);
    world.sees("web", &["10.0.0.6"]);
    first.signal(Signal::CONT);
}

#[test]
fn a_redis_that_comes_back_with_other_fields_takes_no_name_away() {
    let mut world = World::with(&[("web", "10.0.0.5"), ("db", "10.0.0.6")]);
    world.sees("web", &["10.0.0.5"]);
    // the daemon does not look while Redis is empty
    world.daemon.signal(Signal::STOP);
    world.redis.restart();
    world.hset(&[("db", "10.0.0.7")]);
    world.daemon.signal(Signal::CONT);
    world.sees("db", &["10.0.0.7"]);
    world.sees("web", &["10.0.0.5"]);
    let status = world.daemon.wait_for_state("guarded");
    assert_eq!(status["hashes"][0]["retained"], 1, "{status:#}");
    world.accept(&[]);
    world.sees_none("web");
    world.daemon.wait_for_state("live");
}

#[test]
fn what_was_deleted_while_the_connection_was_cut_is_gone() {
    let mut world = World::with(&[("web", "10.0.0.5"), ("db", "10.0.0.6")]);
    world.sees("web", &["10.0.0.5"]);
    world.daemon.signal(Signal::STOP);
    world.redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    world.redis.cli(&["HDEL", HASH, "web"]);
    world.hset(&[("db", "10.0.0.7")]);
    world.daemon.signal(Signal::CONT);
    world.sees("db", &["10.0.0.7"]);
    world.sees_none("web");
    world.daemon.wait_for_state("live");
}

#[test]
fn a_password_command_that_hangs_holds_up_no_name() {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .user("user reader on >first ~* &* +@all")
        .start();
    let program = start.directory().join("token");
    let command = |does: &str| {
        // One that is being written can't be executed.
        let made = program.with_extension("new");
        std::fs::write(&made, format!("#!/bin/sh\n{does}\n")).unwrap();
        std::fs::set_permissions(&made, Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(made, &program).unwrap();
    };
    command("echo first");
    let urls = list(&[&redis.unix_url()]);
    let token = program.display().to_string();
    let world = start
        .redis(redis)
        .config("redis.urls", urls)
        .config("redis.username", quote("reader"))
        .config("redis.password_command", list(&[&token]))
        .hash(HASH, &[("web", "10.0.0.5")])
        .start();
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    command("sleep 1000");
    world
        .redis
        .cli(&["ACL", "SETUSER", "reader", "resetpass", ">second"]);
    world.redis.cli(&["CLIENT", "KILL", "USER", "reader"]);
    let status = world.daemon.wait_for("the command is told", |status| {
        status["reason"].to_string().contains("password_command ")
    });
    assert_eq!(status["state"], "reconnecting");
    assert!(!status.to_string().contains("first"), "{status}");
    steady.holds(&world, "while the command hangs");
    world.sees("web", &["10.0.0.5"]);
    let doctor = world.cloudhosts(&["doctor", "--json"]);
    let said = cloudhosts_tests::process::stdout(&doctor);
    assert!(said.contains("\"password-command\""), "{said}");
    command("echo second");
    world.daemon.wait_for_state("live");
    steady.holds(&world, "with the next password");
}
