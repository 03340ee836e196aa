//! `cloudhosts watch`: one line for each change, as it is published.

use std::ffi::OsString;
use std::io::{self, Write};
use std::time::{Duration, Instant, SystemTime};

use cloudhosts_config::Config;
use serde_json::json;

use super::changes::{Change, Kept};
use super::errand::Errand;
use super::list::pattern;
use super::newest::Newest;
use crate::completions;
use crate::outcome::{Failure, Outcome};
use crate::program;

/// How long to sleep at most while nothing changes. Nothing depends on it.
const LONGEST: Duration = Duration::from_secs(3600);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts watch 'web*'\n  \
    cloudhosts watch 'web*' --exec nginx -s reload")]
pub(crate) struct Arguments {
    /// Only roles that match: `*` is any text, `?` any character
    #[arg(value_name = "PATTERN", add = completions::role())]
    pattern: Option<String>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// Run this after each change, with CLOUDHOSTS_ROLE and CLOUDHOSTS_ADDRESSES in
    /// its environment; never twice at once, never through a shell. All words behind
    /// it belong to it
    #[arg(long, value_name = "COMMAND", num_args = 1.., allow_hyphen_values = true)]
    exec: Vec<OsString>,
}

pub(crate) fn run(arguments: &Arguments, config: &Config) -> Result<Outcome, Failure> {
    let pattern = pattern(arguments.pattern.as_deref());
    let mut newest = Newest::new(config);
    let errand = match arguments.exec.first() {
        Some(program) => {
            program::find(program).map_err(|why| Failure::Usage(format!("--exec: {why}")))?;
            Some(Errand::start(&arguments.exec))
        }
        None => None,
    };
    let mut kept: Option<Kept> = None;
    loop {
        let since = Instant::now();
        let looked = newest.look(|view| (Kept::of(view), view.generation()));
        if let Some((now, generation)) = looked {
            let before = kept.replace(now).zip(kept.as_ref());
            let changes =
                before.map(|(before, now)| before.changes(now, |role| pattern.matches(role)));
            let changes = changes.unwrap_or_default();
            let lines = changes.iter().map(|change| match arguments.json {
                true => as_json(change, generation),
                false => as_line(change),
            });
            match print_now(&lines.collect::<String>()) {
                // Whoever read this has seen enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Outcome::Yes),
                Err(error) => return Err(Failure::Failed(format!("can't print: {error}"))),
                Ok(()) => {}
            }
            if let Some(errand) = &errand {
                errand.add(changes);
            }
        }
        newest.wait(since, LONGEST);
    }
}

fn print_now(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

fn as_line(change: &Change) -> String {
    let now = humantime::format_rfc3339_millis(SystemTime::now());
    let Change {
        role,
        before,
        after,
    } = change;
    format!("{now} {role}: {} -> {}\n", before.shown(), after.shown())
}

fn as_json(change: &Change, generation: u64) -> String {
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
