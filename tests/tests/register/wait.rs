//! `--wait`: until the daemon of this machine has it.

use std::time::{Duration, Instant};

use cloudhosts_tests::config::list;
use cloudhosts_tests::process::{Signal, stderr, stdout};
use cloudhosts_tests::{Family, Redis, World};
use serde_json::Value;

fn code(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let output = world.cloudhosts(arguments);
    (output.status.code(), stderr(&output) + &stdout(&output))
}

#[test]
fn what_was_waited_for_is_what_programs_see() {
    let world = World::with(&[("web", "10.0.0.1")]);
    let caller = world.caller();
    for n in 2..12 {
        let at = format!("10.0.0.{n}");
        let (code, said) = code(&world, &["claim", "web", &at, "--wait"]);
        assert_eq!(code, Some(0), "{said}");
        // no more waiting: it is there
        assert_eq!(caller.gai(Family::Any, "-", "web").addresses, [at]);
    }
    let sees = |name: &str| caller.gai(Family::Any, "-", name).sorted();
    assert_eq!(
        code(
            &world,
            &[
                "join", "web", "10.0.0.1", "--member", "a", "--zone", "b", "--wait"
            ]
        )
        .0,
        Some(0)
    );
    assert_eq!(sees("web"), ["10.0.0.1", "10.0.0.11"]);
    assert_eq!(
        code(&world, &["leave", "--wait", "20s", "web", "--member", "a"]).0,
        Some(0)
    );
    assert_eq!(sees("web"), ["10.0.0.11"]);
    assert_eq!(code(&world, &["point", "www", "web", "--wait"]).0, Some(0));
    assert_eq!(sees("www"), ["10.0.0.11"]);
    assert_eq!(code(&world, &["release", "www", "--wait"]).0, Some(0));
    assert_eq!(caller.gai(Family::Any, "-", "www").code, "EAI_NONAME");
    let hosts = world.dir.join("hosts");
    std::fs::write(&hosts, "10.0.0.77 app\n").unwrap();
    let import = [
        "import",
        "--replace",
        hosts.to_str().unwrap(),
        "--wait",
        "--json",
    ];
    let output = world.cloudhosts(&import);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["published"], true);
    assert_eq!(sees("app"), ["10.0.0.77"]);
    assert_eq!(caller.gai(Family::Any, "-", "web").code, "EAI_NONAME");
}

#[test]
fn what_is_not_mirrored_here_is_not_waited_for() {
    let world = World::with(&[("web", "10.0.0.1")]);
    let start = Instant::now();
    let (end, said) = code(
        &world,
        &["--hash", "other", "claim", "web", "10.0.0.2", "--wait=5m"],
    );
    assert_eq!(end, Some(1), "{said}");
    assert!(said.contains("other"), "{said}");
    assert!(start.elapsed() < Duration::from_secs(60));
    // of several, those that are
    let both = ["--hash", "other", "--hash", "cloudhosts"];
    let (end, said) = code(
        &world,
        &[&both[..], &["claim", "web", "10.0.0.3", "--wait"]].concat(),
    );
    assert_eq!(end, Some(0), "{said}");
    assert_eq!(world.look_up("web").addresses, ["10.0.0.3"]);
}

#[test]
fn what_an_earlier_hash_overrules_is_not_waited_for() {
    let world = World::new()
        .config("hashes", "['first', 'second', 'third']")
        .hash("first", &[("web", "10.0.0.1")])
        .start();
    let run = |words: &[&str]| {
        let output = world.cloudhosts(&[words, &["--json"]].concat());
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        (
            output.status.code(),
            said["unpublished"].clone(),
            stderr(&output),
        )
    };
    for verb in [
        &["claim", "web", "10.0.0.2", "--wait=5m"][..],
        &["join", "web", "10.0.0.2", "--member", "a", "--wait=5m"],
    ] {
        let (code, why, said) = run(&[&["--hash", "second"], verb].concat());
        assert_eq!((code, &why), (Some(1), &"overruled".into()), "{said}");
        assert!(said.contains("first"), "{said}");
    }
    // the deciding hash is written to as well, or has no such role
    for words in [
        &[
            "--hash", "second", "--hash", "first", "claim", "web", "10.0.0.3", "--wait",
        ][..],
        &["--hash", "third", "claim", "db", "10.0.0.4", "--wait"],
        &["--hash", "second", "claim", "db", "10.0.0.5", "--wait"],
        &["--hash", "second", "release", "web", "--wait"],
    ] {
        let (code, why, said) = run(words);
        assert_eq!((code, why), (Some(0), Value::Null), "{words:?}: {said}");
    }
}

#[test]
fn a_daemon_that_does_not_publish_is_waited_for_in_vain() {
    let mut world = World::with(&[("web", "10.0.0.1")]);
    world.daemon.signal(Signal::STOP);
    let (end, said) = code(&world, &["claim", "web", "10.0.0.2", "--wait=1s"]);
    world.daemon.signal(Signal::CONT);
    assert_ne!(end, Some(0), "{said}");
    world.sees("web", &["10.0.0.2"]);
    world.daemon.terminate();
    let (end, said) = code(&world, &["claim", "web", "10.0.0.3", "--wait=1s"]);
    assert_eq!(end, Some(3), "{said}");
    assert!(said.contains("10.0.0.3"), "{said}");
}

#[test]
fn what_is_not_allowed_here_is_not_waited_for() {
    let world = World::new()
        .config("allow", "['db']")
        .hash("cloudhosts", &[("db", "10.0.0.1")])
        .start();
    let (end, said) = code(&world, &["claim", "web", "10.0.0.2", "--wait=5m"]);
    assert_eq!(end, Some(1), "{said}");
    assert!(
        said.contains("allow") && said.contains("db") && said.contains("web"),
        "{said}"
    );
    let json = |arguments: &[&str]| -> Value {
        let output = world.cloudhosts(&[arguments, &["--wait=5m", "--json"]].concat());
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    for arguments in [
        &["claim", "web", "10.0.0.2"][..],
        &["join", "web", "10.0.0.2", "--member", "a"],
        &["point", "web", "db"],
    ] {
        let said = json(arguments);
        let how = (&said["published"], &said["unpublished"]);
        assert_eq!(how, (&false.into(), &"filtered".into()), "{said}");
    }
    // of many, those that are
    let hosts = world.dir.join("hosts");
    std::fs::write(&hosts, "10.0.0.77 app\n10.0.0.78 db\n").unwrap();
    let (end, said) = code(&world, &["import", hosts.to_str().unwrap(), "--wait"]);
    assert_eq!(end, Some(0), "{said}");
    assert_eq!(world.look_up("db").addresses, ["10.0.0.78"]);
}

#[test]
fn a_daemon_that_is_too_late_is_not_waited_for_any_longer() {
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
    let (end, said) = code(&world, &["claim", "web", "10.0.0.2", "--wait=300ms"]);
    assert_eq!(end, Some(1), "{said}");
    assert!(said.contains("300ms") && said.contains("--wait"), "{said}");
}
