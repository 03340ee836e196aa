//! `cloudhosts`: the command for operators. It reads what the daemon leaves
//! behind (its status and its table) and never needs Redis for that.
#![forbid(unsafe_code)]

mod child;
mod nsswitch;
mod outcome;
mod replace;
mod resolve;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
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
    Status(status::Arguments),
    /// Look a name or an address up as every program on this machine does
    Resolve(resolve::Arguments),
    /// Put cloudhosts on the hosts: line of nsswitch.conf, or take it off
    Nsswitch(nsswitch::Arguments),
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
    let config = || {
        Config::load_without_secrets(arguments.common.config.as_deref())
            .map_err(|error| Failure::Usage(error.to_string()))
    };
    match &arguments.verb {
        Verb::Status(arguments) => status::run(arguments, &config()?),
        Verb::Resolve(arguments) => resolve::run(arguments, &config()?),
        // Packages call it, whatever the configuration is like.
        Verb::Nsswitch(arguments) => nsswitch::run(arguments),
    }
}
