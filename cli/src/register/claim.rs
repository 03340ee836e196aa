//! `cloudhosts claim`: this is now the only holder of a role.

use cloudhosts_registry::register::Verb;

use super::{Setting, perform, place, role};
use crate::outcome::{Failure, Outcome};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The role
    #[arg(value_name = "ROLE")]
    role: String,
    #[command(flatten)]
    place: place::Addresses,
    #[command(flatten)]
    perform: perform::Options,
}

pub(crate) fn run(arguments: &Arguments, setting: &Setting) -> Result<Outcome, Failure> {
    let task = perform::Task {
        verb: Verb::Claim,
        role: role(&arguments.role)?,
        source: arguments.place.source(setting)?,
    };
    arguments.perform.perform(task, setting)
}
