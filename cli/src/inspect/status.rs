//! `cloudhosts status`: the state of the daemon.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cloudhosts_config::Config;
use cloudhosts_config::Counted;
use cloudhosts_config::printable::Escaped;
use cloudhosts_config::status::{HashStatus, State, Status};
use cloudhosts_table::client::{AttachError, Pulse, pulse};
use cloudhosts_table::handover::HandoverError;

use super::status_metrics;
use crate::local_daemon;
use crate::outcome::{Failure, Outcome};
use crate::output::{LabelledLines, print};
use crate::replace_file;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts status\n  \
    cloudhosts status --json | jq .rejected.count\n  \
    cloudhosts status --format openmetrics")]
pub(crate) struct StatusArgs {
    /// Print the status file of the daemon
    #[arg(long)]
    json: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = StatusFormat::Text, conflicts_with = "json")]
    format: StatusFormat,
    /// Output file, replaced atomically [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// An output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum StatusFormat {
    /// Lines for people
    Text,
    /// The status file of the daemon
    Json,
    /// Metrics for Prometheus
    Openmetrics,
}

pub(crate) fn run(args: &StatusArgs, config: &Config) -> Result<Outcome, Failure> {
    let format = if args.json {
        StatusFormat::Json
    } else {
        args.format
    };
    if format == StatusFormat::Openmetrics {
        return write_metrics(args.output.as_deref(), config);
    }
    if args.output.is_some() {
        return Err(Failure::Usage(
            "--output works with --format openmetrics only".into(),
        ));
    }
    let (text, status) = match local_daemon::status(config) {
        Ok(status) => status,
        // The daemon may run without having been able to write the file.
        Err(failure) if !config.status_file.exists() && gone(config).is_none() => {
            eprintln!("cloudhosts: {failure}");
            return Ok(Outcome::No);
        }
        Err(failure) => return Err(failure),
    };
    let gone = gone(config);
    if format == StatusFormat::Json {
        print(&text)?;
    } else {
        print(&as_lines(&status, gone.is_some()))?;
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

/// Writes the metrics. A daemon that does not run is a metric and no failure: a file that is
/// left as it was would say that all is well.
fn write_metrics(output: Option<&Path>, config: &Config) -> Result<Outcome, Failure> {
    let status = local_daemon::status(config).ok().map(|(_, status)| status);
    let up = status.is_some() && gone(config).is_none();
    let text = status_metrics::metrics(status.as_ref(), up);
    let Some(path) = output else {
        print(&text)?;
        return Ok(Outcome::Yes);
    };
    replace_file::replace(path, text.as_bytes())
        .map_err(|error| Failure::Failed(format!("can't write {}: {error}", path.display())))?;
    Ok(Outcome::Yes)
}

/// Why the status may be out of date: the daemon does not answer, or has stopped.
pub(crate) fn gone(config: &Config) -> Option<String> {
    match pulse(&local_daemon::configured(config)?) {
        Ok(Pulse::Retired) => Some("the daemon is exiting".into()),
        Ok(Pulse::Beating) => None,
        Ok(Pulse::Silent) => Some("no heartbeat of the daemon for 3 s; is it stopped?".into()),
        Err(AttachError::Handover(HandoverError::NothingYet)) => None,
        Err(error) => Some(format!(
            "the daemon does not answer at {}: {error}",
            config.socket.display()
        )),
    }
}

/// The status in two columns.
fn as_lines(status: &Status, gone: bool) -> String {
    let state = if gone {
        "not running".to_owned()
    } else {
        status.state.to_string()
    };
    let mut lines = LabelledLines::default();
    lines.add(&state, since(status.since));
    if !status.reason.is_empty() {
        lines.add("why", Escaped(&status.reason));
    }
    if let Some(redis) = &status.redis {
        let mode = redis.mode.as_deref().unwrap_or("not connected");
        let (endpoint, mode) = (Escaped(&redis.endpoint), Escaped(mode));
        lines.add(
            "redis",
            format_args!("{endpoint}, {mode}, {}", since(redis.since)),
        );
    }
    for hash in &status.hashes {
        lines.add("hash", field_counts(hash));
        if let Some(why) = &hash.unreadable {
            lines.add("", format_args!("can't be read: {}", Escaped(why)));
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
        lines.add("not written", Escaped(&unwritten.reason));
        lines.add("", since(unwritten.since));
    }
    lines.add("rejected", status.rejected.count);
    for field in &status.rejected.fields {
        let (name, hash) = (Escaped(&field.field), Escaped(&field.hash));
        let reason = Escaped(&field.reason);
        lines.add(
            "",
            format_args!("{name} in {hash}: {reason} ({})", field.effect),
        );
    }
    lines.0
}

/// How many fields of a hash are used; and how many are in Redis, where that differs.
fn field_counts(hash: &HashStatus) -> String {
    let mut text = format!("{}: {}", Escaped(&hash.key), fields(hash.fields));
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
