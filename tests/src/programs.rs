//! Where the built programs are.

use std::path::{Path, PathBuf};

use crate::process::{bounded, succeed};

/// The daemon.
pub const DAEMON: &str = "cloudhosts-cached";
/// The DNS server.
pub const DNS: &str = "cloudhosts-dns";
/// The gateway.
pub const GATEWAY: &str = "cloudhosts-gateway";
/// The command.
pub const COMMAND: &str = "cloudhosts";
/// The module, as cargo names it.
pub const MODULE: &str = "libnss_cloudhosts.so";

/// The path of a built program or library.
///
/// # Panics
/// When it has not been built.
pub fn find(name: &str) -> PathBuf {
    let path = directory().join(name);
    assert!(
        path.exists(),
        "{}: not built; `make test` and `make demo` build it, or `cargo build --workspace`",
        path.display()
    );
    path.canonicalize().expect("it exists")
}

/// nscd: the one that `CLOUDHOSTS_NSCD` names, the one that `tests/deps.sh` unpacked into
/// `target/tools`, or that of the machine. None where there is none.
pub fn nscd() -> Option<PathBuf> {
    let given = std::env::var_os("CLOUDHOSTS_NSCD").map(PathBuf::from);
    let programs = directory();
    let unpacked = programs
        .parent()
        .map(|target| target.join("tools/nscd/usr/sbin/nscd"));
    let installed = ["/usr/sbin/nscd", "/sbin/nscd"].map(PathBuf::from);
    given
        .into_iter()
        .chain(unpacked)
        .chain(installed)
        .find(|path| path.exists())
}

/// Puts a copy of a program where it can be run.
///
/// Another process writes it: a file that this one has open for writing, another thread's child
/// has open too until its exec, and what is open for writing can't be run (ETXTBSY, execve(2)).
pub fn install(from: &Path, to: &Path) {
    succeed(
        bounded("install")
            .args(["-m", "755", "--"])
            .args([from, to]),
    );
}

fn directory() -> PathBuf {
    match std::env::var_os("CLOUDHOSTS_PROGRAMS") {
        Some(given) => PathBuf::from(given),
        None => beside_us(),
    }
}

/// `target/PROFILE`, where `target/PROFILE/deps/some_test` or `target/PROFILE/demo` runs.
fn beside_us() -> PathBuf {
    let us = std::env::current_exe().expect("our own path");
    let directory = us.parent().expect("a file is in a directory");
    if directory.ends_with("deps") {
        directory.parent().unwrap_or(Path::new("/")).to_path_buf()
    } else {
        directory.to_path_buf()
    }
}
