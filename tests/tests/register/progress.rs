//! What a terminal is told while something takes long, and a pipe is not.

use cloudhosts_tests::config::list;
use cloudhosts_tests::process::{Signal, run, stderr, stdout};
use cloudhosts_tests::{Redis, World, programs, wait};

use crate::common::word;

/// What a command shows on a terminal. It is given the time of a shell's `timeout`.
fn shown(world: &World, line: &str) -> String {
    let program = programs::find(programs::COMMAND);
    let line = format!(
        "script -qec '{} {line}' /dev/null </dev/null",
        program.display()
    );
    stdout(&run(&mut world.shell(&line)))
}

#[test]
fn a_terminal_is_told_that_the_publication_is_waited_for() {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .user("user poller on >secret ~* &* +@all -client|tracking")
        .start();
    let urls = list(&[&redis.unix_url()]);
    let world = start
        .redis(redis)
        .config("redis.urls", urls)
        .config("poll_interval", "'1h'")
        .login("poller", "secret")
        .start();
    let said = shown(&world, "claim web 10.0.0.2 --wait 3s");
    assert!(said.contains("10.0.0.2"), "{said}");
    assert!(said.contains("Waiting"), "{said}");
    // wiped away before what stays is said
    let end = said.rfind("\r\u{1b}[K").unwrap();
    assert!(
        said[end..].lines().next().unwrap().len() > "\r\u{1b}[K".len(),
        "{said}"
    );
    let output = world.cloudhosts(&["claim", "web", "10.0.0.3", "--wait", "2s"]);
    let said = stderr(&output);
    assert!(!said.contains("Waiting") && !said.contains('\r'), "{said}");
    assert_eq!(output.status.code(), Some(1), "{said}");
}

#[test]
fn a_terminal_is_told_that_redis_is_waited_for() {
    let mut world = World::with(&[]);
    let hosts = world.dir.join("hosts");
    std::fs::write(&hosts, "10.0.0.9 nine\n").unwrap();
    world.redis.signal(Signal::STOP);
    for line in [
        "claim web 10.0.0.1",
        "accept",
        &format!("import {}", hosts.display()),
    ] {
        let said = shown(&world, line);
        assert!(said.contains("Waiting"), "{said}");
        let end = said.rfind("\r\u{1b}[K").unwrap();
        assert!(
            said[end..].lines().next().unwrap().len() > "\r\u{1b}[K".len(),
            "{said}"
        );
    }
    // it goes on trying, so it is ended
    let program = programs::find(programs::COMMAND);
    let file = world.dir.join("held");
    let line = format!(
        "exec script -qfec '{} hold web 10.0.0.1' {} </dev/null >/dev/null 2>&1",
        program.display(),
        file.display()
    );
    let mut command = world.sandbox.entrance().background("sh");
    command.args(["-c", &line]);
    let _hold = cloudhosts_tests::process::Process::start(command);
    let text = || std::fs::read_to_string(&file).unwrap_or_default();
    wait::until_seen("it waits", text, |said| said.contains("Waiting"));
    wait::until_seen("it says why", text, |said| said.contains(word::NOT_HELD));
    world.redis.signal(Signal::CONT);
    wait::until_seen("it holds the role", text, |said| said.contains(word::HELD));
    let said = text();
    let waited = said.rfind("Waiting").unwrap();
    assert!(waited < said.find(word::NOT_HELD).unwrap(), "{said}");
}
