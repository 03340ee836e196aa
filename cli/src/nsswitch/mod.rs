//! `cloudhosts nsswitch`: the word `cloudhosts` on the `hosts:` line of
//! nsswitch.conf(5).
//!
//! - [`hosts`]: the line, read by glibc's rules;
//! - [`edit`]: the word put on and taken off, on bytes;
//! - [`file`]: the file;
//! - [`authselect`]: who else writes that file.

mod authselect;
mod edit;
pub(crate) mod file;

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::escape::Escaped;
use crate::outcome::{Failure, Outcome};
use crate::output::print;
pub(crate) use cloudhosts_nsswitch::hosts;
pub(crate) use edit::HostsLineState;
use file::NsswitchFile;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts nsswitch status\n  \
    cloudhosts nsswitch enable --file /srv/app/etc/nsswitch.conf")]
pub(crate) struct NsswitchArgs {
    /// What to do: put the word on the line, take it off, or say how it stands
    #[arg(value_enum)]
    action: Action,
    /// Another file than /etc/nsswitch.conf (an image's, an authselect profile's)
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Action {
    /// Put cloudhosts right after files, before resolve, mdns and dns
    Enable,
    /// Give back what was there before
    Disable,
    /// Exit 0 where cloudhosts is asked in time, 1 where it is not
    Status,
}

impl HostsLineState {
    /// One word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            HostsLineState::Enabled => "enabled",
            HostsLineState::Misplaced => "misplaced",
            HostsLineState::Absent => "absent",
            HostsLineState::Malformed => "malformed",
        }
    }
}

pub(crate) fn run(args: &NsswitchArgs) -> Result<Outcome, Failure> {
    let path = args.file.as_deref().unwrap_or(Path::new(file::STANDARD));
    let managed = args.file.is_none() && authselect::makes(path);
    let changed = match (args.action, managed) {
        (Action::Status, _) => false,
        (action, false) => change(action, &mut NsswitchFile::read(path)?)?,
        (action, true) => change_user_file(action, path)?,
    };
    let file = NsswitchFile::read(path)?;
    let said = match args.json {
        true => format!("{}\n", as_json(&file, managed, changed)),
        false => as_line(&file, changed),
    };
    print(&said)?;
    match (args.action, file.state()) {
        (Action::Status, HostsLineState::Enabled) | (Action::Enable | Action::Disable, _) => {
            Ok(Outcome::Yes)
        }
        (Action::Status, _) => Ok(Outcome::No),
    }
}

fn change(action: Action, file: &mut NsswitchFile) -> Result<bool, Failure> {
    match action {
        Action::Enable => file.enable(),
        Action::Disable => file.disable(),
        Action::Status => Ok(false),
    }
}

/// Changes what authselect makes nsswitch.conf from, and has it made.
fn change_user_file(action: Action, made: &Path) -> Result<bool, Failure> {
    let wanted = |state| (state == HostsLineState::Enabled) == (action == Action::Enable);
    let before = NsswitchFile::read(made)?.state();
    if action == Action::Disable && before == HostsLineState::Absent {
        return Ok(false);
    }
    let mut user = authselect::user_file()?;
    let changed = change(action, &mut user)?;
    if changed || !wanted(before) {
        authselect::apply()?;
    }
    if wanted(NsswitchFile::read(made)?.state()) {
        return Ok(changed);
    }
    if changed && action == Action::Enable {
        user.disable()?;
    }
    Err(authselect::no_effect())
}

/// The services of the line that counts, as they are written.
pub(crate) fn services(file: &NsswitchFile) -> Option<String> {
    let text = file.text();
    let line = hosts::effective(&text)?;
    let data = String::from_utf8_lossy(text.get(line.data)?);
    Some(data.trim().to_owned())
}

/// Their names alone; none where there is no line, or none that can be read.
fn names(file: &NsswitchFile) -> Option<Vec<String>> {
    let services = hosts::effective(&file.text())?.services.ok()?;
    Some(services.into_iter().map(|service| service.name).collect())
}

fn as_line(file: &NsswitchFile, changed: bool) -> String {
    let path = file.path().display().to_string();
    let state = file.state().word();
    let changed = if changed { " (changed)" } else { "" };
    match services(file) {
        _ if !file.exists() => format!("{state:<13}{}: no such file{changed}\n", Escaped(&path)),
        Some(services) => format!(
            "{state:<13}{}: {}{changed}\n",
            Escaped(&path),
            Escaped(&services)
        ),
        None => format!("{state:<13}{}: no hosts: line{changed}\n", Escaped(&path)),
    }
}

fn as_json(file: &NsswitchFile, managed: bool, changed: bool) -> serde_json::Value {
    json!({
        "file": file.path().to_string_lossy(),
        "exists": file.exists(),
        "state": file.state().word(),
        "hosts": services(file),
        "services": names(file),
        "authselect": managed,
        "changed": changed,
    })
}
