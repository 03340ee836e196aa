//! A command that does not outlive its holder, even where that is killed: nobody
//! would end it then when somebody else comes to hold the role.
//!
//! The kernel sends the signal, but a process can only ask for that itself. So
//! this program is run once more, asks, and becomes the command.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};
use tokio::process::Command;

use crate::escape::Escaped;

/// What this program is called when it is to become a command.
const NAME: &str = "cloudhosts: about to run the command of a holder";

/// A command that leads a process group of its own and dies with this thread.
pub(super) fn command(program: &OsStr) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0(NAME)
        .arg(Pid::as_raw(Some(getpid())).to_string())
        .arg(program)
        .process_group(0);
    command
}

/// Says why a program can't be run; the exit code for that, as env(1) and the
/// shells have it.
pub(super) fn refused(program: &OsStr, error: &io::Error) -> u8 {
    let program = program.to_string_lossy();
    eprintln!("cloudhosts: can't run {}: {error}", Escaped(&program));
    match error.kind() {
        io::ErrorKind::NotFound => 127,
        _ => 126,
    }
}

/// Becomes the command, where that is what this process is for; returns only if
/// that is not so, or fails.
pub(crate) fn become_command() -> Option<ExitCode> {
    let mut words = std::env::args_os();
    if words.next()? != NAME {
        return None;
    }
    let (parent, program) = (words.next()?, words.next()?);
    let asked = set_parent_process_death_signal(Some(Signal::KILL));
    if asked.is_err() || Pid::as_raw(getppid()).to_string().as_str() != parent {
        // It is dead already, and nobody wants the command any more.
        return Some(ExitCode::FAILURE);
    }
    let error = std::process::Command::new(&program).args(words).exec();
    Some(ExitCode::from(refused(&program, &error)))
}
