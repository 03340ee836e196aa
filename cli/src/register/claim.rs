//! `cloudhosts claim`: this is now the only holder of a role.

use cloudhosts_registry::register::{Condition, Verb, Where};

use super::{Setting, perform, place, role};
use crate::completions;
use crate::outcome::{Failure, Outcome};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts claim db-master 10.0.0.5    # from now on this is the only one\n  \
    cloudhosts claim db-master --wait 5s   # here; and wait for the daemon\n  \
    cloudhosts claim db-master 10.0.0.5 --if 10.0.0.4")]
pub(crate) struct Arguments {
    /// The role
    #[arg(value_name = "ROLE", add = completions::role())]
    role: String,
    #[command(flatten)]
    place: place::Addresses,
    /// Only if the role is at VALUE now, members and all; '' if there is no such role
    #[arg(long = "if", value_name = "VALUE")]
    only_if: Option<String>,
    #[command(flatten)]
    perform: perform::Options,
}

pub(crate) fn run(arguments: &Arguments, setting: &Setting) -> Result<Outcome, Failure> {
    let only_if = arguments.only_if.as_deref().map(condition).transpose()?;
    let task = perform::Task {
        verb: Verb::Claim,
        only_if,
        views: None,
        role: role(&arguments.role)?,
        source: arguments.place.source(setting)?,
    };
    arguments.perform.perform(task, setting)
}

/// Reads what is compared: addresses, the name of another entry, or nothing.
fn condition(text: &str) -> Result<Condition, Failure> {
    if text.trim().is_empty() {
        return Ok(Condition::Absent);
    }
    Where::addresses(text)
        .or_else(|error| Where::pointer(text).map_err(|_| error))
        .map(Condition::At)
        .map_err(|error| Failure::Usage(format!("--if: {error}")))
}
