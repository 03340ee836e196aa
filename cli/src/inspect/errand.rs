//! The command that `watch --exec` runs: one run at a time, and what changes
//! meanwhile is for one next run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::changes::{Change, State};
use super::roles::joined;
use crate::outcome::Plain;

/// Most bytes of a variable; the kernel's limit is 128 KiB (execve(2)).
const MAX_VARIABLE: usize = 64 << 10;

/// After so long a run is said to take long.
const LONG: Duration = Duration::from_secs(60);

/// A command, and what it has yet to be told.
#[derive(Debug)]
pub(super) struct Errand {
    words: Vec<OsString>,
    running: Option<Run>,
    pending: BTreeMap<String, State>,
}

/// A run that has not ended.
#[derive(Debug)]
struct Run {
    child: Child,
    warn_at: Instant,
}

impl Errand {
    /// A command of which nothing runs yet.
    pub(super) fn new(words: &[OsString]) -> Errand {
        Errand {
            words: words.to_vec(),
            running: None,
            pending: BTreeMap::new(),
        }
    }

    /// Notes what the next run is to be told.
    pub(super) fn add(&mut self, changes: &[Change]) {
        let after = changes
            .iter()
            .map(|change| (change.role.clone(), change.after.clone()));
        self.pending.extend(after);
    }

    /// Sees whether a run has ended, and starts the next where there is need.
    pub(super) fn tend(&mut self) {
        if let Some(run) = &mut self.running {
            match run.child.try_wait() {
                Ok(None) => {
                    run.warn(&self.words, self.pending.len());
                    return;
                }
                Ok(Some(status)) if status.success() => {}
                Ok(Some(status)) => eprintln!("cloudhosts: {}: {status}", shown(&self.words)),
                Err(error) => eprintln!("cloudhosts: {}: {error}", shown(&self.words)),
            }
            self.running = None;
        }
        if !self.pending.is_empty() {
            self.running = self.start();
        }
    }

    fn start(&mut self) -> Option<Run> {
        let pending = std::mem::take(&mut self.pending);
        let (program, arguments) = self.words.split_first()?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        for (name, value) in variables(&pending) {
            match value.filter(|value| value.len() <= MAX_VARIABLE) {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        match command.spawn() {
            Ok(child) => Some(Run {
                child,
                warn_at: Instant::now() + LONG,
            }),
            Err(error) => {
                eprintln!("cloudhosts: can't run {}: {error}", shown(&self.words));
                None
            }
        }
    }
}

impl Run {
    fn warn(&mut self, words: &[OsString], waiting: usize) {
        if Instant::now() >= self.warn_at {
            self.warn_at += LONG;
            eprintln!(
                "cloudhosts: {} takes longer than {}; {waiting} changed roles wait for its end",
                shown(words),
                humantime::format_duration(LONG)
            );
        }
    }
}

/// What a run is told: all the roles, and of the first its addresses.
fn variables(pending: &BTreeMap<String, State>) -> [(&'static str, Option<String>); 4] {
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
    Plain(&program.unwrap_or_default()).to_string()
}
