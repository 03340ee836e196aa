//! The log: one line on stderr for each thing that happened, with the level in
//! front as the journal takes it (sd-daemon(3)) when that is who listens.
//!
//! Much of what happens is up to others. So no place in the program writes more
//! than its share of lines ([`limit`]); the rest is counted, and told once a
//! minute.

mod limit;

use std::fmt;
use std::io::IsTerminal;
use std::sync::LazyLock;
use std::time::Instant;

use limit::{Limit, Verdict};

use cloudhosts_config::Counted;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// What was written and what was not, of the one log that a process has.
static LIMIT: LazyLock<Limit> = LazyLock::new(Limit::default);

/// The target of lines about lines, which are not limited themselves.
const LEFT_OUT: &str = "left_out";

/// Characters of a line that are quoted.
const QUOTED: usize = 120;

/// When it is to be told next how many lines were left out, if any were.
#[must_use]
pub fn due() -> Option<Instant> {
    LIMIT.due()
}

/// Tells how many lines were left out by `now`; all of them without a time, for
/// who ends.
pub fn tell_left_out(now: Option<Instant>) {
    for left_out in LIMIT.take(now) {
        tracing::warn!(
            target: LEFT_OUT,
            "left out: {} such as: {}",
            Counted::new(left_out.count, "line"),
            left_out.first
        );
    }
}

/// How much is logged, by the environment's `CLOUDHOSTS_LOG`: `error`, `warn`,
/// `info` (the default), `debug` or `off`.
///
/// # Errors
/// It says something else.
pub fn level() -> Result<LevelFilter, UnknownLevel> {
    let wanted = std::env::var_os("CLOUDHOSTS_LOG").unwrap_or_default();
    let wanted = wanted.to_string_lossy();
    match &*wanted {
        "" => Ok(LevelFilter::INFO),
        level => level.parse().map_err(|_| UnknownLevel(level.to_owned())),
    }
}

/// What `CLOUDHOSTS_LOG` says, and is no level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownLevel(String);

impl fmt::Display for UnknownLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "CLOUDHOSTS_LOG={} in the environment is none of off, error, warn, info and debug; \
             write one of them, or leave it out",
            self.0.escape_debug()
        )
    }
}

impl std::error::Error for UnknownLevel {}

/// Begins to log.
pub fn start(level: LevelFilter) {
    let journal = std::env::var_os("JOURNAL_STREAM").is_some() && !std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .event_format(Line { journal })
        .init();
}

/// How a line looks.
struct Line {
    journal: bool,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let verdict = match metadata.target() {
            LEFT_OUT => Verdict::Write,
            _ => LIMIT.ask(metadata, Instant::now()),
        };
        if verdict == Verdict::LeaveOut {
            return Ok(());
        }
        let level = *metadata.level();
        if self.journal {
            write!(writer, "<{}>", priority(level))?;
        } else {
            SystemTime.format_time(&mut writer)?;
            write!(writer, " {level:>5} ")?;
        }
        let mut line = FormattedFields::<N>::new(String::new());
        context.format_fields(line.as_writer(), event)?;
        if verdict == Verdict::BeginToLeaveOut {
            let quoted: String = line.fields.chars().take(QUOTED).collect();
            LIMIT.begins_with(metadata, &quoted);
            line.fields = format!("lines such as this one are left out, and counted: {quoted}");
        }
        // One event is one line, and nothing of it reaches a terminal as a
        // control code, wherever its words came from.
        for c in line.fields.chars() {
            match c {
                c if c.is_control() => write!(writer, "{}", c.escape_default())?,
                c => writer.write_char(c)?,
            }
        }
        writeln!(writer)
    }
}

/// The priority of syslog(3) for a level.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}
