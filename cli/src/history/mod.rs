//! `cloudhosts history`: the change log, for people and scripts. It asks Redis,
//! not the daemon.

mod entry;

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloudhosts_config::Config;
use cloudhosts_registry::log::log_key;
use cloudhosts_registry::register::{Role, RoleError};
use cloudhosts_registry::{History, HistoryError};

use crate::completions;
use crate::outcome::{Failure, Outcome, Plain};
use crate::register::block_on;
use entry::Shown;

/// Between two attempts to reach Redis again.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts history db-master    # who moved the master, and when\n  \
    cloudhosts history --since 1h   # all changes of the last hour\n  \
    cloudhosts history --since 2026-11-24T03:00:00Z --json | jq .by\n  \
    cloudhosts history --follow     # and what comes, as it comes")]
pub(crate) struct Arguments {
    /// Only what concerns this role and its members
    #[arg(value_name = "ROLE", add = completions::role())]
    role: Option<String>,
    /// Only from then on: so long ago (1h, 2days), or a time in UTC (2026-11-24T14:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<SystemTime>,
    /// Go on with what comes, until interrupted
    #[arg(long)]
    follow: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Reads a time: how long ago it was, or when.
fn since(text: &str) -> Result<SystemTime, String> {
    if let Ok(time) = humantime::parse_rfc3339_weak(text) {
        return Ok(time);
    }
    let ago = humantime::parse_duration(text).map_err(|_| {
        "neither a duration, as 1h or 2days, nor a time, as 2026-11-24T14:00:00Z".to_owned()
    })?;
    SystemTime::now()
        .checked_sub(ago)
        .ok_or_else(|| "that is too long ago".to_owned())
}

pub(crate) fn run(arguments: &Arguments, config: Config) -> Result<Outcome, Failure> {
    let role = arguments.role.as_deref().map(role).transpose()?;
    let output = Output {
        role: role.as_ref().map(Role::name),
        several: config.hashes.len() > 1,
        json: arguments.json,
        terminal: io::stdout().is_terminal(),
    };
    let keys: Vec<String> = config.hashes.iter().map(|hash| log_key(hash)).collect();
    let mut history = History::new(Arc::new(config), arguments.since);
    block_on(async {
        let mut printed = false;
        while let Some((hash, entry)) = history.next().await? {
            match output.print(hash, &entry)? {
                Printed::Yes => printed = true,
                Printed::NotAsked => {}
                Printed::NobodyReads => return Ok(Outcome::Yes),
            }
        }
        if arguments.follow {
            return follow(&mut history, &output).await;
        }
        if !printed {
            let of_role = role.as_ref().map(|role| format!(" about {role}"));
            eprintln!(
                "cloudhosts: there is no entry{} in {}{}",
                of_role.unwrap_or_default(),
                Plain(&keys.join(" nor in ")),
                if arguments.since.is_some() {
                    " since then"
                } else {
                    ""
                },
            );
            return Ok(Outcome::No);
        }
        Ok(Outcome::Yes)
    })
}

/// Prints what comes, until nobody reads it any more. A Redis that is away is
/// waited for.
async fn follow(history: &mut History, output: &Output<'_>) -> Result<Outcome, Failure> {
    let mut away = false;
    loop {
        match history.follow().await {
            Ok((hash, entry)) => {
                away = false;
                if let Printed::NobodyReads = output.print(hash, &entry)? {
                    return Ok(Outcome::Yes);
                }
            }
            Err(HistoryError::Away(why)) => {
                if !std::mem::replace(&mut away, true) {
                    eprintln!("cloudhosts: {why}; trying again");
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads the role that is asked for.
fn role(name: &str) -> Result<Role, Failure> {
    Role::parse(name).map_err(|error| {
        Failure::Usage(match error {
            RoleError::Member(quoted) => {
                format!("{quoted}: write the role alone; its members are shown, too")
            }
            error => error.to_string(),
        })
    })
}

/// What is printed, and how.
struct Output<'r> {
    /// Only what concerns this role.
    role: Option<&'r str>,
    /// Whether the hash has to be named.
    several: bool,
    json: bool,
    terminal: bool,
}

/// What became of an entry.
enum Printed {
    Yes,
    /// It does not concern the role.
    NotAsked,
    /// Whoever read this has seen enough.
    NobodyReads,
}

impl Output<'_> {
    fn print(
        &self,
        hash: &str,
        entry: &cloudhosts_registry::log::LogEntry,
    ) -> Result<Printed, Failure> {
        let Some(shown) = Shown::of(hash, entry, self.role) else {
            return Ok(Printed::NotAsked);
        };
        let line = if self.json {
            shown.json()
        } else {
            shown.line(self.several, self.terminal)
        };
        match writeln!(io::stdout(), "{line}") {
            Ok(()) => Ok(Printed::Yes),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Printed::NobodyReads),
            Err(error) => Err(Failure::Failed(format!("can't print: {error}"))),
        }
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Failure {
        Failure::Unreachable(error.to_string())
    }
}
