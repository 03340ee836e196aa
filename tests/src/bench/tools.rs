//! What the run is measured with: two programs in C, and the peers' own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::dir::Dir;
use crate::process::{bounded, run, stdout, succeed};

/// The programs, compiled, as long as this lives.
#[derive(Debug)]
pub struct Tools {
    /// The program that looks up and takes times.
    pub lookups: PathBuf,
    /// The module that answers a constant.
    pub null: PathBuf,
    _directory: Dir,
}

impl Tools {
    /// Compiles them.
    pub fn new() -> Tools {
        let directory = Dir::new();
        let made = |name: &str, source: &str, flags: &[&str]| {
            let (program, code) = (directory.join(name), directory.join(format!("{name}.c")));
            std::fs::write(&code, source).expect("a file of our own");
            let mut compiler = bounded("cc");
            compiler.args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread"]);
            succeed(compiler.args(flags).arg("-o").arg(&program).arg(code));
            program
        };
        Tools {
            lookups: made("lookups", include_str!("../../bench/lookups.c"), &[]),
            null: made(
                "null",
                include_str!("../../bench/null.c"),
                &["-shared", "-fPIC"],
            ),
            _directory: directory,
        }
    }
}

impl Default for Tools {
    fn default() -> Tools {
        Tools::new()
    }
}

/// nscd or Unbound, which `tests/deps.sh bench` unpacks without installing them: their packages would
/// start what caches or answers for the whole machine.
pub fn unpacked(name: &str) -> PathBuf {
    let unpacked = target().join(format!("tools/{name}/usr/sbin/{name}"));
    if unpacked.exists() {
        unpacked
    } else {
        system(name)
    }
}

/// A program of the system's that need not be in everybody's PATH.
pub fn system(name: &str) -> PathBuf {
    Path::new("/usr/sbin").join(name)
}

/// Cargo's `target`, in which `release/bench` runs.
pub fn target() -> PathBuf {
    let us = std::env::current_exe().expect("our own path");
    us.ancestors()
        .nth(2)
        .unwrap_or(Path::new("/"))
        .to_path_buf()
}

/// The first line a command prints, or that there is none.
pub fn version(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> String {
    let mut command = Command::new("timeout");
    let output = run(command.arg("10").arg(program).args(arguments));
    let said = stdout(&output);
    said.lines().next().unwrap_or("unknown").trim().to_owned()
}
