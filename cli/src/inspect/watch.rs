//! `cloudhosts watch`: prints changes as they are published.

use std::ffi::OsString;
use std::io::{self, Write};
use std::time::{Duration, Instant, SystemTime};

use cloudhosts_config::Config;
use serde_json::json;

use super::changes::{RoleChange, Snapshot};
use super::exec_hook::ExecHook;
use super::list::pattern;
use super::table_watcher::TableWatcher;
use crate::completions;
use crate::outcome::{Failure, Outcome};
use crate::program;

/// How long to sleep at most while nothing changes. Any long time would do.
const MAX_SLEEP: Duration = Duration::from_secs(3600);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts watch 'web*'\n  \
    cloudhosts watch 'web*' --exec nginx -s reload")]
pub(crate) struct WatchArgs {
    /// Only roles that match; `*` matches any text, `?` any character
    #[arg(value_name = "PATTERN", add = completions::role())]
    pattern: Option<String>,
    /// Print a JSON object per line
    #[arg(long)]
    json: bool,
    /// Command to run after changes, with CLOUDHOSTS_ROLE and CLOUDHOSTS_ADDRESSES in its
    /// environment; without a shell, one run at a time. Takes all remaining arguments
    #[arg(long, value_name = "COMMAND", num_args = 1.., allow_hyphen_values = true)]
    exec: Vec<OsString>,
}

pub(crate) fn run(args: &WatchArgs, config: &Config) -> Result<Outcome, Failure> {
    let pattern = pattern(args.pattern.as_deref());
    let mut watcher = TableWatcher::new(config);
    let hook = match args.exec.first() {
        Some(program) => {
            program::find(program).map_err(|why| Failure::Usage(format!("--exec: {why}")))?;
            Some(ExecHook::start(&args.exec))
        }
        None => None,
    };
    let mut last: Option<Snapshot> = None;
    loop {
        let since = Instant::now();
        let looked = watcher.poll(|view| (Snapshot::of(view), view.generation()));
        if let Some((now, generation)) = looked {
            let before = last.replace(now).zip(last.as_ref());
            let changes =
                before.map(|(before, now)| before.changes(now, |role| pattern.matches(role)));
            let changes = changes.unwrap_or_default();
            let lines = changes.iter().map(|change| {
                if args.json {
                    as_json(change, generation)
                } else {
                    as_line(change)
                }
            });
            match print_now(&lines.collect::<String>()) {
                // The reader has seen enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Outcome::Yes),
                Err(error) => return Err(Failure::Failed(format!("can't print: {error}"))),
                Ok(()) => {}
            }
            if let Some(hook) = &hook {
                hook.add(changes);
            }
        }
        watcher.wait(since, MAX_SLEEP);
    }
}

fn print_now(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

fn as_line(change: &RoleChange) -> String {
    let now = humantime::format_rfc3339_millis(SystemTime::now());
    let RoleChange {
        role,
        before,
        after,
    } = change;
    format!("{now} {role}: {} -> {}\n", before.shown(), after.shown())
}

fn as_json(change: &RoleChange, generation: u64) -> String {
    let now = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let object = json!({
        "time": now,
        "role": change.role,
        "before": change.before.addresses,
        "after": change.after.addresses,
        "canonical": change.after.canonical.as_ref().unwrap_or(&change.role),
        "pick": change.after.pick,
        "generation": generation,
    });
    format!("{object}\n")
}
