//! What `make demo` shows is true, and it needs no root.

use std::fs::{create_dir, read, read_dir};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use cloudhosts_tests::dir::Dir;
use cloudhosts_tests::process::{Process, Signal, bounded, run, stderr, stdout};
use cloudhosts_tests::programs::{COMMAND, DAEMON, MODULE, find, install};
use cloudhosts_tests::wait;

/// The demonstration and what it shows, where everyone can read it.
fn copied() -> Dir {
    let dir = Dir::new();
    for name in [DAEMON, COMMAND, MODULE] {
        install(&find(name), &dir.join(name));
    }
    install(Path::new(env!("CARGO_BIN_EXE_demo")), &dir.join("demo"));
    dir
}

/// What is in our PATH, in one directory that everyone may enter: a home need not be one.
fn for_everyone(dir: &Dir) -> PathBuf {
    let all = dir.join("programs");
    create_dir(&all).unwrap();
    for directory in std::env::split_paths(&std::env::var_os("PATH").unwrap()) {
        for entry in read_dir(directory).into_iter().flatten().flatten() {
            if let Ok(program) = entry.path().canonicalize() {
                // of two with the same name the first is meant, as in a PATH
                let _ = symlink(program, all.join(entry.file_name()));
            }
        }
    }
    all
}

fn succeeds(command: &mut Command, dir: &Dir) {
    let hosts = read("/etc/hosts").unwrap();
    let output = run(command.env("CLOUDHOSTS_PROGRAMS", dir.path()));
    let said = stdout(&output);
    assert!(output.status.success(), "{said}{}", stderr(&output));
    assert!(said.contains("as it was, byte for byte"), "{said}");
    assert!(!said.contains('\u{1b}'), "no colours but on a terminal");
    assert!(
        said.lines().count() <= 48,
        "two screens of 24 lines at most"
    );
    assert!(
        said.lines().all(|line| line.chars().count() <= 80),
        "{said}"
    );
    assert_eq!(read("/etc/hosts").unwrap(), hosts);
    let (_, place) = said.split_once("All in ").unwrap();
    let (place, _) = place.split_once(':').unwrap();
    let place = Path::new(place);
    wait::until("it is cleaned up", || (!place.exists()).then_some(()));
}

#[test]
fn the_demonstration_succeeds() {
    let dir = copied();
    succeeds(&mut bounded(dir.join("demo")), &dir);
}

#[test]
fn the_demonstration_needs_no_root() {
    let dir = copied();
    let mut command = bounded("setpriv");
    // nobody's numbers on every Linux; where we are not root already there is nothing to give up
    if rustix::process::geteuid().is_root() {
        command.args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--no-new-privs",
        ]);
    }
    command.env("PATH", for_everyone(&dir));
    succeeds(command.arg("--").arg(dir.join("demo")), &dir);
}

#[test]
fn an_interrupted_demonstration_leaves_nothing_behind() {
    let dir = copied();
    let mut command = Command::new(dir.join("demo"));
    command
        .env("CLOUDHOSTS_PROGRAMS", dir.path())
        .stdout(std::process::Stdio::null());
    let mut demo = Process::start(command);
    let prefix = format!("cloudhosts-{:x}-", demo.id());
    let left = || {
        let names = read_dir("/tmp")
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with(&prefix))
            .count()
    };
    wait::until("it has begun", || (left() > 0).then_some(()));
    demo.signal(Signal::INT);
    demo.wait();
    wait::until("it is cleaned up", || (left() == 0).then_some(()));
}
