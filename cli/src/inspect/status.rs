//! `cloudhosts status`: how the daemon is.

use std::time::{Duration, SystemTime};

use cloudhosts_config::Config;
use cloudhosts_config::Counted;
use cloudhosts_config::status::{HashStatus, State, Status};
use cloudhosts_table::client::{AttachError, Pulse, pulse};
use cloudhosts_table::handover::HandoverError;

use crate::local;
use crate::outcome::{Failure, Lines, Outcome, Plain, print};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts status\n  \
    cloudhosts status --json | jq .rejected.count")]
pub(crate) struct Arguments {
    /// Print the daemon's status file as it is
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, config: &Config) -> Result<Outcome, Failure> {
    let (text, status) = match local::status(config) {
        Ok(status) => status,
        // A daemon that could not write its file is there all the same.
        Err(failure) if !config.status_file.exists() && gone(config).is_none() => {
            eprintln!("cloudhosts: {failure}");
            return Ok(Outcome::No);
        }
        Err(failure) => return Err(failure),
    };
    let gone = gone(config);
    match arguments.json {
        true => print(&text)?,
        false => print(&table(&status, gone.is_some()))?,
    }
    match (gone, status.state) {
        (None, State::Live) => Ok(Outcome::Yes),
        (None, _) => Ok(Outcome::No),
        (Some(gone), _) => {
            eprintln!("cloudhosts: {gone}");
            Ok(Outcome::No)
        }
    }
}

/// Why the file may not be what the daemon would say now: nobody serves the
/// socket, or the heart does not beat.
pub(crate) fn gone(config: &Config) -> Option<String> {
    match pulse(&local::configured(config)?) {
        Ok(Pulse::Retired) => Some("the daemon is exiting".into()),
        Ok(Pulse::Beating) => None,
        Ok(Pulse::Silent) => {
            Some("the daemon has given no sign of life for 3 s; is it stopped?".into())
        }
        Err(AttachError::Handover(HandoverError::NothingYet)) => None,
        Err(error) => Some(format!(
            "the daemon does not answer at {}: {error}",
            config.socket.display()
        )),
    }
}

/// The status for people: a word or two, and what it says.
fn table(status: &Status, gone: bool) -> String {
    let state = if gone {
        "not running".to_owned()
    } else {
        status.state.to_string()
    };
    let mut lines = Lines::default();
    lines.add(&state, since(status.since));
    if !status.reason.is_empty() {
        lines.add("why", Plain(&status.reason));
    }
    if let Some(redis) = &status.redis {
        let mode = redis.mode.as_deref().unwrap_or("not connected");
        let (endpoint, mode) = (Plain(&redis.endpoint), Plain(mode));
        lines.add(
            "redis",
            format_args!("{endpoint}, {mode}, {}", since(redis.since)),
        );
    }
    for hash in &status.hashes {
        lines.add("hash", held(hash));
        if let Some(why) = &hash.unreadable {
            lines.add("", format_args!("can't be read: {}", Plain(why)));
        }
    }
    if let Some(read) = status.last_full_read {
        let cost = read.cost_ms;
        lines.add(
            "full read",
            format_args!("{}, took {cost:.1} ms", ago(read.at)),
        );
    }
    lines.add(
        "table",
        format_args!(
            "generation {}, {}, {}, {}, {} published",
            status.generation,
            Counted::new(status.names, "name"),
            Counted::new(status.addresses, "address"),
            Counted::new(status.table_bytes, "byte"),
            Counted::new(status.publishes, "change")
        ),
    );
    if let Some(unwritten) = &status.unwritten {
        lines.add("not written", Plain(&unwritten.reason));
        lines.add("", since(unwritten.since));
    }
    lines.add("rejected", status.rejected.count);
    for field in &status.rejected.fields {
        let (name, hash) = (Plain(&field.field), Plain(&field.hash));
        let reason = Plain(&field.reason);
        lines.add(
            "",
            format_args!("{name} in {hash}: {reason} ({})", field.effect),
        );
    }
    lines.0
}

/// What is used of a hash; and what it holds in Redis, where that is more.
fn held(hash: &HashStatus) -> String {
    let mut text = format!("{}: {}", Plain(&hash.key), fields(hash.fields));
    if hash.retained > 0 {
        text.push_str(&format!(", of which Redis has lost {}", hash.retained));
    }
    let used = hash.fields - hash.retained.min(hash.fields);
    if let Some(in_redis) = hash.in_redis.filter(|&in_redis| in_redis != used) {
        text.push_str(&format!("; {} in Redis", fields(in_redis)));
        if let Some(filtered) = hash.filtered.filter(|&filtered| filtered > 0) {
            text.push_str(&format!(", of which allow leaves out {filtered}"));
        }
    }
    text
}

fn fields(count: usize) -> Counted<'static> {
    Counted::new(count as u64, "field")
}

fn since(moment: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(moment);
    format!("since {text} ({})", ago(moment))
}

/// How long ago, to the second; "just now" where the clock disagrees.
pub(crate) fn ago(moment: SystemTime) -> String {
    match moment.elapsed().map(|age| age.as_secs()) {
        Ok(0) | Err(_) => "just now".into(),
        Ok(age) => format!(
            "{} ago",
            humantime::format_duration(Duration::from_secs(age))
        ),
    }
}
