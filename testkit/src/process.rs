//! Children that never outlive us, and commands that cannot hang.

use std::ffi::OsStr;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

use crate::wait;

/// Seconds after which a command that should have ended is killed (exit status 137).
const COMMAND_LIMIT: &str = "120";

/// Goes before a program and its arguments so that it dies with us, even when we are killed.
///
/// `setpriv` asks the kernel for it; the shell then sees that we did not die before that.
pub fn mortal_words() -> [String; 8] {
    const STILL_OURS: &str = r#"[ "$PPID" = "$0" ] && exec "$@""#;
    let us = std::process::id().to_string();
    [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "--",
        "sh",
        "-c",
        STILL_OURS,
        &us,
    ]
    .map(str::to_owned)
}

/// A command that dies with us.
pub fn mortal(program: impl AsRef<OsStr>) -> Command {
    let [first, rest @ ..] = mortal_words();
    let mut command = Command::new(first);
    command.args(rest).arg(program);
    command
}

/// A command that is killed when it takes too long.
pub fn bounded(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--foreground", "-s", "KILL", COMMAND_LIMIT])
        .arg(program);
    command
}

/// Runs a command to its end. It need not succeed.
pub fn run(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"))
}

/// Runs a command that must succeed; its standard output.
pub fn succeed(command: &mut Command) -> String {
    let output = run(command);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        stdout(&output),
        stderr(&output),
    );
    stdout(&output)
}

/// What a command wrote to its standard output.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a command wrote to its standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A child in the background, killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts it.
    ///
    /// The kernel counts the death of the *thread* that started a child as its parent's, and each
    /// test is a thread, so one thread that lives as long as we do starts them all.
    pub fn start(command: Command) -> Process {
        type Request = (Command, Sender<std::io::Result<Child>>);
        static NURSERY: OnceLock<Sender<Request>> = OnceLock::new();
        let nursery = NURSERY.get_or_init(|| {
            let (requests, inbox) = channel::<Request>();
            std::thread::spawn(move || {
                for (mut command, reply) in inbox {
                    let _ = reply.send(command.spawn());
                }
            });
            requests
        });
        let shown = format!("{command:?}");
        let (reply, answer) = channel();
        nursery.send((command, reply)).expect("the nursery lives");
        let child = answer
            .recv()
            .expect("the nursery answers")
            .unwrap_or_else(|error| panic!("{shown} does not start: {error}"));
        Process { child, ended: None }
    }

    /// Its pipes, where it was started with some.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal. One that has ended is left alone.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            let id = i32::try_from(self.child.id()).expect("a process id");
            let id = Pid::from_raw(id).expect("a process id");
            // it may end at this very moment
            let _ = kill_process(id, signal);
        }
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("our own child");
        }
        self.ended
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let what = format!("process {} ends", self.id());
        wait::until(&what, || self.ended())
    }

    /// SIGKILL, and waits.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
