//! `cloudhosts explain`: why a name answers what it does, from the field in
//! Redis to what a program is told; and which roles an address is called by.
//!
//! - [`name`] and [`address`]: the two questions;
//! - [`field`]: one field of a role, and what is to be said of it.

mod address;
mod field;
mod name;

use std::io;

use cloudhosts_config::Config;

use crate::completions;
use crate::outcome::{Failure, Outcome};

#[derive(Debug, clap::Args)]
#[command(after_help = "Ends with 1 when programs get nothing.\n\n\
    Examples:\n  \
    cloudhosts explain db-master\n  \
    cloudhosts explain 10.0.0.5 --json | jq .roles")]
pub(crate) struct Arguments {
    /// The name, or the address
    #[arg(value_name = "NAME|ADDRESS", add = completions::name())]
    what: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, config: &Config) -> Result<Outcome, Failure> {
    match arguments.what.parse() {
        Ok(address) => address::explain(address, arguments.json, config),
        Err(_) => name::explain(&arguments.what, arguments.json, config),
    }
}

/// How it ends: no, when programs get nothing, or that can't be told.
fn outcome<T>(told: &io::Result<Vec<T>>) -> Outcome {
    match told {
        Ok(told) if !told.is_empty() => Outcome::Yes,
        _ => Outcome::No,
    }
}
