//! The names that cloudhosts mirrors cover the host that it finds its Redis at.
//!
//! On these machines `cloudhosts` stands first on the `hosts:` line, and what Redis's host is really
//! called stands in `/etc/hosts`, as it may be known to DNS elsewhere. Once somebody has written the
//! name into Redis, every program is told an address at which nobody but the test listens.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use cloudhosts_tests::config::{list, quote};
use cloudhosts_tests::nscd::Nscd;
use cloudhosts_tests::process::{Process, stderr, stdout};
use cloudhosts_tests::redis::free_port;
use cloudhosts_tests::sandbox::{HOSTS, Sandbox};
use cloudhosts_tests::world::{HASH, WorldBuilder};
use cloudhosts_tests::{Redis, World, wait};
use serde_json::Value;

/// Where Redis is.
const REDIS: &str = "redis.corp.internal";
/// Where the sentinel is.
const SENTINEL: &str = "sentinel.corp.internal";
/// What is written into Redis in place of the true address.
const ASTRAY: &str = "127.0.0.9";
/// The name under which the sentinel watches the master.
const MASTER: &str = "roles";

/// Listens at the address that the mirrored names lead to.
struct Trap(TcpListener);

impl Trap {
    fn at(port: u16) -> Trap {
        let listener = TcpListener::bind((ASTRAY, port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Trap(listener)
    }

    /// Nobody came here, with a password or without.
    fn is_empty(&self) {
        let visit = self.0.accept().map(|(_, from)| from);
        assert_eq!(visit.unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

/// A world that asks cloudhosts first, with a Redis that is reached over TCP.
fn first() -> (WorldBuilder, u16) {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .tcp()
        .start();
    let port = redis.port();
    let start = start
        .redis(redis)
        .services("cloudhosts files")
        .hash(HASH, &[("web", "10.0.0.1")]);
    (start, port)
}

/// What DNS would know.
fn hosts(sandbox: &Sandbox) {
    let ours = format!("127.0.0.1 {REDIS} {SENTINEL}\n");
    std::fs::write(sandbox.outside("/etc/hosts"), HOSTS.to_owned() + &ours).unwrap();
}

/// The daemon has this address of `web`. Asked of the table: nscd would keep what it knew.
fn knows(world: &World, address: &str) {
    let ask = || stdout(&world.cloudhosts(&["resolve", "web"]));
    let has = |said: &String| said.contains(&format!("{address}\n"));
    wait::until_seen(&format!("web is at {address}"), ask, has);
}

/// With these fields, which cover the hosts of `names`, all goes on: the connection drops, the
/// daemon is restarted over what it wrote to its file, and what mends it gets through.
fn survives(
    start: WorldBuilder,
    fields: &[(&str, &str)],
    names: &[&str],
    traps: &[Trap],
    nscd: bool,
) {
    let mut world = start.build();
    hosts(&world.sandbox);
    let mut nscd = if nscd {
        let Some(nscd) = Nscd::start(&world.sandbox) else {
            return;
        };
        Some(nscd)
    } else {
        None
    };
    world.daemon.start();
    world.daemon.wait_for_state("live");
    world.hset(fields);
    for name in names {
        wait::until(&format!("programs are led astray for {name}"), || {
            nscd.as_ref().map(Nscd::forget);
            (world.caller().by_name(name).addresses == [ASTRAY]).then_some(())
        });
    }

    // the connection drops
    let cut = || world.redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    cut();
    world.hset(&[("web", "10.0.0.2")]);
    knows(&world, "10.0.0.2");
    // the daemon is restarted, and has the names before it is connected
    world.daemon.terminate();
    world.daemon.start();
    world.daemon.wait_for_state("live");
    world.hset(&[("web", "10.0.0.3")]);
    knows(&world, "10.0.0.3");

    // the command, where it talks to Redis
    let claim = world.cloudhosts(&["claim", "web", "10.0.0.4"]);
    assert!(claim.status.success(), "{}", stderr(&claim));
    knows(&world, "10.0.0.4");
    let redis = verdicts(&world, "redis");
    assert!(
        redis.iter().all(|(verdict, _)| verdict == "ok"),
        "{redis:?}"
    );
    let urls = verdicts(&world, "urls");
    for name in names {
        let warns =
            |(verdict, says): &(String, String)| verdict == "warning" && says.contains(name);
        assert!(urls.iter().any(warns), "{name}: {urls:?}");
    }

    // what mends it in Redis gets through
    cut();
    for (field, _) in fields {
        world.redis.cli(&["HDEL", HASH, field]);
    }
    for name in names {
        wait::until(&format!("{name} is mended"), || {
            nscd.as_ref().map(Nscd::forget);
            (world.caller().by_name(name).addresses == ["127.0.0.1"]).then_some(())
        });
    }
    let urls = verdicts(&world, "urls");
    assert!(urls.iter().all(|(verdict, _)| verdict == "ok"), "{urls:?}");
    traps.iter().for_each(Trap::is_empty);
    assert!(nscd.as_mut().is_none_or(Nscd::runs), "nscd has ended");
}

/// What the doctor says of one check.
fn verdicts(world: &World, check: &str) -> Vec<(String, String)> {
    let output = world.cloudhosts(&["doctor", "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let checks = json["checks"].as_array().unwrap().iter();
    let found: Vec<_> = checks
        .filter(|one| one["check"] == check)
        .map(|one| (text(&one["verdict"]), text(&one["says"])))
        .collect();
    assert!(!found.is_empty(), "{json:#}");
    found
}

/// One URL, and these fields.
fn by_url(fields: &[(&str, &str)], domain: &str, nscd: bool) {
    let (start, port) = first();
    let start = start
        .config("domain", quote(domain))
        .config("redis.urls", list(&[&format!("redis://{REDIS}:{port}")]));
    survives(start, fields, &[REDIS], &[Trap::at(port)], nscd);
}

#[test]
fn a_wildcard_over_the_host_of_redis_locks_nobody_out() {
    by_url(&[("*.internal", ASTRAY)], "", false);
}

#[test]
fn a_role_that_is_the_host_of_redis_locks_nobody_out() {
    by_url(&[(REDIS, ASTRAY)], "", false);
}

#[test]
fn a_role_that_is_the_host_of_redis_in_the_domain_locks_nobody_out() {
    by_url(&[("redis", ASTRAY)], "corp.internal", false);
}

#[test]
fn a_wildcard_over_the_host_of_redis_locks_nobody_out_behind_nscd() {
    by_url(&[("*.internal", ASTRAY)], "", true);
}

/// A sentinel in a sandbox without cloudhosts, which names the master by its host.
fn sentinel(directory: &Path, redis: u16, port: u16) -> (Sandbox, Process) {
    std::fs::create_dir_all(directory).unwrap();
    let sandbox = Sandbox::new(directory, "files");
    hosts(&sandbox);
    let config = sandbox.outside("/run/sentinel.conf");
    let text = format!(
        "port {port}\nbind 127.0.0.1\nsentinel resolve-hostnames yes\n\
         sentinel announce-hostnames yes\nsentinel monitor {MASTER} {REDIS} {redis} 1\n"
    );
    std::fs::write(&config, text).unwrap();
    let mut command = sandbox.entrance().background("redis-server");
    command
        .args(["/run/sentinel.conf", "--sentinel"])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    (sandbox, Process::start(command))
}

fn by_sentinel(nscd: bool) {
    let (start, redis) = first();
    let port = free_port();
    let _sentinel = sentinel(&start.directory().join("sentinel"), redis, port);
    let start = start
        .config("redis.sentinel", quote(MASTER))
        .config("redis.urls", list(&[&format!("redis://{SENTINEL}:{port}")]));
    let traps = [Trap::at(redis), Trap::at(port)];
    let fields = [("*.internal", ASTRAY)];
    survives(start, &fields, &[SENTINEL, REDIS], &traps, nscd);
}

#[test]
fn a_wildcard_over_sentinel_and_the_master_it_names_locks_nobody_out() {
    by_sentinel(false);
}

#[test]
fn a_wildcard_over_sentinel_and_the_master_it_names_locks_nobody_out_behind_nscd() {
    by_sentinel(true);
}
