//! A sandbox with a publisher in it, and the C programs, compiled.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cloudhosts_tests::dir::Dir;
use cloudhosts_tests::process::{bounded, run, stderr, stdout, succeed};
use cloudhosts_tests::sandbox::{FILES_THEN_CLOUDHOSTS, Sandbox};
use serde_json::Value;

use crate::publisher::{Pace, Publisher};
use crate::soak;

/// The daemon's socket, inside.
pub const SOCKET: &str = "/run/cloudhosts/cached.sock";
/// What processes start from that cannot wait for the daemon.
pub const LAST_GOOD: &str = "/var/lib/cloudhosts/last-good.table";

/// Where all of it happens. What is listed first ends first.
pub struct Place {
    pub publisher: Publisher,
    pub sandbox: Sandbox,
    pub dir: Dir,
}

impl Place {
    pub fn new(pace: Pace) -> Place {
        Place::with_services(FILES_THEN_CLOUDHOSTS, pace)
    }

    pub fn with_services(services: &str, pace: Pace) -> Place {
        let dir = Dir::new();
        let sandbox = Sandbox::new(dir.path(), services);
        // on a busy machine the publisher may not be quick enough for a process that starts
        let file = sandbox.outside(LAST_GOOD);
        std::fs::write(file, crate::publisher::file(pace)).unwrap();
        let publisher = Publisher::start(&sandbox.outside(SOCKET), pace);
        Place {
            publisher,
            sandbox,
            dir,
        }
    }

    /// Without the file that a process starts from which reaches no daemon.
    pub fn without_file(self) -> Place {
        std::fs::remove_file(self.sandbox.outside(LAST_GOOD)).unwrap();
        self
    }

    /// Compiles `callers/NAME.c` into this place.
    pub fn compile(&self, name: &str, flags: &[&str]) -> PathBuf {
        compile(name, flags, &self.dir.join(name))
    }

    /// A command inside; it is killed when it takes too long.
    pub fn command(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.entrance().command(program);
        command.args(arguments);
        command
    }

    /// Compiles a program and runs it inside; it must succeed, and print an object of JSON.
    pub fn report(&self, name: &str, arguments: &[&str]) -> Value {
        let text = self.prints(name, arguments);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Compiles a program and runs it inside; it must succeed.
    pub fn prints(&self, name: &str, arguments: &[&str]) -> String {
        let program = self.compile(name, &[]);
        // the long forms may take longer than the harness gives a command
        let mut command = self.sandbox.entrance().background("timeout");
        command.args(["--foreground", "-s", "KILL", soak("120", "1200")]);
        succeed(command.arg(program).args(arguments))
    }
}

/// Compiles `callers/NAME.c`.
///
/// # Panics
/// When it cannot be compiled.
pub fn compile(name: &str, flags: &[&str], to: &Path) -> PathBuf {
    let output = try_compile(name, flags, to);
    assert!(output.status.success(), "{}", stderr(&output));
    to.to_path_buf()
}

/// Compiles it, if that can be done here.
pub fn try_compile(name: &str, flags: &[&str], to: &Path) -> Output {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("callers")
        .join(name)
        .with_extension("c");
    let mut compiler = bounded("cc");
    compiler.args([
        "-std=c11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-pthread",
    ]);
    run(compiler.args(flags).arg("-o").arg(to).arg(source))
}

/// The lines of what a successful command printed.
pub fn lines(command: &mut Command) -> Vec<String> {
    let output = run(command);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        stderr(&output)
    );
    stdout(&output).lines().map(str::to_owned).collect()
}

/// One number of a report.
pub fn number(report: &Value, path: &str) -> i64 {
    let found = report.pointer(path).and_then(Value::as_i64);
    found.unwrap_or_else(|| panic!("no {path} in {report}"))
}
