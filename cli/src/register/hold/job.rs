//! The command that runs while a role is held.

use std::ffi::OsString;
use std::future::pending;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};

use super::parent_death;
use super::signals::is_from_keyboard;

/// The command, whether it runs or not.
pub(super) struct Job {
    command: Vec<OsString>,
    /// It leads a process group of its own, so that its descendants can be killed too,
    /// and dies with this process. A terminal's Ctrl-C reaches it through this process only.
    own_group: bool,
    child: Option<Child>,
    stopping: Stopping,
}

/// Whether the command was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopping {
    No,
    /// It was, and will be killed at this moment.
    Until(Instant),
    Killed,
}

/// The end of the command.
#[derive(Debug)]
pub(super) struct JobExit {
    /// Its exit code, as a shell reports it.
    pub(super) code: u8,
    /// Whether it was told to end, by [`Job::stop`].
    pub(super) told_to: bool,
}

/// The command can't be run; the exit code for that.
pub(super) struct NotStarted(pub(super) u8);

impl Job {
    /// A command that does not run yet; there may be none.
    pub(super) fn new(command: Vec<OsString>, own_group: bool) -> Job {
        Job {
            command,
            own_group,
            child: None,
            stopping: Stopping::No,
        }
    }

    /// Whether it runs.
    pub(super) fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Whether it was told to end, and has not yet.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping != Stopping::No
    }

    /// Starts it, unless it runs or there is none.
    ///
    /// # Errors
    /// There is no such program, or it can't be run, which is reported.
    pub(super) fn start(&mut self, environment: Vec<(&str, String)>) -> Result<(), NotStarted> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Ok(());
        };
        if self.is_running() {
            return Ok(());
        }
        let mut command = if self.own_group {
            parent_death::command(program)
        } else {
            Command::new(program)
        };
        command
            .args(arguments)
            .envs(environment)
            // systemd waits for this process, not for the command.
            .env_remove("NOTIFY_SOCKET");
        let started = command
            .spawn()
            .map_err(|error| NotStarted(parent_death::report_not_run(program, &error)));
        self.child = Some(started?);
        Ok(())
    }

    /// Passes a signal on to it, unless the terminal has sent it there as well: Ctrl-C
    /// goes to the whole foreground process group.
    pub(super) fn pass(&self, signal: Signal) {
        if self.own_group || !is_from_keyboard(signal) {
            self.send(signal);
        }
    }

    /// Tells it to end, and kills it at the deadline. An earlier one stays.
    pub(super) fn stop(&mut self, deadline: Instant) {
        self.stopping = match self.stopping {
            _ if !self.is_running() => return,
            Stopping::No => {
                self.send(Signal::TERM);
                Stopping::Until(deadline)
            }
            Stopping::Until(at) => Stopping::Until(at.min(deadline)),
            Stopping::Killed => return,
        };
    }

    /// When it is killed, unless it has ended by then.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.stopping {
            Stopping::Until(deadline) => Some(deadline),
            Stopping::No | Stopping::Killed => None,
        }
    }

    /// Kills it, with what it has started where it leads a group.
    pub(super) fn kill(&mut self) {
        self.stopping = Stopping::Killed;
        match self.pid() {
            Some(pid) if self.own_group => kill_all(pid),
            Some(_) => self.send(Signal::KILL),
            None => {}
        }
    }

    /// Waits until it has exited. What is left of its process group is killed.
    pub(super) async fn ended(&mut self) -> JobExit {
        let pid = self.pid();
        let Some(child) = &mut self.child else {
            return pending().await;
        };
        let code = child.wait().await.map_or(1, code);
        self.child = None;
        if let Some(pid) = pid.filter(|_| self.own_group) {
            kill_all(pid);
        }
        let stopping = std::mem::replace(&mut self.stopping, Stopping::No);
        JobExit {
            code,
            told_to: stopping != Stopping::No,
        }
    }

    fn send(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            // It may have ended this very moment.
            let _ = kill_process(pid, signal);
        }
    }

    fn pid(&self) -> Option<Pid> {
        let id = self.child.as_ref()?.id()?;
        Pid::from_raw(i32::try_from(id).ok()?)
    }
}

/// Kills a process group, whose ID is not reused while one of its processes is left.
fn kill_all(group: Pid) {
    // There may be none left.
    let _ = kill_process_group(group, Signal::KILL);
}

fn code(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        (Some(code), _) => u8::try_from(code).unwrap_or(1),
        (None, Some(signal)) => u8::try_from(128 + signal).unwrap_or(1),
        (None, None) => 1,
    }
}
