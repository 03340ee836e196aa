//! A command that does not outlive its holder, even one that is killed: nobody would
//! stop it when another machine acquires the role.
//!
//! The kernel sends the signal (PR_SET_PDEATHSIG), but only to a process that asked for it
//! itself. So this program is run once more, asks for it, and executes the command.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use cloudhosts_config::printable::Escaped;
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};
use tokio::process::Command;

/// The name (`argv[0]`) that makes this program execute a command.
const NAME: &str = "cloudhosts: about to run the command of a holder";

/// A command that leads its own process group and dies with this thread.
pub(super) fn command(program: &OsStr) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0(NAME)
        .arg(Pid::as_raw(Some(getpid())).to_string())
        .arg(program)
        .process_group(0);
    command
}

/// Reports why a program can't be run. Returns the exit code for that, as in env(1)
/// and shells.
pub(super) fn report_not_run(program: &OsStr, error: &io::Error) -> u8 {
    let program = program.to_string_lossy();
    eprintln!("cloudhosts: can't run {}: {error}", Escaped(&program));
    match error.kind() {
        io::ErrorKind::NotFound => 127,
        _ => 126,
    }
}

/// Executes the command, where this process was started for that. Returns only if it
/// was not, or if that fails.
pub(crate) fn become_command() -> Option<ExitCode> {
    let mut words = std::env::args_os();
    if words.next()? != NAME {
        return None;
    }
    let (parent, program) = (words.next()?, words.next()?);
    let asked = set_parent_process_death_signal(Some(Signal::KILL));
    if asked.is_err() || Pid::as_raw(getppid()).to_string().as_str() != parent {
        // The holder is dead already, so the command is not wanted any more.
        return Some(ExitCode::FAILURE);
    }
    let error = std::process::Command::new(&program).args(words).exec();
    Some(ExitCode::from(report_not_run(&program, &error)))
}
