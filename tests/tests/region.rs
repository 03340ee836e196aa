//! The one region that all processes of a machine read, and what stands beside it.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, Instant};

use cloudhosts_tests::caller::Caller;
use cloudhosts_tests::config::quote;
use cloudhosts_tests::process::{Process, Signal, stdout};
use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{World, programs, wait};
use serde_json::Value;

const STATE: &str = "/var/lib/cloudhosts/state.json";
const LAST_GOOD: &str = "/var/lib/cloudhosts/last-good.table";

/// The memory files that a process has mapped, by their numbers.
fn regions(pid: u32) -> BTreeSet<String> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mapped = maps.lines().filter(|line| line.contains("/memfd:"));
    let inode = |line: &str| line.split_whitespace().nth(4).map(str::to_owned);
    mapped.filter_map(inode).collect()
}

/// Each attached at another moment: it is one region all the same, that of the daemon.
#[test]
fn processes_that_attach_between_changes_share_one_region() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let one = regions(world.daemon.id());
    assert_eq!(one.len(), 1, "{one:?}");
    let mut all: Vec<Caller> = Vec::new();
    for n in 0..20 {
        let address = format!("10.0.1.{n}");
        world.hset(&[("web", &address)]);
        world.sees("web", &[&address]);
        let caller = world.caller();
        caller.sees("web", &[&address]);
        all.push(caller);
    }
    for caller in &all {
        assert_eq!(regions(caller.id()), one);
        assert_eq!(caller.look_up("web").addresses, ["10.0.1.19"]);
    }
    assert_eq!(regions(world.daemon.id()), one);
}

/// A reload that changes nothing of the table leaves it where it is; one that does moves it.
#[test]
fn a_reload_moves_the_region_only_where_it_has_to() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    world.sees("web", &["10.0.0.5"]);
    let first = regions(world.daemon.id());
    let read = |status: &Value| status["config"]["read"].to_string();
    let before = read(&world.daemon.status());
    world.daemon.signal(Signal::HUP);
    let what = "the configuration is read again";
    world.daemon.wait_for(what, |status| read(status) != before);
    world.daemon.wait_for_state("live");
    world.sync(HASH);
    assert_eq!(regions(world.daemon.id()), first);
    world.config.set("order", quote("fixed"));
    world.daemon.configure(&world.config.text());
    world.daemon.signal(Signal::HUP);
    wait::until("there is another region", || {
        (regions(world.daemon.id()) != first).then_some(())
    });
    world.hset(&[("web", "10.0.0.6")]);
    world.sees("web", &["10.0.0.6"]);
}

/// More changes than a region has room for: processes move on to the next one, and no answer is
/// missing meanwhile.
#[test]
fn a_region_that_is_used_up_is_left_for_another() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let first = regions(world.daemon.id());
    let mut watch = world.watch("web");
    // a large role, which leaves little room for others
    let farm = |last: u8| {
        let all: Vec<String> = (0..4_000)
            .map(|n| format!("10.1.{}.{}", n / 250, n % 250))
            .collect();
        format!("{} 10.2.0.{last}", all.join(" "))
    };
    let mut n = 0;
    wait::until("there is another region", || {
        n = (n + 1) % 250;
        world.redis.hset(HASH, &[("farm", &farm(n as u8))]);
        world.sync(HASH);
        (regions(world.daemon.id()) != first).then_some(())
    });
    let caller = world.caller();
    caller.sees("web", &["10.0.0.5"]);
    world.hset(&[("web", "10.0.0.6")]);
    world.sees("web", &["10.0.0.6"]);
    watch.until(&["10.0.0.6"]);
    let told: BTreeSet<Vec<String>> = watch
        .history()
        .iter()
        .map(|seen| seen.addresses.clone())
        .collect();
    assert_eq!(told.len(), 2, "nothing but the two: {told:?}");
    assert_eq!(regions(world.running().id()), regions(world.daemon.id()));
}

/// A process that may not use the socket reads the file, which does not get stale while the daemon
/// is alive, however short `stale_max` is.
#[test]
fn who_can_not_attach_follows_the_file_as_long_as_the_daemon_lives() {
    let world = World::new()
        .hash(HASH, &[("web", "10.0.0.5")])
        .config("stale_max", quote("3s"))
        .start();
    let variables = [("CLOUDHOSTS_SOCKET", "/run/nobody")];
    let caller = Caller::start_with(world.sandbox.entrance(), &variables);
    caller.sees("web", &["10.0.0.5"]);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(8) {
        assert_eq!(caller.look_up("web").addresses, ["10.0.0.5"]);
        std::thread::sleep(Duration::from_millis(100));
    }
    world.hset(&[("web", "10.0.0.6")]);
    caller.sees("web", &["10.0.0.6"]);
}

/// What stands in Redis is for those who may read Redis: the table has what it means, and the
/// status what is wrong with it.
#[test]
fn no_value_is_told_to_everybody() {
    let mut world = World::with(&[
        ("web", "10.0.0.5 note=s3cret-1 pick=1"),
        ("db", "s3cret-2!"),
        ("mail", "10.0.0.6:s3cret"),
    ]);
    world.daemon.wait_for("three are rejected", |status| {
        status["rejected"]["count"] == 3
    });
    assert!(world.daemon.terminate().success());
    for path in [LAST_GOOD, "/run/cloudhosts/status.json"] {
        let bytes = std::fs::read(world.sandbox.outside(path)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("s3cret"), "{path}");
    }
    let state = world.sandbox.outside(STATE);
    let mode = std::fs::metadata(&state).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&state).unwrap();
    assert!(
        text.contains("s3cret-1"),
        "it is what Redis is compared with: {text}"
    );
    // so that nothing seems to have changed for the next daemon
    world.daemon.start();
    world.daemon.wait_for_state("live");
    world.sees("web", &["10.0.0.5"]);
    assert!(
        !world.daemon.log().contains("s3cret"),
        "{}",
        world.daemon.log()
    );
}

#[test]
fn addresses_are_left_to_others_where_that_is_wanted() {
    let world = World::new()
        .services("cloudhosts files")
        .hash(HASH, &[("web", "10.0.0.5")])
        .config("reverse", "false")
        .start();
    world.sees("web", &["10.0.0.5"]);
    let hosts = world.sandbox.outside("/etc/hosts");
    std::fs::write(hosts, "127.0.0.1 localhost\n10.0.0.5 other.example\n").unwrap();
    assert_eq!(world.caller().by_addr("10.0.0.5").name, "other.example");
    let output = world.cloudhosts(&["resolve", "10.0.0.5"]);
    assert_eq!(output.status.code(), Some(1));
}

/// An upgrade while Redis is away: what the release before has left is answered.
#[test]
fn the_table_of_the_release_before_is_taken_up() {
    const FILE: &[u8] = include_bytes!("../../cached/src/last_good/version_1.table");
    let mut world = World::new()
        .config("hashes", "[\"cloudhosts\", \"base\"]")
        .config("domain", quote("prod.example"))
        .build();
    world.redis.kill();
    std::fs::write(world.sandbox.outside(LAST_GOOD), FILE).unwrap();
    world.daemon.start();
    world.sees("web", &["10.0.0.1"]);
    world.sees("x.apps.internal", &["10.0.0.9"]);
}

/// A table that anybody could have put there is not followed out of the directory.
#[test]
fn a_link_in_place_of_the_state_is_left_aside() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    assert!(world.daemon.terminate().success());
    let state = world.sandbox.outside(STATE);
    std::fs::remove_file(&state).unwrap();
    symlink("/etc/passwd", &state).unwrap();
    world.daemon.start();
    world.daemon.wait_for_state("live");
    world.sees("web", &["10.0.0.5"]);
    assert!(world.daemon.log().contains(STATE), "{}", world.daemon.log());
}

/// How often a process has gone to sleep.
fn sleeps(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("voluntary_ctxt_switches:"));
    let digits = line.and_then(|line| line.split_whitespace().nth(1));
    digits.unwrap().parse().unwrap()
}

#[test]
fn watch_and_export_sleep_until_something_changes() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let out = world.dir.join("watched");
    let hosts = world.dir.join("hosts");
    let program = programs::find(programs::COMMAND);
    let start = |arguments: &[&str]| {
        let mut command = world.sandbox.entrance().background(&program);
        command.args(arguments);
        command
    };
    let mut watch = start(&["watch"]);
    watch.stdout(std::fs::File::create(&out).unwrap());
    let watch = Process::start(watch);
    let export = Process::start(start(&[
        "export",
        "--watch",
        "--output",
        hosts.to_str().unwrap(),
    ]));
    let exported =
        |address: &str| std::fs::read_to_string(&hosts).is_ok_and(|text| text.contains(address));
    wait::until("it is exported", || exported("10.0.0.5").then_some(()));
    for process in [&watch, &export] {
        let before = sleeps(process.id());
        std::thread::sleep(Duration::from_secs(6));
        // whether the daemon lives is checked only when its last heartbeat gets stale
        let slept = sleeps(process.id()) - before;
        assert!(slept <= 4, "woken up {slept} times in 6 s");
    }
    world.hset(&[("web", "10.0.0.6")]);
    wait::until("the change is told", || {
        std::fs::read_to_string(&out)
            .unwrap()
            .contains("10.0.0.5 -> 10.0.0.6")
            .then_some(())
    });
    wait::until("it is exported again", || {
        exported("10.0.0.6").then_some(())
    });
    assert!(stdout(&world.cloudhosts(&["list"])).contains("10.0.0.6"));
}
