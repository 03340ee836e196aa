//! `cloudhosts nsswitch`: the word `cloudhosts` on the `hosts:` line of
//! nsswitch.conf(5).
//!
//! - [`hosts`]: the line, read by glibc's rules;
//! - [`edit`]: the word put on and taken off, on bytes;
//! - [`place`]: the file;
//! - [`authselect`]: who else writes that file.

mod authselect;
mod edit;
pub(crate) mod place;

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::outcome::{Failure, Outcome, Plain, print};
pub(crate) use cloudhosts_nsswitch::hosts;
pub(crate) use edit::State;
use place::Place;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts nsswitch status\n  \
    cloudhosts nsswitch enable --file /srv/app/etc/nsswitch.conf")]
pub(crate) struct Arguments {
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

impl State {
    /// One word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            State::Enabled => "enabled",
            State::Misplaced => "misplaced",
            State::Absent => "absent",
            State::Malformed => "malformed",
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let path = arguments
        .file
        .as_deref()
        .unwrap_or(Path::new(place::STANDARD));
    let managed = arguments.file.is_none() && authselect::makes(path);
    let changed = match (arguments.action, managed) {
        (Action::Status, _) => false,
        (action, false) => change(action, &mut Place::read(path)?)?,
        (action, true) => change_user_file(action, path)?,
    };
    let place = Place::read(path)?;
    let said = match arguments.json {
        true => format!("{}\n", as_json(&place, managed, changed)),
        false => as_line(&place, changed),
    };
    print(&said)?;
    match (arguments.action, place.state()) {
        (Action::Status, State::Enabled) | (Action::Enable | Action::Disable, _) => {
            Ok(Outcome::Yes)
        }
        (Action::Status, _) => Ok(Outcome::No),
    }
}

fn change(action: Action, place: &mut Place) -> Result<bool, Failure> {
    match action {
        Action::Enable => place.enable(),
        Action::Disable => place.disable(),
        Action::Status => Ok(false),
    }
}

/// Changes what authselect makes nsswitch.conf from, and has it made.
fn change_user_file(action: Action, made: &Path) -> Result<bool, Failure> {
    let wanted = |state| (state == State::Enabled) == (action == Action::Enable);
    let before = Place::read(made)?.state();
    if action == Action::Disable && before == State::Absent {
        return Ok(false);
    }
    let mut user = authselect::user_file()?;
    let changed = change(action, &mut user)?;
    if changed || !wanted(before) {
        authselect::apply()?;
    }
    if wanted(Place::read(made)?.state()) {
        return Ok(changed);
    }
    if changed && action == Action::Enable {
        user.disable()?;
    }
    Err(authselect::no_effect())
}

/// The services of the line that counts, as they are written.
pub(crate) fn services(place: &Place) -> Option<String> {
    let text = place.text();
    let line = hosts::effective(&text)?;
    let data = String::from_utf8_lossy(text.get(line.data)?);
    Some(data.trim().to_owned())
}

/// Their names alone; none where there is no line, or none that can be read.
fn names(place: &Place) -> Option<Vec<String>> {
    let services = hosts::effective(&place.text())?.services.ok()?;
    Some(services.into_iter().map(|service| service.name).collect())
}

fn as_line(place: &Place, changed: bool) -> String {
    let path = place.path().display().to_string();
    let state = place.state().word();
    let changed = if changed { " (changed)" } else { "" };
    match services(place) {
        _ if !place.exists() => format!("{state:<13}{}: no such file{changed}\n", Plain(&path)),
        Some(services) => format!(
            "{state:<13}{}: {}{changed}\n",
            Plain(&path),
            Plain(&services)
        ),
        None => format!("{state:<13}{}: no hosts: line{changed}\n", Plain(&path)),
    }
}

fn as_json(place: &Place, managed: bool, changed: bool) -> serde_json::Value {
    json!({
        "file": place.path().to_string_lossy(),
        "exists": place.exists(),
        "state": place.state().word(),
        "hosts": services(place),
        "services": names(place),
        "authselect": managed,
        "changed": changed,
    })
}
