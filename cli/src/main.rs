//! `cloudhosts`: the command for start-up scripts and operators. It registers
//! roles in Redis, and it shows the daemon's status and table, for which it does
//! not need Redis.
#![forbid(unsafe_code)]

mod acl;
mod child;
mod completions;
mod dns;
mod gateway_token;
mod getent;
mod history;
mod inspect;
mod local_daemon;
mod nscd;
mod nsswitch;
mod outcome;
mod output;
mod program;
mod progress;
mod register;
mod replace_file;
mod runtime;
mod table_roles;
mod wait_option;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use cloudhosts_config::{Config, ConfigError, hide_passwords};
use outcome::{Failure, Outcome};

/// Role names for machines that come and go, kept in a Redis hash
#[derive(Debug, Parser)]
#[command(
    name = "cloudhosts",
    version,
    after_help = "Exit codes: 0 success; 1 the answer is no, or the daemon is not well; \
                  2 usage or configuration error; 3 Redis or the daemon can't be reached; \
                  4 the role was claimed from its holders; \
                  5 refused, since what works would stop working, or a file was changed by \
                  hand (--force)."
)]
struct Cli {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    command: CliCommand,
}

/// The heading of the options that all subcommands have.
const GLOBAL: &str = "Global options";

/// The subcommands that do not read the configuration, and do not show these options.
const UNCONFIGURED: [&str; 3] = ["gateway-token", "nsswitch", "completions"];

#[derive(Debug, Args)]
struct GlobalOptions {
    /// Configuration file [default: $CLOUDHOSTS_CONFIG, or /etc/cloudhosts/cloudhosts.toml if it
    /// exists, and to register /etc/cloudhosts/register.toml]
    #[arg(long, value_name = "FILE", global = true, help_heading = GLOBAL)]
    config: Option<PathBuf>,
    /// URL of Redis, instead of `redis.urls`; may be repeated
    #[arg(long, value_name = "URL", global = true, help_heading = GLOBAL)]
    redis_url: Vec<String>,
    /// Redis hash, instead of `hashes`; may be repeated
    #[arg(long, value_name = "KEY", global = true, help_heading = GLOBAL)]
    hash: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    #[command(flatten)]
    Register(register::RegisterCommand),
    /// Print the change log: when, who, what
    History(history::HistoryArgs),
    /// Print the ACL rules that Redis needs for the daemon and for registering
    Acl(acl::AclArgs),
    /// Make a token for a client of the gateway
    GatewayToken(gateway_token::GatewayTokenArgs),
    #[command(flatten)]
    Inspect(inspect::InspectCommand),
    /// Add cloudhosts to the hosts: line of nsswitch.conf, or remove it
    Nsswitch(nsswitch::NsswitchArgs),
    /// Have the resolver of this machine ask cloudhosts-dns, or no longer
    Dns(dns::DnsArgs),
    /// Print the completion script for a shell
    Completions(completions::CompletionsArgs),
}

fn main() -> ExitCode {
    if let Some(code) = register::become_command() {
        return code;
    }
    if let Some(code) = completions::answer(command) {
        return code;
    }
    let cli = parse();
    if let Some(exposure) = hide_passwords(&cli.global.redis_url) {
        eprintln!("cloudhosts: {exposure}; {}", exposure.remedy());
    }
    match run(&cli) {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            eprintln!("cloudhosts: {failure}");
            failure.into()
        }
    }
}

/// Parses the command line. Exits where it is wrong or asks for help.
fn parse() -> Cli {
    let mut command = command();
    let words = wait_option::join(&command, std::env::args_os());
    let matches = command.try_get_matches_from_mut(&words);
    let parsed = matches.and_then(|matches| Cli::from_arg_matches(&matches));
    parsed.unwrap_or_else(|error| {
        let unknown = error.kind() == ErrorKind::UnknownArgument;
        let error = error.format(&mut command);
        if unknown && holds_without_dashes(&words) {
            // Nobody may read it; the exit code says it too.
            let _ = error.print();
            eprintln!(
                "cloudhosts: put -- before the command of hold: cloudhosts hold ROLE -- COMMAND"
            );
            std::process::exit(error.exit_code());
        }
        error.exit()
    })
}

/// Whether this is `hold` with an option that may be one of its command's.
fn holds_without_dashes(words: &[OsString]) -> bool {
    let command = Cli::command().ignore_errors(true);
    let matches = command.try_get_matches_from(words);
    let holds = matches.is_ok_and(|matches| matches.subcommand_name() == Some("hold"));
    holds && !words.iter().any(|word| word == "--")
}

/// What clap knows of the command line.
fn command() -> clap::Command {
    let mut command = Cli::command();
    // From here on each subcommand has the global options.
    command.build();
    let hide = |subcommand: clap::Command| {
        subcommand.mut_args(|argument| {
            let hidden = argument.is_global_set() || argument.is_hide_set();
            argument.hide(hidden)
        })
    };
    UNCONFIGURED
        .into_iter()
        .fold(command, |command, name| command.mut_subcommand(name, hide))
}

/// The file that is the whole configuration: the one of `--config`, or else of the
/// environment.
fn configuration(given: Option<PathBuf>) -> Option<PathBuf> {
    given.or_else(|| {
        let named = std::env::var_os("CLOUDHOSTS_CONFIG").map(PathBuf::from);
        named.filter(|file| !file.as_os_str().is_empty())
    })
}

fn run(cli: &Cli) -> Result<Outcome, Failure> {
    let global = &cli.global;
    let file = configuration(global.config.clone());
    let load = |load: fn(Option<&Path>) -> Result<Config, ConfigError>| -> Result<_, ConfigError> {
        let mut config = load(file.as_deref())?;
        config.override_with(&global.redis_url, &global.hash)?;
        Ok(config)
    };
    let usage = |error: ConfigError| Failure::Usage(error.to_string());
    match &cli.command {
        CliCommand::Register(command) => {
            let config = load(if command.waits() {
                Config::load_to_register_without_secrets
            } else {
                Config::load_to_register
            });
            register::run(command, config.map_err(usage)?, &global.hash)
        }
        CliCommand::History(args) => {
            let config = load(Config::load_to_register).map_err(usage)?;
            history::run(args, config)
        }
        CliCommand::Acl(_) => {
            let daemon = load(Config::load_without_secrets).map_err(usage)?;
            let registrar = load(Config::load_to_register_without_secrets).map_err(usage)?;
            acl::run(&daemon, &registrar)
        }
        CliCommand::GatewayToken(args) => gateway_token::run(args),
        CliCommand::Inspect(command) => inspect::run(command, load(Config::load_without_secrets)),
        // Packages call it, whatever the configuration is like.
        CliCommand::Nsswitch(args) => nsswitch::run(args),
        CliCommand::Dns(args) => {
            let config = match (&file, args.image_config()) {
                (None, Some(image)) => Config::load_without_secrets(Some(&image)),
                _ => load(Config::load_without_secrets),
            };
            dns::run(args, config)
        }
        CliCommand::Completions(args) => completions::run(args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// The lines of the help that show how a subcommand is called.
    fn examples(subcommand: &clap::Command) -> Vec<String> {
        let help = subcommand.get_after_help().map(ToString::to_string);
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
    fn the_help_of_each_subcommand_has_examples_that_are_understood() {
        let command = command();
        for subcommand in command.get_subcommands() {
            let name = subcommand.get_name();
            if name == "help" {
                continue;
            }
            let examples = examples(subcommand);
            assert!(examples.len() >= 2, "{name}: {examples:?}");
            for line in examples {
                assert!(line.len() < 78, "{line}: too long for a terminal");
                // behind a pipe, or in a shell's own command
                let (_, line) = line.split_at(line.find("cloudhosts ").unwrap());
                let words = words(line.trim_end_matches(')')).into_iter();
                let words = wait_option::join(&command, words.map(OsString::from));
                let matches = command.clone().try_get_matches_from(words);
                let matches = matches.unwrap_or_else(|error| panic!("{line}: {error}"));
                assert_eq!(matches.subcommand_name(), Some(name), "{line}");
            }
        }
    }

    #[test]
    fn what_is_not_configured_shows_no_option_for_it() {
        let mut command = command();
        for subcommand in command.get_subcommands_mut() {
            let (name, help) = (
                subcommand.get_name().to_owned(),
                subcommand.render_help().to_string(),
            );
            if name != "help" {
                let shown = !UNCONFIGURED.contains(&name.as_str());
                assert_eq!(help.contains(GLOBAL), shown, "{name}");
                assert_eq!(help.contains("--config"), shown, "{name}");
            }
        }
    }
}
