//! `cloudhosts completions`: what a shell needs to complete the words of this
//! command, which the packages install. It makes the shell run this program at each
//! TAB, so names are those of now: they come from this machine's table.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{Bash, CompleteEnv, EnvCompleter, Fish, Shells, Zsh};
use cloudhosts_config::Config;
use cloudhosts_table::View;

use crate::inspect::roles;
use crate::outcome::{Failure, Outcome, print};
use crate::{configuration, local};

/// This program, as the shell finds it.
const NAME: &str = "cloudhosts";

/// With this in its environment the program answers a shell: it has its name.
const VARIABLE: &str = "CLOUDHOSTS_COMPLETE";

/// The shells that are known.
const SHELLS: [&dyn EnvCompleter; 3] = [&Bash, &Zsh, &Fish];

/// Most names that are offered. Of more none is: a part of them would look like
/// all, and a shell would go on with what that part has in common.
const MOST: usize = 1_000;

/// At its first completion zsh runs the file as a function of its own name, and what
/// clap writes only defines another.
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
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Known,
}

/// The shells that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Known {
    /// bash(1)
    Bash,
    /// zsh(1)
    Zsh,
    /// fish(1)
    Fish,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let (shell, more): (&dyn EnvCompleter, &str) = match arguments.shell {
        Known::Bash => (&Bash, ""),
        Known::Zsh => (&Zsh, ZSH_FIRST),
        Known::Fish => (&Fish, ""),
    };
    let mut text = Vec::new();
    shell
        .write_registration(VARIABLE, NAME, NAME, NAME, &mut text)
        .map_err(|error| Failure::Failed(error.to_string()))?;
    print(&format!("{}{more}", String::from_utf8_lossy(&text)))?;
    Ok(Outcome::Yes)
}

/// Answers a shell that asks how a word may go on; none where no shell asks. What
/// goes wrong is nothing to offer: its message would stand in the line being typed.
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
            let role = roles::one(*view, &role.to_ascii_lowercase());
            let fields = role.map(|role| role.fields).unwrap_or_default();
            let members = fields.into_iter().filter_map(|field| field.member);
            members.collect()
        })
    })
}

/// Those of these names that begin so, in order. None where the table has none, or
/// cannot be had.
fn offered(start: &OsStr, names: impl Fn(&View<'_>) -> Vec<String>) -> Vec<CompletionCandidate> {
    let found = start.to_str().and_then(|start| {
        let file = line().and_then(|line| line.get_one::<PathBuf>("config").cloned());
        let config = Config::load_without_secrets(configuration(file).as_deref()).ok()?;
        let mut names = local::table(&config, |view| view.settled(|| names(view))).ok()?;
        names.retain(|name| name.starts_with(start));
        names.sort_unstable();
        names.dedup();
        Some(names)
    });
    match found {
        Some(names) if names.len() <= MOST => {
            names.into_iter().map(CompletionCandidate::new).collect()
        }
        _ => Vec::new(),
    }
}

/// What the line says so far, which the shell hands over behind a `--`.
fn line() -> Option<ArgMatches> {
    let words: Vec<OsString> = std::env::args_os()
        .skip_while(|word| word != "--")
        .skip(1)
        .collect();
    let command = crate::Arguments::command().ignore_errors(true);
    command.try_get_matches_from(words).ok()
}

/// The role of the verb.
fn role_in(line: &ArgMatches) -> Option<String> {
    let (_, verb) = line.subcommand()?;
    verb.try_get_one::<String>("role").ok()?.cloned()
}
