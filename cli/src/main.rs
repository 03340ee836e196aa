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
mod program;
mod progress;
mod register;
mod replace;
mod wait_word;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use cloudhosts_config::{Config, ConfigError, hide_passwords};

use outcome::{Failure, Outcome};

/// Role names for machines that come and go, by way of a Redis hash.
#[derive(Debug, Parser)]
#[command(
    name = "cloudhosts",
    version,
    after_help = "Exit codes: 0 done; 1 the answer is no, or the daemon is not well; \
                  2 usage or configuration; 3 Redis or the daemon is out of reach; \
                  4 the role was claimed from its holders; \
                  5 refused, since a role that works would not any more (--force)."
)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

/// What all verbs take.
const GLOBAL: &str = "Global options";

/// Those that are run whatever the configuration is like, and show no option for it.
const UNCONFIGURED: [&str; 2] = ["nsswitch", "completions"];

#[derive(Debug, Args)]
struct Common {
    /// The configuration [default: $CLOUDHOSTS_CONFIG, or /etc/cloudhosts/cloudhosts.toml if it
    /// exists, and to register /etc/cloudhosts/register.toml]
    #[arg(long, value_name = "FILE", global = true, help_heading = GLOBAL)]
    config: Option<PathBuf>,
    /// Where Redis is, instead of `redis.urls`; may be repeated
    #[arg(long, value_name = "URL", global = true, help_heading = GLOBAL)]
    redis_url: Vec<String>,
    /// The hash, instead of `hashes`; may be repeated
    #[arg(long, value_name = "KEY", global = true, help_heading = GLOBAL)]
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
    if let Some(code) = completions::answer(command) {
        return code;
    }
    let arguments = parse();
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

/// The command line, read; or its end, where it is wrong or asks for help.
fn parse() -> Arguments {
    let mut command = command();
    let words = wait_word::join(&command, std::env::args_os());
    let matches = command.try_get_matches_from_mut(&words);
    let parsed = matches.and_then(|matches| Arguments::from_arg_matches(&matches));
    parsed.unwrap_or_else(|error| {
        let unknown = error.kind() == ErrorKind::UnknownArgument;
        let error = error.format(&mut command);
        if unknown && holds_without_dashes(&words) {
            // Nobody may read it; the exit code says it too.
            let _ = error.print();
            eprintln!(
                "cloudhosts: the command of hold follows --: cloudhosts hold ROLE -- COMMAND"
            );
            std::process::exit(error.exit_code());
        }
        error.exit()
    })
}

/// Whether this is `hold` with an option that may be one of its command's.
fn holds_without_dashes(words: &[OsString]) -> bool {
    let command = Arguments::command().ignore_errors(true);
    let matches = command.try_get_matches_from(words);
    let holds = matches.is_ok_and(|matches| matches.subcommand_name() == Some("hold"));
    holds && !words.iter().any(|word| word == "--")
}

/// What clap knows of the command line.
fn command() -> clap::Command {
    let mut command = Arguments::command();
    // From here on each verb has the global options.
    command.build();
    let hide = |verb: clap::Command| {
        verb.mut_args(|argument| {
            let hidden = argument.is_global_set() || argument.is_hide_set();
            argument.hide(hidden)
        })
    };
    UNCONFIGURED
        .into_iter()
        .fold(command, |command, verb| command.mut_subcommand(verb, hide))
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
        Verb::Completions(arguments) => completions::run(arguments),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    /// The lines of the help that show how a verb is called.
    fn examples(verb: &clap::Command) -> Vec<String> {
        let help = verb.get_after_help().map(ToString::to_string);
        let help = help.unwrap_or_default();
        let lines = help.lines().skip_while(|line| *line != "Examples:").skip(1);
        lines.map(|line| line.trim().to_owned()).collect()
    }

    /// The words of the first command of a line, as a shell reads what stands here.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for c in line.chars() {
            match c {
                '\'' => quoted = !quoted,
                '#' | '|' | '>' if !quoted => break,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().unwrap().push(c),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn the_help_of_each_verb_has_examples_that_are_understood() {
        let command = command();
        for verb in command.get_subcommands() {
            let name = verb.get_name();
            if name == "help" {
                continue;
            }
            let examples = examples(verb);
            assert!(examples.len() >= 2, "{name}: {examples:?}");
            for line in examples {
                assert!(line.len() < 78, "{line}: too long for a terminal");
                // behind a pipe, or in a shell's own command
                let (_, line) = line.split_at(line.find("cloudhosts ").unwrap());
                let words = words(line.trim_end_matches(')')).into_iter();
                let words = wait_word::join(&command, words.map(OsString::from));
                let matches = command.clone().try_get_matches_from(words);
                let matches = matches.unwrap_or_else(|error| panic!("{line}: {error}"));
                assert_eq!(matches.subcommand_name(), Some(name), "{line}");
            }
        }
    }

    #[test]
    fn what_is_not_configured_shows_no_option_for_it() {
        let mut command = command();
        for verb in command.get_subcommands_mut() {
            let (name, help) = (verb.get_name().to_owned(), verb.render_help().to_string());
            if name != "help" {
                let shown = !UNCONFIGURED.contains(&name.as_str());
                assert_eq!(help.contains(GLOBAL), shown, "{name}");
                assert_eq!(help.contains("--config"), shown, "{name}");
            }
        }
    }
}
