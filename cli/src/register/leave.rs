//! `cloudhosts leave`: one member of a role less.

use cloudhosts_registry::register::Verb;

use super::place::{Source, away};
use super::{Setting, member, perform};
use crate::outcome::{Failure, Outcome};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The role
    #[arg(value_name = "ROLE")]
    role: String,
    /// Who of several this is [default: the name of this machine]
    #[arg(long, value_name = "ID")]
    member: Option<String>,
    #[command(flatten)]
    perform: perform::Options,
}

pub(crate) fn run(arguments: &Arguments, setting: &Setting) -> Result<Outcome, Failure> {
    let task = perform::Task {
        verb: Verb::Leave,
        only_if: None,
        views: None,
        role: member(&arguments.role, arguments.member.as_deref())?,
        source: Source::Known(away(setting.hashes()?)),
    };
    arguments.perform.perform(task, setting)
}
