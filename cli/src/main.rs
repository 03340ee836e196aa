//! `cloudhosts`: the command for operators. It reads what the daemon leaves
//! behind (its status and its table) and never needs Redis for that.
#![forbid(unsafe_code)]

mod child;
mod completions;
mod doctor;
mod getent;
mod inspect;
mod local;
mod nscd;
mod nsswitch;
mod outcome;
mod progress;
mod replace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use cloudhosts_registry::config::Config;

use outcome::{Failure, Outcome};

/// Role names for machines that come and go, by way of a Redis hash.
#[derive(Debug, Parser)]
#[command(
    name = "cloudhosts",
    version,
    after_help = "Exit codes: 0 done; 1 the answer is no, or the daemon is not well; \
                  2 usage or configuration; 3 the daemon is out of reach."
)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Args)]
struct Common {
    /// The daemon's configuration [default: /etc/cloudhosts/cloudhosts.toml, if it exists]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Say how the daemon is; exit 0 when it is live, 1 when it is not
    Status(inspect::status::Arguments),
    /// Look a name or an address up as every program on this machine does
    Resolve(inspect::resolve::Arguments),
    /// List the roles with their addresses, members and pointers
    List(inspect::list::Arguments),
    /// Say why a name answers what it does
    Explain(inspect::explain::Arguments),
    /// List what in Redis can't be used, and how to mend it; exit 1 if anything
    Lint(inspect::lint::Arguments),
    /// Print a line for each change, as it is published
    Watch(inspect::watch::Arguments),
    /// Write the roles as a file, for software that only reads files
    Export(inspect::export::Arguments),
    /// Walk the whole way from a program to Redis, and say what is wrong on it
    Doctor(doctor::Arguments),
    /// Put cloudhosts on the hosts: line of nsswitch.conf, or take it off
    Nsswitch(nsswitch::Arguments),
    /// Print the completions of this command for a shell
    Completions(completions::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            eprintln!("cloudhosts: {failure}");
            failure.into()
        }
    }
}

fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let file = arguments.common.config.as_deref();
    let config =
        || Config::load_without_secrets(file).map_err(|error| Failure::Usage(error.to_string()));
    match &arguments.verb {
        Verb::Status(arguments) => inspect::status::run(arguments, &config()?),
        Verb::Resolve(arguments) => inspect::resolve::run(arguments, &config()?),
        Verb::List(arguments) => inspect::list::run(arguments, &config()?),
        Verb::Explain(arguments) => inspect::explain::run(arguments, &config()?),
        Verb::Lint(arguments) => inspect::lint::run(arguments, &config()?),
        Verb::Watch(arguments) => inspect::watch::run(arguments, &config()?),
        Verb::Export(arguments) => inspect::export::run(arguments, &config()?),
        Verb::Doctor(arguments) => doctor::run(arguments, Config::load_without_secrets(file)),
        // Packages call it, whatever the configuration is like.
        Verb::Nsswitch(arguments) => nsswitch::run(arguments),
        Verb::Completions(arguments) => completions::run(arguments, Arguments::command()),
    }
}
