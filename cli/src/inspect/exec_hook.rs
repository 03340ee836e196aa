//! The command that `watch --exec` runs: one run at a time; changes in the meantime are
//! batched for the next run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use cloudhosts_config::printable::Escaped;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::changes::{RoleAnswer, RoleChange};
use crate::table_roles::joined;

/// Most bytes of a variable; the kernel's limit is 128 KiB (execve(2)).
const MAX_VARIABLE: usize = 64 << 10;

/// A warning is printed each time a run has taken this long.
const SLOW: Duration = Duration::from_secs(60);

/// A command that a thread runs after changes.
#[derive(Debug)]
pub(super) struct ExecHook {
    changes: Sender<Vec<RoleChange>>,
}

impl ExecHook {
    /// Starts the thread.
    pub(super) fn start(words: &[OsString]) -> ExecHook {
        let (changes, received) = mpsc::channel();
        let words = words.to_vec();
        thread::spawn(move || run_all(&words, &received));
        ExecHook { changes }
    }

    /// Adds changes for the next run.
    pub(super) fn add(&self, changes: Vec<RoleChange>) {
        // The thread lives as long as this program.
        let _ = self.changes.send(changes);
    }
}

/// Runs the command after changes, until the sender is gone.
fn run_all(words: &[OsString], changes: &Receiver<Vec<RoleChange>>) {
    while let Ok(first) = changes.recv() {
        let all = std::iter::once(first).chain(changes.try_iter());
        let all = all.flatten().map(|change| (change.role, change.after));
        let pending: BTreeMap<String, RoleAnswer> = all.collect();
        if pending.is_empty() {
            continue;
        }
        match start(words, &pending).and_then(|mut child| wait(&mut child, words)) {
            Ok(status) if status.success() => {}
            Ok(status) => eprintln!("cloudhosts: {}: {status}", shown(words)),
            Err(error) => eprintln!("cloudhosts: can't run {}: {error}", shown(words)),
        }
    }
}

fn start(words: &[OsString], pending: &BTreeMap<String, RoleAnswer>) -> std::io::Result<Child> {
    let (program, arguments) = words
        .split_first()
        .ok_or(std::io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    for (name, value) in variables(pending) {
        match value.filter(|value| value.len() <= MAX_VARIABLE) {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.spawn()
}

/// Waits until a run exits, and warns each minute.
fn wait(child: &mut Child, words: &[OsString]) -> std::io::Result<ExitStatus> {
    let pid = Pid::from_raw(child.id().cast_signed());
    let running = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    let slow = Timespec::try_from(SLOW).unwrap_or_default();
    // A kernel that is too old for pidfds only costs the warning.
    while let Some(running) = &running {
        let mut ended = [PollFd::new(running, PollFlags::IN)];
        match poll(&mut ended, Some(&slow)) {
            Ok(0) => eprintln!(
                "cloudhosts: {} has been running for more than {}; changes wait until it exits",
                shown(words),
                humantime::format_duration(SLOW)
            ),
            Err(rustix::io::Errno::INTR) => {}
            Ok(_) | Err(_) => break,
        }
    }
    child.wait()
}

/// The environment of a run: all the roles, and the addresses of the first one.
fn variables(pending: &BTreeMap<String, RoleAnswer>) -> [(&'static str, Option<String>); 4] {
    let first = pending.first_key_value();
    let roles: Vec<&String> = pending.keys().collect();
    [
        ("CLOUDHOSTS_ROLE", first.map(|(role, _)| role.clone())),
        (
            "CLOUDHOSTS_ADDRESSES",
            first.map(|(_, state)| joined(&state.addresses)),
        ),
        ("CLOUDHOSTS_ROLES", Some(joined(&roles))),
        ("CLOUDHOSTS_CHANGED", Some(pending.len().to_string())),
    ]
}

fn shown(words: &[OsString]) -> String {
    let program = words.first().map(|word| word.to_string_lossy());
    Escaped(&program.unwrap_or_default()).to_string()
}
