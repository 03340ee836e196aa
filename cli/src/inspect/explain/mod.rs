//! `cloudhosts explain`: why a name resolves as it does, from the field in Redis to
//! what programs get; and why an address has the names it has.
//!
//! - [`name`] and [`address`]: the two questions;
//! - [`field`]: one field of a role.

mod address;
mod field;
mod name;

use std::io;

use cloudhosts_config::Config;

use crate::completions;
use crate::outcome::{Failure, Outcome};

#[derive(Debug, clap::Args)]
#[command(after_help = "Exits with 1 when programs get nothing.\n\n\
    Examples:\n  \
    cloudhosts explain db-master\n  \
    cloudhosts explain 10.0.0.5 --json | jq .roles")]
pub(crate) struct ExplainArgs {
    /// Name or address
    #[arg(value_name = "NAME|ADDRESS", add = completions::name())]
    what: String,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ExplainArgs, config: &Config) -> Result<Outcome, Failure> {
    match args.what.parse() {
        Ok(address) => address::explain(address, args.json, config),
        Err(_) => name::explain(&args.what, args.json, config),
    }
}

/// No, if programs get nothing, or it can't be found out.
fn outcome<T>(programs_get: &io::Result<Vec<T>>) -> Outcome {
    match programs_get {
        Ok(got) if !got.is_empty() => Outcome::Yes,
        _ => Outcome::No,
    }
}
