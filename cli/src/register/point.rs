//! `cloudhosts point`: a role that is where another entry is.

use cloudhosts_registry::register::{Place, Verb, Where};

use super::place::Source;
use super::{Setting, perform, role};
use crate::completions;
use crate::outcome::{Failure, Outcome};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts point www web\n  \
    cloudhosts point db-master db-3.internal --wait")]
pub(crate) struct Arguments {
    /// The role
    #[arg(value_name = "ROLE", add = completions::role())]
    role: String,
    /// The entry to point at
    #[arg(value_name = "NAME", add = completions::role())]
    name: String,
    /// Even if the role has addresses, and NAME has none
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    perform: perform::Options,
}

pub(crate) fn run(arguments: &Arguments, setting: &Setting) -> Result<Outcome, Failure> {
    let role = role(&arguments.role)?;
    let at = Where::pointer(&arguments.name).map_err(|error| Failure::Usage(error.to_string()))?;
    if at.as_str() == role.name() {
        return Err(Failure::Usage(format!("{role} can't point at itself")));
    }
    let hashes = setting.hashes()?;
    let views = (!arguments.force).then(|| setting.views(&hashes));
    let place = |hash| Place {
        hash,
        at: Some(at.clone()),
    };
    let task = perform::Task {
        verb: Verb::Point,
        only_if: None,
        views,
        source: Source::Known(hashes.into_iter().map(place).collect()),
        role,
    };
    arguments.perform.perform(task, setting)
}
