//! The subcommands that show what the daemon leaves on this machine. They do not need
//! Redis; [`doctor`], [`lint`] and [`holdings`] ask it for more.

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
mod status_metrics;
mod table_watcher;
mod watch;

use cloudhosts_config::{Config, ConfigError};

use crate::outcome::{Failure, Outcome};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum InspectCommand {
    /// Show the state of the daemon; exit 0 if it is live, else 1
    Status(status::StatusArgs),
    /// Look up a name or an address in the table, as the NSS module does
    Resolve(resolve::ResolveArgs),
    /// List the roles with their addresses, members and pointers
    List(list::ListArgs),
    /// Explain why a name or an address resolves as it does
    Explain(explain::ExplainArgs),
    /// List the fields in Redis that can't be used, and how to fix them; exit 1 if any
    Lint(lint::LintArgs),
    /// Print a line for each change as it is published
    Watch(watch::WatchArgs),
    /// Write the roles to a file, for software that only reads files
    Export(export::ExportArgs),
    /// Check everything between a program and Redis, and report what is wrong
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
