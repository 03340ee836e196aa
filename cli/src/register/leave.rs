//! `cloudhosts leave`: one member of a role less.

use cloudhosts_registry::register::Verb;

use super::place::{Source, away};
use super::{Setting, member, perform};
use crate::completions;
use crate::outcome::{Failure, Outcome};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts leave web   # this machine\n  \
    cloudhosts leave web --member i-0abc")]
pub(crate) struct Arguments {
    /// The role
    #[arg(value_name = "ROLE", add = completions::role())]
    role: String,
    /// Who of several this is [default: the name of this machine]
    #[arg(long, value_name = "ID", add = completions::member())]
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
