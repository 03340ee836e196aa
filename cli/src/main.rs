//! `cloudhosts`: the command for operators. It reads what the daemon leaves
//! behind (its status and its table) and needs Redis for no more than to see
//! whether the daemon can reach it.
#![forbid(unsafe_code)]

mod child;
mod completions;
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
    #[command(flatten)]
    Inspect(inspect::Verb),
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
    match &arguments.verb {
        Verb::Inspect(verb) => inspect::run(verb, Config::load_without_secrets(file)),
        // Packages call it, whatever the configuration is like.
        Verb::Nsswitch(arguments) => nsswitch::run(arguments),
        Verb::Completions(arguments) => completions::run(arguments, Arguments::command()),
    }
}
