//! The directory of the last good table is full, read-only or missing, and what is in it is bad.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use cloudhosts_tests::World;
use cloudhosts_tests::config::quote;
use cloudhosts_tests::process::{bounded, succeed};
use cloudhosts_tests::wait;
use serde_json::Value;

use crate::common::{Nest, Steady, inside, wait_for_log};

const STATE: &str = "/var/lib/cloudhosts";
const LAST_GOOD: &str = "/var/lib/cloudhosts/last-good.table";

#[test]
fn a_full_disk_costs_nobody_a_name_and_heals() {
    let mut world = World::new()
        .hash("cloudhosts", &[("web", "10.0.0.5"), ("db", "10.0.0.6")])
        .build();
    inside(
        &world,
        &[
            "mount",
            "-n",
            "-t",
            "tmpfs",
            "-o",
            "size=64k,mode=755",
            "none",
            STATE,
        ],
    );
    world.daemon.start();
    world.daemon.wait_for_state("live");
    wait::until("the file is there", || {
        world
            .run("test", &["-s", LAST_GOOD])
            .status
            .success()
            .then_some(())
    });
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    let commands: String = (0..3_000)
        .map(|number| {
            format!(
                "HSET cloudhosts bulk-{number} 10.1.{}.{}\n",
                number / 256,
                number % 256
            )
        })
        .collect();
    world.redis.pipeline(&commands);
    world.sync("cloudhosts");
    let full = |status: &Value| status["unwritten"]["code"] == "full";
    world.daemon.wait_for("the disk is full", full);
    steady.holds(&world, "with a full disk");
    world.hset(&[("db", "10.0.0.7")]);
    world.sees("db", &["10.0.0.7"]);

    // what starts without a daemon has the file as it was, whole
    world.daemon.kill();
    assert_eq!(told(&world, "db"), ["10.0.0.6"]);
    steady.holds(&world, "with a full disk and no daemon");
    world.daemon.start();
    world.sync("cloudhosts");
    world.daemon.wait_for("it is tried again, and said", full);
    inside(&world, &["mount", "-n", "-o", "remount,size=16m", STATE]);
    world.sync("cloudhosts");
    world.daemon.wait_for("it is written again", |status| {
        status["state"] == "live" && status["unwritten"].is_null()
    });
    let left = inside(&world, &["ls", "-A", STATE]);
    assert_eq!(left.trim(), "last-good.table\nstate.json");
    world.daemon.kill();
    assert_eq!(told(&world, "db"), ["10.0.0.7"]);
}

/// What a process that starts now is told.
fn told(world: &World, name: &str) -> Vec<String> {
    Nest::of(world).newcomer(name).0.addresses
}

#[test]
fn a_read_only_state_directory_costs_nobody_a_name() {
    let mut world = World::new()
        .hash("cloudhosts", &[("web", "10.0.0.5")])
        .build();
    inside(
        &world,
        &[
            "mount",
            "-n",
            "-t",
            "tmpfs",
            "-o",
            "ro,size=64k",
            "none",
            STATE,
        ],
    );
    follows_without_a_file(&mut world);
}

#[test]
fn a_missing_state_directory_costs_nobody_a_name() {
    let mut world = World::new()
        .hash("cloudhosts", &[("web", "10.0.0.5")])
        // that not even root can make
        .config("state_dir", quote("/proc/cloudhosts"))
        .build();
    follows_without_a_file(&mut world);
}

fn follows_without_a_file(world: &mut World) {
    world.daemon.start();
    world.daemon.wait_for_state("live");
    world.daemon.wait_for("it is said", |status| {
        status["unwritten"]["code"].is_string()
    });
    let mut steady = Steady::new(world, "web", &["10.0.0.5"]);
    for number in 0..5 {
        let address = format!("10.0.1.{number}");
        world.hset(&[("db", &address)]);
        world.sees("db", &[&address]);
    }
    steady.holds(world, "without a file");
    assert_eq!(
        world.daemon.log().matches("can't write").count(),
        1,
        "said once: {}",
        world.daemon.log()
    );
    assert!(world.daemon.terminate().success());
    steady.ran("without a file and without a daemon");
}

#[test]
fn a_bad_last_good_table_is_left_aside() {
    let mut world = World::new()
        .services("cloudhosts files")
        .hash("cloudhosts", &[("web", "10.0.0.5")])
        .start();
    world.sees("web", &["10.0.0.5"]);
    assert!(world.daemon.terminate().success());
    world.redis.cli(&["SAVE"]);
    world.redis.kill();
    std::fs::write(
        world.sandbox.outside("/etc/hosts"),
        "127.0.0.1 localhost\n10.9.9.9 web\n",
    )
    .unwrap();
    let file = world.sandbox.outside(LAST_GOOD);
    let good = std::fs::read(&file).unwrap();
    good_one(&world, "the good one is used");

    type Spoil = fn(&Path, &[u8]);
    let bad: [(&str, Spoil); 9] = [
        ("empty", |file, _| write(file, b"")),
        ("no table", |file, _| write(file, &[0xa5; 5000])),
        ("cut", |file, good| write(file, &good[..good.len() / 2])),
        ("cut by one byte", |file, good| {
            write(file, &good[..good.len() - 1])
        }),
        ("one bit is wrong", |file, good| {
            let mut bytes = good.to_vec();
            bytes[good.len() - 9] ^= 4;
            write(file, &bytes);
        }),
        ("a newer format", |file, good| version(file, good, 3)),
        ("an older format", |file, good| version(file, good, 0)),
        ("a directory", |file, _| std::fs::create_dir(file).unwrap()),
        ("a pipe", |file, _| {
            succeed(bounded("mkfifo").arg(file));
        }),
    ];
    for (what, spoil) in bad {
        remove(&file);
        spoil(&file, &good);
        assert_eq!(
            told(&world, "web"),
            ["10.9.9.9"],
            "{what}: the next service is asked"
        );
        world.daemon.start();
        world
            .daemon
            .wait_for("Redis is away", |status| status["state"] == "reconnecting");
        wait_for_log(&world, LAST_GOOD);
        assert_eq!(
            told(&world, "web"),
            ["10.9.9.9"],
            "{what}: there is no table yet"
        );
        assert!(world.daemon.terminate().success(), "{what}");
        std::fs::write(world.sandbox.outside("/run/daemon.log"), "").unwrap();
    }

    // and Redis mends it
    remove(&file);
    write(&file, &good[..40]);
    world.redis.restart();
    world.daemon.start();
    world.daemon.wait_for_state("live");
    good_one(&world, "from Redis");
    assert!(world.daemon.terminate().success());
    good_one(&world, "from the file that was made anew");
}

/// On a busy machine a first look-up may pass a good file over; the next does not.
fn good_one(world: &World, what: &str) {
    wait::until_seen(what, || told(world, "web"), |told| *told == ["10.0.0.5"]);
}

fn write(file: &Path, bytes: &[u8]) {
    std::fs::write(file, bytes).unwrap();
}

/// The good table, as if of another format.
fn version(file: &Path, good: &[u8], version: u32) {
    let mut bytes = good.to_vec();
    bytes[8..12].copy_from_slice(&version.to_le_bytes());
    write(file, &bytes);
}

fn remove(file: &Path) {
    let _ = std::fs::remove_dir(file);
    let _ = std::fs::remove_file(file);
    assert!(file.symlink_metadata().is_err());
}

#[test]
fn a_clock_that_was_set_back_takes_no_name_away() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    assert!(world.daemon.terminate().success());
    let file = world.sandbox.outside(LAST_GOOD);
    let age = |time: SystemTime| {
        let opened = std::fs::File::options().append(true).open(&file).unwrap();
        opened.set_modified(time).unwrap();
    };
    let year = Duration::from_secs(365 * 86_400);
    age(SystemTime::now() + year);
    steady.holds(&world, "with a file of next year");
    world.daemon.start();
    world.daemon.wait_for_state("live");
    world.hset(&[("db", "10.0.0.6")]);
    world.sees("db", &["10.0.0.6"]);
    steady.holds(&world, "with a daemon that found a file of next year");

    // set forward by a year: the file is too old for those that start, until a daemon does
    assert!(world.daemon.terminate().success());
    age(SystemTime::now() - year);
    assert_ne!(world.caller().by_name("web").code, "ok", "stale_max");
    steady.ran("with a file of last year");
    world.redis.kill();
    world.daemon.start();
    world
        .daemon
        .wait_for("the file is restored", |status| status["names"] == 2);
    steady.holds(&world, "with a daemon behind it");
}

#[test]
fn a_link_in_place_of_the_file_is_not_read_by_the_daemon() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    world.sees("web", &["10.0.0.5"]);
    assert!(world.daemon.terminate().success());
    world.redis.kill();
    let file = world.sandbox.outside(LAST_GOOD);
    let elsewhere = world.dir.join("elsewhere");
    std::fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    world.daemon.start();
    wait_for_log(&world, LAST_GOOD);
}

const STATE_FILE: &str = "/var/lib/cloudhosts/state.json";

#[test]
fn a_damaged_or_missing_state_costs_nobody_a_name() {
    let mut world = World::with(&[("web", "10.0.0.5"), ("db", "10.0.0.6")]);
    world.sees("web", &["10.0.0.5"]);
    let junk = vec![b'['; 2 << 20];
    for damaged in [None, Some(&b""[..]), Some(b"{\"hashes\": 7}"), Some(&junk)] {
        assert!(world.daemon.terminate().success());
        let path = world.sandbox.outside(STATE_FILE);
        match damaged {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let logged = world.daemon.log().len();
        // it can't be known that this is no loss
        world.redis.cli(&["HDEL", "cloudhosts", "web"]);
        world.daemon.start();
        world.daemon.wait_for_state("guarded");
        assert_eq!(world.look_up("web").addresses, ["10.0.0.5"]);
        let log = world.daemon.log().split_off(logged);
        assert_eq!(log.contains(STATE_FILE), damaged.is_some(), "{log}");
        world.hset(&[("web", "10.0.0.5")]);
        world.daemon.wait_for_state("live");
        wait::until("the state is there again", || {
            let text = std::fs::read(&path).ok()?;
            text.starts_with(b"{\"checkpoint\":{\"hashes\":{")
                .then_some(())
        });
    }
}
