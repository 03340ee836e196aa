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

use cloudhosts_registry::Counted;
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

/// Begins to log. The environment's `CLOUDHOSTS_LOG` sets how much: `error`,
/// `warn`, `info` (the default), `debug` or `off`.
pub fn start() {
    let wanted = std::env::var("CLOUDHOSTS_LOG").unwrap_or_default();
    let level = match wanted.as_str() {
        "" => Ok(LevelFilter::INFO),
        level => level.parse(),
    };
    let journal = std::env::var_os("JOURNAL_STREAM").is_some() && !std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_max_level(level.as_ref().map_or(LevelFilter::INFO, |level| *level))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .event_format(Line { journal })
        .init();
    if level.is_err() {
        tracing::warn!(
            "CLOUDHOSTS_LOG={} is none of off, error, warn, info, debug; it is taken for info",
            wanted.escape_debug()
        );
    }
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
