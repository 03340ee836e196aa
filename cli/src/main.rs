//! `cloudhosts`: the command for start-up scripts and operators. It registers
//! roles in Redis; and it shows what the daemon leaves behind (its status and
//! its table), for which it never needs Redis.
#![forbid(unsafe_code)]

mod outcome;
mod register;
mod resolve;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use cloudhosts_registry::config::{Config, ConfigError};

use outcome::{Failure, Outcome};

/// Role names for machines that come and go, by way of a Redis hash.
#[derive(Debug, Parser)]
#[command(
    name = "cloudhosts",
    version,
    after_help = "Exit codes: 0 done; 1 the answer is no, or the daemon is not well; \
                  2 usage or configuration; 3 Redis or the daemon is out of reach."
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
    /// Where Redis is, instead of `redis.urls`; may be repeated
    #[arg(long, value_name = "URL", global = true)]
    redis_url: Vec<String>,
    /// The hash, instead of `hashes`; may be repeated
    #[arg(long, value_name = "KEY", global = true)]
    hash: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    #[command(flatten)]
    Register(register::Verb),
    /// Say how the daemon is; exit 0 when it is live, 1 when it is not
    Status(status::Arguments),
    /// Look a name or an address up as every program on this machine does
    Resolve(resolve::Arguments),
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
    let common = &arguments.common;
    let load = match arguments.verb {
        Verb::Register(_) => Config::load,
        _ => Config::load_without_secrets,
    };
    let usage = |error: ConfigError| Failure::Usage(error.to_string());
    let mut config = load(common.config.as_deref()).map_err(usage)?;
    let overridden = config.override_with(&common.redis_url, &common.hash);
    overridden.map_err(usage)?;
    match &arguments.verb {
        Verb::Status(arguments) => status::run(arguments, &config),
        Verb::Resolve(arguments) => resolve::run(arguments, &config),
        Verb::Register(verb) => register::run(verb, config, &common.hash),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
