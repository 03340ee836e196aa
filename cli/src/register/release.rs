//! `cloudhosts release`: the end of a role.

use cloudhosts_registry::register::Verb;

use super::place::{Source, away};
use super::{Setting, perform, role};
use crate::completions;
use crate::outcome::{Failure, Outcome};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts release db-master\n  \
    cloudhosts release db-master --dry-run")]
pub(crate) struct Arguments {
    /// The role
    #[arg(value_name = "ROLE", add = completions::role())]
    role: String,
    #[command(flatten)]
    perform: perform::Options,
}

pub(crate) fn run(arguments: &Arguments, setting: &Setting) -> Result<Outcome, Failure> {
    let task = perform::Task {
        verb: Verb::Release,
        only_if: None,
        views: None,
        role: role(&arguments.role)?,
        source: Source::Known(away(setting.hashes()?)),
    };
    arguments.perform.perform(task, setting)
}
