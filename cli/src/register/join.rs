//! `cloudhosts join`: one more member of a role.

use cloudhosts_registry::register::Verb;

use super::{Setting, member, perform, place};
use crate::completions;
use crate::outcome::{Failure, Outcome};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts join web 10.0.1.1   # called by the name of this machine\n  \
    cloudhosts join web 10.0.1.2 --member i-0abc --zone eu-1a")]
pub(crate) struct Arguments {
    /// The role
    #[arg(value_name = "ROLE", add = completions::role())]
    role: String,
    #[command(flatten)]
    place: place::Addresses,
    #[command(flatten)]
    zone: place::InZone,
    /// Who of several this is [default: the name of this machine]
    #[arg(long, value_name = "ID")]
    member: Option<String>,
    #[command(flatten)]
    perform: perform::Options,
}

pub(crate) fn run(arguments: &Arguments, setting: &Setting) -> Result<Outcome, Failure> {
    let task = perform::Task {
        verb: Verb::Join,
        only_if: None,
        views: None,
        role: member(&arguments.role, arguments.member.as_deref())?,
        source: arguments
            .place
            .source(setting)?
            .in_zone(arguments.zone.zone(setting)?),
    };
    arguments.perform.perform(task, setting)
}
