//! The verbs that look at what the daemon leaves on this machine. None of them
//! needs Redis; [`doctor`], and whoever asks who [`holdings`] a role, visit it.

mod changes;
mod doctor;
mod exec_hook;
mod explain;
mod export;
mod fix_command;
mod formats;
mod holdings;
mod lint;
mod list;
mod nss_context;
mod preserved_lines;
mod resolve;
mod status;
mod table_watcher;
mod watch;

use cloudhosts_registry::config::{Config, ConfigError};

use crate::outcome::{Failure, Outcome};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum InspectCommand {
    /// Say how the daemon is; exit 0 when it is live, 1 when it is not
    Status(status::StatusArgs),
    /// Look a name or an address up as every program on this machine does
    Resolve(resolve::ResolveArgs),
    /// List the roles with their addresses, members and pointers
    List(list::ListArgs),
    /// Say why a name answers what it does
    Explain(explain::ExplainArgs),
    /// List what in Redis can't be used, and how to mend it; exit 1 if anything
    Lint(lint::LintArgs),
    /// Print a line for each change, as it is published
    Watch(watch::WatchArgs),
    /// Write the roles as a file, for software that only reads files
    Export(export::ExportArgs),
    /// Walk the whole way from a program to Redis, and say what is wrong on it
    Doctor(doctor::DoctorArgs),
}

pub(crate) fn run(
    command: &InspectCommand,
    config: Result<Config, ConfigError>,
) -> Result<Outcome, Failure> {
    // A configuration that can't be read is one of the things the doctor finds.
    if let InspectCommand::Doctor(args) = command {
        return doctor::run(args, config);
    }
    let config = config.map_err(|error| Failure::Usage(error.to_string()))?;
    match command {
        InspectCommand::Status(args) => status::run(args, &config),
        InspectCommand::Resolve(args) => resolve::run(args, &config),
        InspectCommand::List(args) => list::run(args, &config),
        InspectCommand::Explain(args) => explain::run(args, &config),
        InspectCommand::Lint(args) => lint::run(args, &config),
        InspectCommand::Watch(args) => watch::run(args, &config),
        InspectCommand::Export(args) => export::run(args, &config),
        InspectCommand::Doctor(args) => doctor::run(args, Ok(config)),
    }
}
