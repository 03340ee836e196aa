//! `last-good.table`, and what keeps the daemon from writing it.

use std::fs;
use std::path::Path;

use cloudhosts_tests::process::{stdout, succeed};
use cloudhosts_tests::{World, wait};
use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

use super::examine;

const STATE: &str = "/var/lib/cloudhosts";

/// Runs a program in the world, to its end.
fn inside(world: &World, words: &[&str]) {
    let mut command = world.sandbox.entrance().command(words[0]);
    succeed(command.args(&words[1..]));
}

/// Makes a change that is to be written, and waits until the daemon says that it can't be, by that
/// code; so do the doctor and the status then, as long as it is so.
fn is_unwritten(world: &World, code: &str) {
    world.hset(&[("web", &format!("10.0.1.{}", code.len()))]);
    let seen = world
        .daemon
        .wait_for(code, |status| status["unwritten"]["code"] == code);
    let path = seen["unwritten"]["path"].as_str().unwrap();
    assert!(path.starts_with(STATE), "{seen:#}");
    assert_eq!(seen["state"], "live", "it serves all the same");
    let examined = examine(world);
    assert!(
        examined.codes("file").contains(&code),
        "{:#}",
        examined.json
    );
    assert_eq!(examined.code, 1);
    assert!(examined.evidence("file", code).contains(path));
    assert_ne!(examined.remedy("file", code), "");
    let status = world.cloudhosts(&["status"]);
    let said = stdout(&status);
    assert!(said.contains(path), "{said}");
}

fn heals(world: &World) {
    world
        .daemon
        .wait_for("it is written", |status| status["unwritten"].is_null());
    examine(world).is("file", &["ok"]);
}

/// A world whose state is in a file system of its own.
fn apart(options: &str) -> World {
    let world = World::new()
        .hash("cloudhosts", &[("web", "10.0.0.5")])
        .build();
    let options = format!("{options},mode=755");
    inside(
        &world,
        &["mount", "-n", "-t", "tmpfs", "-o", &options, "none", STATE],
    );
    world
}

#[test]
fn a_full_disk_is_told_as_long_as_it_is_full() {
    let mut world = apart("size=64k");
    world.daemon.start();
    world.daemon.wait_for_state("live");
    let commands: String = (0..3_000)
        .map(|n| format!("HSET cloudhosts bulk-{n} 10.1.{}.{}\n", n / 256, n % 256))
        .collect();
    world.redis.pipeline(&commands);
    is_unwritten(&world, "full");
    let since = world.daemon.status()["unwritten"]["since"].clone();
    is_unwritten(&world, "full");
    assert_eq!(world.daemon.status()["unwritten"]["since"], since);
    inside(&world, &["mount", "-n", "-o", "remount,size=16m", STATE]);
    heals(&world);
}

#[test]
fn a_read_only_file_system_is_told_and_where_it_is_mounted() {
    let mut world = apart("size=16m");
    world.daemon.start();
    world.daemon.wait_for_state("live");
    inside(&world, &["mount", "-n", "-o", "remount,ro", STATE]);
    is_unwritten(&world, "read-only");
    let examined = examine(&world);
    let remedy = examined.remedy("file", "read-only");
    assert_eq!(remedy, format!("run: mount -o remount,rw {STATE}"));
    inside(&world, &["mount", "-n", "-o", "remount,rw", STATE]);
    heals(&world);
}

/// Makes a directory immutable, or what it was; false where its file system knows no such thing.
fn set_immutable(path: &Path, immutable: bool) -> bool {
    let directory = fs::File::open(path).unwrap();
    let Ok(mut flags) = ioctl_getflags(&directory) else {
        return false;
    };
    flags.set(IFlags::IMMUTABLE, immutable);
    ioctl_setflags(&directory, flags).is_ok()
}

#[test]
fn an_immutable_directory_is_told() {
    let world = World::with(&[("web", "10.0.0.5")]);
    world.sees("web", &["10.0.0.5"]);
    let state = world.sandbox.outside(&format!("{STATE}/x"));
    let state = state.parent().unwrap();
    if !set_immutable(state, true) {
        eprintln!("skipped: nothing can be made immutable here");
        return;
    }
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        is_unwritten(&world, "immutable");
    }));
    // before anything else: nobody can remove it
    assert!(set_immutable(state, false));
    told.unwrap();
    heals(&world);
}

#[test]
fn something_in_the_way_is_told() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let file = world.sandbox.outside("/var/lib/cloudhosts/last-good.table");
    wait::until("the file is there", || file.exists().then_some(()));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    is_unwritten(&world, "in-the-way");
    fs::remove_dir(&file).unwrap();
    heals(&world);
}

#[test]
fn a_directory_that_is_not_there_is_told() {
    let mut world = World::new()
        .hash("cloudhosts", &[("web", "10.0.0.5")])
        .build();
    world.daemon.start();
    world.daemon.wait_for_state("live");
    let state = world.sandbox.outside("/var/lib/cloudhosts");
    fs::rename(&state, world.dir.join("aside")).unwrap();
    is_unwritten(&world, "no-directory");
    fs::rename(world.dir.join("aside"), &state).unwrap();
    heals(&world);
}

#[test]
fn damage_is_named_with_and_without_a_daemon() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    world.sees("web", &["10.0.0.5"]);
    let file = world.sandbox.outside("/var/lib/cloudhosts/last-good.table");
    wait::until("the file is there", || file.exists().then_some(()));
    examine(&world).is("file", &["ok"]);
    let good = fs::read(&file).unwrap();
    let mut bad = good.clone();
    bad[good.len() - 9] ^= 4;
    fs::write(&file, &bad).unwrap();
    let examined = examine(&world);
    examined.is("file", &["damaged"]);
    assert!(examined.remedy("file", "damaged").contains("restart"));
    world.daemon.kill();
    fs::write(&file, &good[..good.len() / 2]).unwrap();
    let examined = examine(&world);
    examined.is("file", &["damaged"]);
    // one cause, one command for both
    let start = examined.remedy("socket", "no-daemon");
    assert_eq!(examined.remedy("file", "damaged"), start);
    world.daemon.start();
    world.daemon.wait_for_state("live");
    wait::until("it is written anew", || {
        (examine(&world).codes("file") == ["ok"]).then_some(())
    });
    fs::remove_file(&file).unwrap();
    examine(&world).is("file", &["missing"]);
}
