//! The verbs that look at what the daemon leaves on this machine. None of them
//! needs Redis; [`doctor`], and whoever asks who [`held`] a role, visit it.

mod around;
mod changes;
mod doctor;
mod errand;
mod explain;
mod export;
mod formats;
mod held;
mod lint;
mod list;
mod mending;
mod newest;
mod own_lines;
mod resolve;
pub(crate) mod roles;
mod status;
mod watch;

use cloudhosts_config::{Config, ConfigError};

use crate::outcome::{Failure, Outcome};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Say how the daemon is; exit 0 when it is live, 1 when it is not
    Status(status::Arguments),
    /// Look a name or an address up as every program on this machine does
    Resolve(resolve::Arguments),
    /// List the roles with their addresses, members and pointers
    List(list::Arguments),
    /// Say why a name answers what it does
    Explain(explain::Arguments),
    /// List what in Redis can't be used, and how to mend it; exit 1 if anything
    Lint(lint::Arguments),
    /// Print a line for each change, as it is published
    Watch(watch::Arguments),
    /// Write the roles as a file, for software that only reads files
    Export(export::Arguments),
    /// Walk the whole way from a program to Redis, and say what is wrong on it
    Doctor(doctor::Arguments),
}

pub(crate) fn run(verb: &Verb, config: Result<Config, ConfigError>) -> Result<Outcome, Failure> {
    // A configuration that can't be read is one of the things the doctor finds.
    if let Verb::Doctor(arguments) = verb {
        return doctor::run(arguments, config);
    }
    let config = config.map_err(|error| Failure::Usage(error.to_string()))?;
    match verb {
        Verb::Status(arguments) => status::run(arguments, &config),
        Verb::Resolve(arguments) => resolve::run(arguments, &config),
        Verb::List(arguments) => list::run(arguments, &config),
        Verb::Explain(arguments) => explain::run(arguments, &config),
        Verb::Lint(arguments) => lint::run(arguments, &config),
        Verb::Watch(arguments) => watch::run(arguments, &config),
        Verb::Export(arguments) => export::run(arguments, &config),
        Verb::Doctor(arguments) => doctor::run(arguments, Ok(config)),
    }
}
