//! `cloudhosts join`: one more member of a role.

use cloudhosts_registry::register::Verb;

use super::{Setting, member, perform, place};
use crate::outcome::{Failure, Outcome};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The role
    #[arg(value_name = "ROLE")]
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
