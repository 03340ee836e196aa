//! `cloudhosts history`: the change log, from Redis.

mod entry;

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloudhosts_config::Config;
use cloudhosts_config::printable::Escaped;
use cloudhosts_registry::log::log_key;
use cloudhosts_registry::register::{Role, RoleError};
use cloudhosts_registry::{History, HistoryError};
use entry::EntryView;

use crate::completions;
use crate::outcome::{Failure, Outcome};
use crate::register::needs_redis;
use crate::runtime::block_on;

/// The time between attempts to reach Redis again.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts history db-master    # who moved the master, and when\n  \
    cloudhosts history --since 1h   # all changes of the last hour\n  \
    cloudhosts history --since 2026-11-24T03:00:00Z --json | jq .by\n  \
    cloudhosts history --follow     # and new changes as they happen")]
pub(crate) struct HistoryArgs {
    /// Only changes of this role and its members
    #[arg(value_name = "ROLE", add = completions::role())]
    role: Option<String>,
    /// Only changes since then: a duration (1h, 2days) before now, or a UTC time
    /// (2026-11-24T14:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<SystemTime>,
    /// Keep printing changes as they happen, until interrupted
    #[arg(long)]
    follow: bool,
    /// Print a JSON object per line
    #[arg(long)]
    json: bool,
}

/// Why a time is refused.
#[derive(Debug, thiserror::Error)]
enum SinceError {
    #[error("neither a duration, as 1h or 2days, nor a time, as 2026-11-24T14:00:00Z")]
    Syntax,
    #[error("that is too long ago")]
    TooLongAgo,
}

/// Parses a time, or a duration before now.
fn since(text: &str) -> Result<SystemTime, SinceError> {
    if let Ok(time) = humantime::parse_rfc3339_weak(text) {
        return Ok(time);
    }
    let ago = humantime::parse_duration(text).map_err(|_| SinceError::Syntax)?;
    let time = SystemTime::now().checked_sub(ago);
    time.ok_or(SinceError::TooLongAgo)
}

pub(crate) fn run(args: &HistoryArgs, config: Config) -> Result<Outcome, Failure> {
    let only = config.gateway.as_ref().filter(|_| !config.names_redis());
    needs_redis("history", only)?;
    let role = args.role.as_deref().map(role).transpose()?;
    let output = Output {
        role: role.as_ref().map(Role::name),
        several: config.hashes.len() > 1,
        json: args.json,
        terminal: io::stdout().is_terminal(),
    };
    let keys: Vec<String> = config.hashes.iter().map(|hash| log_key(hash)).collect();
    let mut history = History::new(Arc::new(config), args.since);
    block_on(async {
        let mut printed = false;
        while let Some((hash, entry)) = history.next().await? {
            match output.print(hash, &entry)? {
                Printed::Yes => printed = true,
                Printed::NotAsked => {}
                Printed::NobodyReads => return Ok(Outcome::Yes),
            }
        }
        if args.follow {
            return follow(&mut history, &output).await;
        }
        if !printed {
            let of_role = role.as_ref().map(|role| format!(" about {role}"));
            eprintln!(
                "cloudhosts: no entry{} in {}{}",
                of_role.unwrap_or_default(),
                Escaped(&keys.join(" nor in ")),
                if args.since.is_some() {
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

/// Prints new entries until the reader is gone. Waits for a Redis that can't be reached.
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
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Parses the role.
fn role(name: &str) -> Result<Role, Failure> {
    Role::parse(name).map_err(|error| {
        Failure::Usage(match error {
            RoleError::Member(quoted) => {
                format!("{quoted}: write the role alone; its members are included")
            }
            error => error.to_string(),
        })
    })
}

/// The filter and the format.
struct Output<'r> {
    /// Only what concerns this role.
    role: Option<&'r str>,
    /// Whether the hash has to be named.
    several: bool,
    json: bool,
    terminal: bool,
}

/// What happened to an entry.
enum Printed {
    Yes,
    /// It does not concern the role.
    NotAsked,
    /// The reader has seen enough.
    NobodyReads,
}

impl Output<'_> {
    fn print(
        &self,
        hash: &str,
        entry: &cloudhosts_registry::log::LogEntry,
    ) -> Result<Printed, Failure> {
        let Some(shown) = EntryView::of(hash, entry, self.role) else {
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
