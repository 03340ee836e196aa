//! Where members stand.

use cloudhosts_tests::dir::Dir;
use cloudhosts_tests::process::{Signal, stdout};
use cloudhosts_tests::{Redis, World};

use crate::common::{Registry, map};

#[test]
fn members_get_the_zone_of_their_machine_unless_they_say_another() {
    let dir = Dir::new();
    let redis = Redis::builder(dir.join("redis")).start();
    let registry = Registry::with(dir, redis, "zone = 'EU-1a'");
    let join = |member: &str, further: &[&str]| {
        let words = ["join", "web", "--member", member];
        registry.prints(&[&words[..], further].concat());
    };
    join("a", &["10.0.0.1", "pick=1"]);
    join("b", &["10.0.0.2", "--zone", "eu-1b"]);
    join("c", &["10.0.0.3", "--zone", ""]);
    join("d", &["10.0.0.4", "zone=eu-1d"]);
    let joined = map(&[
        ("web/a", "10.0.0.1 pick=1 zone=eu-1a"),
        ("web/b", "10.0.0.2 zone=eu-1b"),
        ("web/c", "10.0.0.3"),
        ("web/d", "10.0.0.4 zone=eu-1d"),
    ]);
    assert_eq!(registry.hash(), joined);
    let mut holder = registry.hold(&["web", "10.0.0.5", "--member", "e"]);
    holder.says("10.0.0.5 zone=eu-1a");
    assert_eq!(registry.hash()["web/e"], "10.0.0.5 zone=eu-1a");
    assert_eq!(holder.end(Signal::TERM), Some(0));
    // who is the only one is that for all zones
    registry.prints(&["claim", "web", "10.0.0.6"]);
    assert_eq!(registry.hash(), map(&[("web", "10.0.0.6")]));
    registry.fails(2, &["join", "web", "10.0.0.1", "--zone", "a b"]);
}

#[test]
fn programs_are_told_the_members_of_the_zone_of_their_machine() {
    let farm = [
        ("web/a", "10.0.0.1 zone=eu-1a"),
        ("web/b", "10.0.0.2 zone=eu-1b"),
    ];
    let world = World::new()
        .hash("cloudhosts", &farm)
        .config("zone", "'eu-1a'")
        .start();
    world.sees("web", &["10.0.0.1"]);
    let explained = stdout(&world.cloudhosts(&["explain", "web"]));
    let line = |address: &str| {
        let mut lines = explained.lines();
        lines.find(|line| line.contains(address)).unwrap()
    };
    let other = "(this machine's zone has members)";
    assert!(line("10.0.0.2").ends_with(other));
    assert!(!line("web/a").ends_with(other));
    world.redis.cli(&["HDEL", "cloudhosts", "web/a"]);
    world.sees("web", &["10.0.0.2"]);
    world.hset(&[("web/c", "10.0.0.3 zone=eu-1a")]);
    world.sees("web", &["10.0.0.3"]);
}
