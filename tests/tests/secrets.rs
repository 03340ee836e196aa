//! Passwords of Redis: who can see them, and when they may come.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cloudhosts_tests::config::{list, quote};
use cloudhosts_tests::process::{Process, mortal, stderr, stdout};
use cloudhosts_tests::world::{HASH, WorldBuilder};
use cloudhosts_tests::{Redis, World, programs, wait};
use serde_json::Value;

const WEB: &[(&str, &str)] = &[("web", "10.0.0.5")];

/// A Redis that lets in nobody without the password `secret`.
fn locked(start: &WorldBuilder) -> Redis {
    let redis = Redis::builder(start.directory().join("redis"))
        .user("user reader on >secret ~* &* +@all")
        .start();
    redis.hset(HASH, WEB);
    redis
}

/// The arguments of a process, as everybody sees them.
fn command_line(process: u32) -> String {
    let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap();
    String::from_utf8(line).unwrap().replace('\0', " ")
}

/// Waits until a process has become the program, and hides what it should.
fn hides(process: u32, program: &str) -> String {
    let program = programs::find(program);
    wait::until_seen(
        "the command line of the program itself, without a password",
        || command_line(process),
        |line| line.starts_with(program.to_str().unwrap()) && !line.contains("secret"),
    )
}

#[test]
fn a_password_in_the_daemon_s_url_is_not_seen() {
    let start = World::new();
    let redis = locked(&start);
    let url = format!(
        "redis+unix://{}?user=reader&pass=secret",
        redis.socket().display()
    );
    let mut world = start
        .redis(redis)
        .config("redis.urls", list(&["redis://127.0.0.1:1"]))
        .build();
    world
        .daemon
        .set_arguments(&["--redis-url", &url, &format!("--redis-url={url}")]);
    world.daemon.start();
    world.daemon.wait_for_state("live");
    assert_eq!(world.look_up("web").addresses, ["10.0.0.5"]);
    let line = hides(world.daemon.id(), programs::DAEMON);
    assert_eq!(line.matches("user=reader&pass=******").count(), 2, "{line}");
    let log = world.daemon.log();
    assert!(log.contains("--redis-url"), "{log}");
    assert!(!log.contains("secret"), "{log}");
}

#[test]
fn a_password_in_the_command_s_url_is_not_seen() {
    let start = World::new();
    let redis = locked(&start);
    let dir = start.directory().to_owned();
    let log = std::fs::File::create(dir.join("said")).unwrap();
    let url = format!(
        "redis+unix://{}?pass=secret&user=reader",
        redis.socket().display()
    );
    let mut command = mortal(programs::find(programs::COMMAND));
    command
        .args(["--config", "/dev/null", "--redis-url", &url])
        .args(["hold", "db", "10.0.0.6"])
        .stderr(log);
    let holder = Process::start(command);
    let said = || std::fs::read_to_string(dir.join("said")).unwrap();
    wait::until_seen("it is held", said, |said| said.contains("10.0.0.6"));
    let line = hides(holder.id(), programs::COMMAND);
    assert!(line.contains("pass=******&user=reader hold db"), "{line}");
    let said = said();
    assert!(
        said.contains("--redis-url") && !said.contains("secret"),
        "{said}"
    );
    drop(holder);
    drop((redis, start));
}

/// `cloudhosts-cached --check-config`: its exit code, and what it says.
fn checked(world: &World) -> (Option<i32>, String) {
    let program = programs::find(programs::DAEMON);
    let output = world.run(program.to_str().unwrap(), &["--check-config"]);
    (output.status.code(), stdout(&output) + &stderr(&output))
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_password_file_that_others_can_read_is_warned_of() {
    let start = World::new();
    let redis = locked(&start);
    let urls = list(&[&redis.unix_url()]);
    let start = start.redis(redis).config("redis.urls", urls);
    let mut world = start.login("reader", "secret").build();
    let password = world.dir.join("password");
    set_mode(world.dir.path(), 0o755);
    set_mode(&password, 0o644);
    world.daemon.start();
    world.daemon.wait_for_state("live");
    let log = world.daemon.log();
    let warnings = log.matches("chmod o-rwx").count();
    assert_eq!(warnings, 1, "{log}");
    let (code, said) = checked(&world);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("chmod o-rwx"), "{said}");
    let verdict = || {
        let output = world.cloudhosts(&["doctor", "--json"]);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut checks = said["checks"].as_array().unwrap().iter();
        checks.find(|one| one["check"] == "password").unwrap()["code"].clone()
    };
    assert_eq!(verdict(), "exposed");

    set_mode(&password, 0o640);
    assert_eq!(verdict(), "ok");
    let (code, said) = checked(&world);
    assert_eq!((code, said.contains("chmod")), (Some(0), false), "{said}");
}

#[test]
fn a_configuration_with_a_password_that_others_can_read_is_warned_of() {
    let world = World::new()
        .config("redis.urls", list(&["redis://:secret@127.0.0.1:1"]))
        .build();
    let file = world.sandbox.outside(cloudhosts_tests::daemon::CONFIG);
    set_mode(&file, 0o644);
    let (code, said) = checked(&world);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("urls") && !said.contains("secret"), "{said}");
    set_mode(&file, 0o640);
    assert!(!checked(&world).1.contains("urls"));
}

#[test]
fn a_password_that_comes_after_the_daemon_is_waited_for() {
    let start = World::new();
    let redis = locked(&start);
    let urls = list(&[&redis.unix_url()]);
    let start = start.redis(redis).config("redis.urls", urls);
    let mut world = start.login("reader", "secret").start();
    assert_eq!(world.look_up("web").addresses, ["10.0.0.5"]);
    world.daemon.terminate();
    let password = world.dir.join("password");
    std::fs::remove_file(&password).unwrap();
    assert_eq!(checked(&world).0, Some(2));
    world.daemon.start();
    for (situation, reason) in [("missing", "No such file"), ("empty", "it is empty")] {
        world.daemon.wait_for(situation, |status| {
            let said = status["reason"].to_string();
            status["state"] == "reconnecting"
                && said.contains("password_file")
                && said.contains(reason)
        });
        assert!(world.daemon.log().contains(reason), "{situation}");
        assert_eq!(
            world.caller().by_name("web").addresses,
            ["10.0.0.5"],
            "what was last good answers"
        );
        std::fs::write(&password, "").unwrap();
    }
    assert_eq!(checked(&world).0, Some(2));
    std::fs::write(&password, "secret\n").unwrap();
    world.daemon.wait_for_state("live");
    world.hset(&[("web", "10.0.0.6")]);
    world.sees("web", &["10.0.0.6"]);
}

#[test]
fn a_ca_that_comes_after_the_daemon_is_waited_for() {
    let start = World::new();
    let tls = cloudhosts_tests::tls::Tls::new(start.directory());
    let redis = Redis::builder(start.directory().join("redis"))
        .tls(tls.clone())
        .start();
    redis.hset(HASH, WEB);
    let late = start.directory().join("late.crt");
    let urls = list(&[&redis.tls_url()]);
    let mut world = start
        .redis(redis)
        .config("redis.urls", urls)
        .config("redis.ca_file", quote(&late.display().to_string()))
        .build();
    world.daemon.start();
    world.daemon.wait_for("the file is missed", |status| {
        status["reason"].to_string().contains("ca_file")
    });
    std::fs::copy(&tls.authority, &late).unwrap();
    world.daemon.wait_for_state("live");
    assert_eq!(world.look_up("web").addresses, ["10.0.0.5"]);
}

#[test]
fn a_password_that_comes_after_a_holder_is_waited_for() {
    let start = World::new();
    let redis = locked(&start);
    let dir = start.directory().to_owned();
    let (config, password) = (dir.join("hold.toml"), dir.join("late"));
    let text = format!(
        "[redis]\nurls = ['{}']\nusername = 'reader'\npassword_file = '{}'\n",
        redis.unix_url(),
        password.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = mortal(programs::find(programs::COMMAND));
    command
        .arg("--config")
        .arg(&config)
        .args(["hold", "db", "10.0.0.6"])
        .stderr(std::fs::File::create(dir.join("said")).unwrap());
    let holder = Process::start(command);
    let says = |text: &str| {
        let said = || std::fs::read_to_string(dir.join("said")).unwrap();
        wait::until_seen(text, said, |said| said.contains(text))
    };
    says("No such file");
    std::fs::write(&password, "secret\n").unwrap();
    says("10.0.0.6");
    drop(holder);
    drop((redis, start));
}
