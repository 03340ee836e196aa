//! Starting, stopping, and what happens when Redis is away or has lost its data.

use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use cloudhosts_tests::process::Signal;
use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{Daemon, World};

const SOCKET: &str = "/run/cloudhosts/cached.sock";
const LAST_GOOD: &str = "/var/lib/cloudhosts/last-good.table";

#[test]
fn a_daemon_that_starts_with_redis_away_serves_the_last_good_table() {
    let mut world = World::with(&[
        ("web", "10.0.0.5"),
        ("www", "web"),
        ("*.apps.internal", "10.0.0.6"),
    ]);
    world.sees("web", &["10.0.0.5"]);
    assert!(world.daemon.terminate().success());
    world.redis.cli(&["SAVE"]);
    world.redis.kill();
    world.daemon.start();
    world.daemon.wait_for_state("reconnecting");
    let caller = world.caller();
    for (name, address) in [
        ("web", "10.0.0.5"),
        ("www", "10.0.0.5"),
        ("x.apps.internal", "10.0.0.6"),
    ] {
        assert_eq!(caller.by_name(name).addresses, [address], "{name}");
    }
    assert_eq!(
        world.look_up("web").addresses,
        ["10.0.0.5"],
        "the process that ran all along"
    );

    // Redis comes back with what it had, and learns something new
    world.redis.restart();
    world.hset(&[("web", "10.0.0.7")]);
    world.sees("web", &["10.0.0.7"]);
    world.daemon.wait_for_state("live");
}

#[test]
fn without_a_daemon_processes_use_the_last_good_table() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    world.sees("web", &["10.0.0.5"]);
    world.daemon.kill();
    assert_eq!(
        world.look_up("web").addresses,
        ["10.0.0.5"],
        "one that runs"
    );
    assert_eq!(
        world.caller().by_name("web").addresses,
        ["10.0.0.5"],
        "one that starts"
    );
    std::fs::remove_file(world.sandbox.outside(LAST_GOOD)).unwrap();
    assert_eq!(
        world.look_up("web").addresses,
        ["10.0.0.5"],
        "one that runs"
    );
    assert_ne!(world.caller().by_name("web").code, "ok", "one that starts");
}

#[test]
fn a_running_process_follows_a_new_daemon() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    world.sees("web", &["10.0.0.5"]);
    for (round, stop) in [Signal::TERM, Signal::KILL, Signal::TERM, Signal::KILL]
        .into_iter()
        .enumerate()
    {
        world.daemon.signal(stop);
        world.daemon.wait();
        let address = format!("10.0.1.{round}");
        world.hset(&[("web", &address)]);
        world.daemon.start();
        world.sees("web", &[&address]);
    }
}

#[test]
fn a_redis_that_lost_its_data_is_not_believed_until_it_is_accepted() {
    let mut world = World::with(&[("web", "10.0.0.5"), ("db", "10.0.0.6")]);
    world.sees("web", &["10.0.0.5"]);
    world.redis.kill();
    world.daemon.wait_for_state("reconnecting");
    world.redis.restart();
    let status = world.daemon.wait_for_state("guarded");
    let reason = status["reason"].as_str().unwrap();
    assert!(reason.contains("cloudhosts accept"), "{reason}");
    assert!(
        world.daemon.log().contains(reason),
        "{}",
        world.daemon.log()
    );
    assert_eq!(world.look_up("web").addresses, ["10.0.0.5"]);
    assert_eq!(world.caller().by_name("db").addresses, ["10.0.0.6"]);

    // a reload reads the configuration, and accepts nothing
    world.daemon.signal(Signal::HUP);
    world.daemon.wait_for_state("guarded");
    assert_eq!(world.look_up("web").addresses, ["10.0.0.5"]);

    world.accept(&["web"]);
    world.sees_none("web");
    assert_eq!(world.look_up("db").addresses, ["10.0.0.6"]);
    world.daemon.wait_for_state("guarded");
    world.accept(&[]);
    world.sees_none("db");
    world.daemon.wait_for_state("live");
    assert!(world.daemon.runs());
}

#[test]
fn after_a_flush_each_name_is_retained_until_it_is_written_again() {
    for flush in ["FLUSHALL", "FLUSHDB"] {
        let world = World::with(&[("web", "10.0.0.5"), ("db", "10.0.0.6")]);
        world.sees("web", &["10.0.0.5"]);
        world.redis.cli(&[flush]);
        world.daemon.wait_for_state("guarded");
        assert_eq!(world.look_up("web").addresses, ["10.0.0.5"], "{flush}");
        world.hset(&[("web", "10.0.0.7")]);
        world.sees("web", &["10.0.0.7"]);
        assert_eq!(world.look_up("db").addresses, ["10.0.0.6"], "{flush}");
        let status = world.daemon.wait_for("one is retained", |status| {
            status["hashes"][0]["retained"] == 1
        });
        assert_eq!(status["state"], "guarded");
        world.hset(&[("db", "10.0.0.8")]);
        world.sees("db", &["10.0.0.8"]);
        world.daemon.wait_for_state("live");
    }
}

#[test]
fn a_guarded_daemon_retains_its_names_over_a_restart() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    world.redis.cli(&["FLUSHALL"]);
    world.daemon.wait_for_state("guarded");
    assert!(world.daemon.terminate().success());
    world.daemon.start();
    world.daemon.wait_for_state("guarded");
    assert_eq!(world.look_up("web").addresses, ["10.0.0.5"]);
    world.accept(&[]);
    world.sees_none("web");
}

#[test]
fn what_was_deleted_while_there_was_no_daemon_is_gone() {
    let mut world = World::with(&[
        ("web", "10.0.0.5"),
        ("db", "10.0.0.6"),
        ("mail", "10.0.0.7"),
    ]);
    world.sees("web", &["10.0.0.5"]);
    assert!(world.daemon.terminate().success());
    // by a verb, which the log tells of, and by hand
    assert!(world.cloudhosts(&["release", "web"]).status.success());
    world.redis.cli(&["HDEL", HASH, "db"]);
    world.daemon.start();
    world.daemon.wait_for_state("live");
    world.sees_none("web");
    world.sees_none("db");
    assert_eq!(world.look_up("mail").addresses, ["10.0.0.7"]);
}

#[test]
fn an_empty_redis_at_the_very_first_start_is_no_alarm() {
    let world = World::with(&[]);
    assert_eq!(world.look_up("web").code, "EAI_NONAME");
    world.hset(&[("web", "10.0.0.5")]);
    world.sees("web", &["10.0.0.5"]);
}

#[test]
fn a_redis_that_stops_answering_is_noticed_and_found_again() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    world.redis.signal(Signal::STOP);
    world.daemon.wait_for_state("reconnecting");
    assert_eq!(world.look_up("web").addresses, ["10.0.0.5"]);
    world.redis.signal(Signal::CONT);
    world.daemon.wait_for_state("live");
    world.hset(&[("web", "10.0.0.6")]);
    world.sees("web", &["10.0.0.6"]);
}

#[test]
fn sigterm_leaves_cleanly() {
    for stop in [Signal::TERM, Signal::INT] {
        let mut world = World::with(&[("web", "10.0.0.5")]);
        world.sees("web", &["10.0.0.5"]);
        world.daemon.signal(stop);
        assert_eq!(world.daemon.wait().code(), Some(0));
        assert!(
            UnixStream::connect(world.sandbox.outside(SOCKET)).is_err(),
            "nobody listens"
        );
        assert_eq!(
            world.look_up("web").addresses,
            ["10.0.0.5"],
            "its last table outlives it"
        );
    }
}

#[test]
fn sigterm_is_heeded_while_redis_is_away() {
    let mut world = World::new()
        .config("redis.urls", "['redis://127.0.0.1:1']")
        .build();
    world.daemon.start();
    world.daemon.wait_for_state("reconnecting");
    assert_eq!(world.daemon.terminate().code(), Some(0));
}

#[test]
fn a_second_daemon_on_the_same_socket_leaves_the_first_alone() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let before = world.daemon.status();
    let mut second = Daemon::new(&world.sandbox)
        .with_files(world.dir.join("second.log"), world.dir.join("second.json"));
    second.start();
    let ended = second.wait();
    assert!(!ended.success());
    assert!(second.log().contains(SOCKET), "{}", second.log());

    assert_eq!(world.daemon.status()["pid"], before["pid"]);
    assert_eq!(world.caller().by_name("web").addresses, ["10.0.0.5"]);
    world.hset(&[("web", "10.0.0.6")]);
    world.sees("web", &["10.0.0.6"]);
}

#[test]
fn the_socket_of_a_killed_daemon_does_not_stop_the_next() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    world.daemon.kill();
    assert!(world.sandbox.outside(SOCKET).exists());
    world.daemon.start();
    world.daemon.wait_for_state("live");
    assert_eq!(world.caller().by_name("web").addresses, ["10.0.0.5"]);
}

#[test]
fn it_is_ready_as_soon_as_the_socket_is_bound_though_redis_is_away() {
    let mut world = World::new()
        .config("redis.urls", "['redis://127.0.0.1:1']")
        .build();
    let path = world.dir.join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    world.daemon.set_variable("NOTIFY_SOCKET", &path);
    world.daemon.start();
    assert!(receive(&manager).lines().any(|line| line == "READY=1"));
    UnixStream::connect(world.sandbox.outside(SOCKET)).unwrap();

    world.daemon.signal(Signal::TERM);
    while !receive(&manager).lines().any(|line| line == "STOPPING=1") {}
    assert_eq!(world.daemon.wait().code(), Some(0));
}

fn receive(manager: &UnixDatagram) -> String {
    let mut message = [0; 4096];
    let length = manager.recv(&mut message).unwrap();
    String::from_utf8_lossy(&message[..length]).into_owned()
}

#[test]
fn anyone_may_connect_and_gets_a_table_without_saying_a_word() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::with(&[("web", "10.0.0.5")]);
    let socket = world.sandbox.outside(SOCKET);
    assert_eq!(
        std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777,
        0o666
    );
}

#[test]
fn it_looks_its_redis_up_though_that_asks_itself_first() {
    let start = World::new().services("cloudhosts files");
    let redis = cloudhosts_tests::Redis::builder(start.directory().join("redis"))
        .tcp()
        .start();
    let url = format!("redis://redis-host:{}", redis.port());
    let mut world = start
        .redis(redis)
        .config("redis.urls", format!("['{url}']"))
        .hash(HASH, &[("web", "10.0.0.5")])
        .build();
    std::fs::write(
        world.sandbox.outside("/etc/hosts"),
        "127.0.0.1 localhost redis-host\n",
    )
    .unwrap();
    world.daemon.start();
    world.daemon.wait_for_state("live");
    world.sees("web", &["10.0.0.5"]);
}
