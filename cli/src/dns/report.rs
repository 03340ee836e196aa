//! What was found or done, for people and for programs.

use std::path::PathBuf;

use cloudhosts_config::printable::Escaped;
use cloudhosts_table::Name;
use serde_json::{Value, json};

use super::drop_in::{DropIn, Route, State};
use super::in_use::Evidence;
use super::resolver::Resolver;
use crate::output::LabelledLines;
use crate::table_roles::joined;

/// What was found or done.
#[derive(Debug)]
pub(super) struct Report {
    /// The resolver that it is about.
    pub(super) resolver: Option<(Resolver, Evidence)>,
    /// Why it can't be told which resolver programs ask.
    pub(super) unknown: Option<String>,
    /// What is asked of cloudhosts-dns, where the configuration says.
    pub(super) route: Option<Route>,
    /// The files: that of the resolver first.
    pub(super) files: Vec<FileReport>,
}

/// One file.
#[derive(Debug)]
pub(super) struct FileReport {
    resolver: Resolver,
    path: PathBuf,
    state: State,
    /// Whether this call has changed it.
    changed: bool,
}

impl FileReport {
    pub(super) fn of(drop_in: &DropIn, route: Option<&Route>, changed: bool) -> FileReport {
        FileReport {
            resolver: drop_in.kind().resolver(),
            path: drop_in.path().to_owned(),
            state: drop_in.state(route),
            changed,
        }
    }

    fn as_json(&self) -> Value {
        json!({
            "resolver": self.resolver.word(),
            "file": self.path.to_string_lossy(),
            "state": self.state.word(),
            "changed": self.changed,
        })
    }
}

impl Report {
    /// The state of the resolver that it is about.
    pub(super) fn state(&self) -> State {
        let (Some(_), Some(file)) = (self.resolver, self.files.first()) else {
            return State::Absent;
        };
        file.state
    }

    /// The commands after which what was changed has an effect.
    pub(super) fn commands(&self) -> Vec<&'static str> {
        let changed = self.files.iter().filter(|file| file.changed);
        let mut commands: Vec<&str> = changed.map(|file| file.resolver.apply()).collect();
        commands.dedup();
        commands
    }

    pub(super) fn as_lines(&self) -> String {
        let mut lines = LabelledLines::default();
        if let Some((resolver, evidence)) = &self.resolver {
            lines.add("resolver", format_args!("{}, {evidence}", resolver.word()));
        }
        if let Some(why) = &self.unknown {
            lines.add("resolver", format_args!("unknown: {}", Escaped(why)));
        }
        for file in &self.files {
            let path = file.path.display().to_string();
            let changed = if file.changed { " (changed)" } else { "" };
            lines.add(
                file.state.word(),
                format_args!("{}{changed}", Escaped(&path)),
            );
        }
        if self.files.is_empty() {
            lines.add(State::Absent.word(), "no resolver asks cloudhosts-dns");
        }
        if let Some(route) = &self.route {
            lines.add("zones", joined(&route.zones));
            lines.add("server", route.server);
        }
        for command in self.commands() {
            lines.add("now run", command);
        }
        lines.0
    }

    pub(super) fn as_json(&self) -> Value {
        let route = self.route.as_ref();
        let zones = route.map(|route| route.zones.iter().map(Name::as_str).collect::<Vec<_>>());
        json!({
            "resolver": self.resolver.map(|(resolver, _)| resolver.word()),
            "found_by": self.resolver.map(|(_, evidence)| evidence.word()),
            "state": self.state().word(),
            "zones": zones.unwrap_or_default(),
            "server": route.map(|route| route.server.to_string()),
            "files": self.files.iter().map(FileReport::as_json).collect::<Vec<_>>(),
            "changed": self.files.iter().any(|file| file.changed),
            "run": self.commands(),
        })
    }
}
