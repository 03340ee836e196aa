//! `cloudhosts`: the command for start-up scripts and operators. It registers
//! roles in Redis; and it shows what the daemon leaves behind (its status and
//! its table), for which it needs no Redis.
#![forbid(unsafe_code)]

mod acl;
mod child;
mod completions;
mod getent;
mod history;
mod inspect;
mod local;
mod nscd;
mod nsswitch;
mod outcome;
mod progress;
mod register;
mod replace;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use cloudhosts_registry::config::{Config, ConfigError, hide_passwords};

use outcome::{Failure, Outcome};

/// Role names for machines that come and go, by way of a Redis hash.
#[derive(Debug, Parser)]
#[command(
    name = "cloudhosts",
    version,
    after_help = "Exit codes: 0 done; 1 the answer is no, or the daemon is not well; \
                  2 usage or configuration; 3 Redis or the daemon is out of reach; \
                  4 the role was claimed from its holders."
)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Args)]
struct Common {
    /// The configuration [default: $CLOUDHOSTS_CONFIG, or /etc/cloudhosts/cloudhosts.toml if it
    /// exists, and to register /etc/cloudhosts/register.toml]
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
    /// Print the change log: when, who, what
    History(history::Arguments),
    /// Print what Redis must be told so that the daemon and those who register may do what they do
    Acl(acl::Arguments),
    #[command(flatten)]
    Inspect(inspect::Verb),
    /// Put cloudhosts on the hosts: line of nsswitch.conf, or take it off
    Nsswitch(nsswitch::Arguments),
    /// Print the completions of this command for a shell
    Completions(completions::Arguments),
}

fn main() -> ExitCode {
    if let Some(code) = register::become_command() {
        return code;
    }
    let arguments = Arguments::parse();
    if let Some(exposure) = hide_passwords(&arguments.common.redis_url) {
        eprintln!("cloudhosts: {exposure}; {}", exposure.remedy());
    }
    match run(&arguments) {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            eprintln!("cloudhosts: {failure}");
            failure.into()
        }
    }
}

/// The file that is the whole configuration: the one of `--config`, or else of the
/// environment.
fn configuration(given: Option<PathBuf>) -> Option<PathBuf> {
    given.or_else(|| {
        let named = std::env::var_os("CLOUDHOSTS_CONFIG").map(PathBuf::from);
        named.filter(|file| !file.as_os_str().is_empty())
    })
}

fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let common = &arguments.common;
    let file = configuration(common.config.clone());
    let load = |load: fn(Option<&Path>) -> Result<Config, ConfigError>| -> Result<_, ConfigError> {
        let mut config = load(file.as_deref())?;
        config.override_with(&common.redis_url, &common.hash)?;
        Ok(config)
    };
    let refused = |error: ConfigError| Failure::Usage(error.to_string());
    match &arguments.verb {
        Verb::Register(verb) => {
            let config = load(if verb.waits() {
                Config::load_to_register_without_secrets
            } else {
                Config::load_to_register
            });
            register::run(verb, config.map_err(refused)?, &common.hash)
        }
        Verb::History(arguments) => {
            let config = load(Config::load_to_register).map_err(refused)?;
            history::run(arguments, config)
        }
        Verb::Acl(_) => {
            let daemon = load(Config::load_without_secrets).map_err(refused)?;
            let registrar = load(Config::load_to_register_without_secrets).map_err(refused)?;
            acl::run(&daemon, &registrar)
        }
        Verb::Inspect(verb) => inspect::run(verb, load(Config::load_without_secrets)),
        // Packages call it, whatever the configuration is like.
        Verb::Nsswitch(arguments) => nsswitch::run(arguments),
        Verb::Completions(arguments) => completions::run(arguments, Arguments::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
