//! `cloudhosts completions`: the completion scripts, which the packages install. They make
//! the shell run this program at each TAB, so names are those of the table at that time.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{Bash, CompleteEnv, EnvCompleter, Fish, Shells, Zsh};
use cloudhosts_config::Config;
use cloudhosts_table::View;

use crate::outcome::{Failure, Outcome};
use crate::output::print;
use crate::table_roles;
use crate::{configuration, local_daemon};

/// This program, as the shell finds it.
const NAME: &str = "cloudhosts";

/// Set to the name of the shell when a shell asks for completions.
const VARIABLE: &str = "CLOUDHOSTS_COMPLETE";

/// The supported shells.
const SHELLS: [&dyn EnvCompleter; 3] = [&Bash, &Zsh, &Fish];

/// Most names that are offered. If there are more, none is: the shell would complete the
/// common prefix of those it is given.
const MAX_OFFERED: usize = 1_000;

/// At the first completion zsh runs the file as a function named after it, and clap's
/// script only defines another function.
const ZSH_FIRST: &str = "\
if [[ ${funcstack[1]} == _cloudhosts ]]; then
    _clap_dynamic_completer_cloudhosts \"$@\"
fi
";

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    source <(cloudhosts completions bash)\n  \
    cloudhosts completions zsh >/usr/local/share/zsh/site-functions/_cloudhosts\n  \
    cloudhosts completions fish >~/.config/fish/completions/cloudhosts.fish")]
pub(crate) struct CompletionsArgs {
    /// Shell
    #[arg(value_enum)]
    shell: Shell,
}

/// A supported shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Shell {
    /// bash(1)
    Bash,
    /// zsh(1)
    Zsh,
    /// fish(1)
    Fish,
}

pub(crate) fn run(args: &CompletionsArgs) -> Result<Outcome, Failure> {
    let (shell, more): (&dyn EnvCompleter, &str) = match args.shell {
        Shell::Bash => (&Bash, ""),
        Shell::Zsh => (&Zsh, ZSH_FIRST),
        Shell::Fish => (&Fish, ""),
    };
    let mut text = Vec::new();
    shell
        .write_registration(VARIABLE, NAME, NAME, NAME, &mut text)
        .map_err(|error| Failure::Failed(error.to_string()))?;
    print(&format!("{}{more}", String::from_utf8_lossy(&text)))?;
    Ok(Outcome::Yes)
}

/// Answers a shell that asks for completions; none if no shell asks. Errors offer nothing:
/// a message would end up in the line being typed.
pub(crate) fn answer(command: fn() -> clap::Command) -> Option<ExitCode> {
    let asking = std::env::var_os(VARIABLE)?;
    if !SHELLS.iter().any(|shell| asking == shell.name()) {
        return None;
    }
    let answered = CompleteEnv::with_factory(command)
        .var(VARIABLE)
        .shells(Shells(&SHELLS))
        .try_complete(std::env::args_os(), std::env::current_dir().ok().as_deref());
    Some(match answered {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

/// Completes the name of a role: `web`, `*.apps.internal`.
pub(crate) fn role() -> ArgValueCompleter {
    ArgValueCompleter::new(|start: &OsStr| offered(start, |view| view.role_names().collect()))
}

/// Completes a name that is looked up: no wildcard.
pub(crate) fn name() -> ArgValueCompleter {
    let is_name = |name: &String| !name.starts_with('*');
    ArgValueCompleter::new(move |start: &OsStr| {
        offered(start, |view| view.role_names().filter(is_name).collect())
    })
}

/// Completes a member of the role that the line names.
pub(crate) fn member() -> ArgValueCompleter {
    ArgValueCompleter::new(|start: &OsStr| {
        let Some(role) = line().and_then(|line| role_in(&line)) else {
            return Vec::new();
        };
        offered(start, |view| {
            let role = table_roles::one(*view, &role.to_ascii_lowercase());
            let fields = role.map(|role| role.fields).unwrap_or_default();
            let members = fields.into_iter().filter_map(|field| field.member);
            members.collect()
        })
    })
}

/// The names with this prefix, in order. Empty where there is no table.
fn offered(start: &OsStr, names: impl Fn(&View<'_>) -> Vec<String>) -> Vec<CompletionCandidate> {
    let found = start.to_str().and_then(|start| {
        let file = line().and_then(|line| line.get_one::<PathBuf>("config").cloned());
        let config = Config::load_without_secrets(configuration(file).as_deref()).ok()?;
        let mut names = local_daemon::table(&config, |view| view.settled(|| names(view))).ok()?;
        names.retain(|name| name.starts_with(start));
        names.sort_unstable();
        names.dedup();
        Some(names)
    });
    match found {
        Some(names) if names.len() <= MAX_OFFERED => {
            names.into_iter().map(CompletionCandidate::new).collect()
        }
        _ => Vec::new(),
    }
}

/// The command line so far, which the shell passes after a `--`.
fn line() -> Option<ArgMatches> {
    let words: Vec<OsString> = std::env::args_os()
        .skip_while(|word| word != "--")
        .skip(1)
        .collect();
    let command = crate::Cli::command().ignore_errors(true);
    command.try_get_matches_from(words).ok()
}

/// The role of the subcommand.
fn role_in(line: &ArgMatches) -> Option<String> {
    let (_, subcommand) = line.subcommand()?;
    subcommand.try_get_one::<String>("role").ok()?.cloned()
}
