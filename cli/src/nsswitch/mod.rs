//! `cloudhosts nsswitch`: the word `cloudhosts` on the `hosts:` line of
//! nsswitch.conf(5).
//!
//! - [`hosts`]: the line, parsed by glibc's rules;
//! - [`edit`]: adding and removing the word, on bytes;
//! - [`file`](mod@file): the file;
//! - [`authselect`]: a generator of that file.

mod authselect;
mod edit;
pub(crate) mod file;

use std::path::{Path, PathBuf};

use cloudhosts_config::printable::Escaped;
pub(crate) use cloudhosts_nsswitch::hosts;
pub(crate) use edit::HostsLineState;
use file::NsswitchFile;
use serde_json::json;

use crate::outcome::{Failure, Outcome};
use crate::output::print;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts nsswitch status\n  \
    cloudhosts nsswitch enable --file /srv/app/etc/nsswitch.conf")]
pub(crate) struct NsswitchArgs {
    /// Action
    #[arg(value_enum)]
    action: Action,
    /// File to use instead of /etc/nsswitch.conf (of an image or an authselect profile)
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Action {
    /// Add cloudhosts after files, before resolve, mdns, dns and sss
    Enable,
    /// Remove it, restoring the file
    Disable,
    /// Show the state; exit 0 if cloudhosts is enabled, else 1
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
    let managed = args.file.is_none() && authselect::generates(path);
    let changed = match (args.action, managed) {
        (Action::Status, _) => false,
        (action, false) => change(action, &mut NsswitchFile::read(path)?)?,
        (action, true) => change_user_file(action, path)?,
    };
    let file = NsswitchFile::read(path)?;
    let text = if args.json {
        format!("{}\n", as_json(&file, managed, changed))
    } else {
        as_line(&file, changed)
    };
    print(&text)?;
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

/// Changes the user file of authselect, and generates nsswitch.conf from it.
fn change_user_file(action: Action, generated: &Path) -> Result<bool, Failure> {
    let wanted = |state| (state == HostsLineState::Enabled) == (action == Action::Enable);
    let before = NsswitchFile::read(generated)?.state();
    if action == Action::Disable && before == HostsLineState::Absent {
        return Ok(false);
    }
    let mut user = authselect::user_file()?;
    let changed = change(action, &mut user)?;
    if changed || !wanted(before) {
        authselect::apply()?;
    }
    if wanted(NsswitchFile::read(generated)?.state()) {
        return Ok(changed);
    }
    if changed && action == Action::Enable {
        user.disable()?;
    }
    Err(authselect::no_effect())
}

/// The services of the effective line, as written.
pub(crate) fn services(file: &NsswitchFile) -> Option<String> {
    let text = file.text();
    let line = hosts::effective(&text)?;
    let data = String::from_utf8_lossy(text.get(line.data)?);
    Some(data.trim().to_owned())
}

/// Their names; none where there is no line, or it is malformed.
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
