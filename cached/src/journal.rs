//! The log: one line on stderr for each event, with the priority prefix of
//! sd-daemon(3) when stderr is the journal.
//!
//! Others decide how often some events happen. So each call site is rate-limited
//! ([`rate_limit`]); suppressed lines are counted, and reported once a minute.

mod rate_limit;

use std::fmt;
use std::io::IsTerminal;
use std::sync::LazyLock;
use std::time::Instant;

use cloudhosts_config::Counted;
use cloudhosts_config::printable::{Escaped, Quoted};
use rate_limit::{RateDecision, RateLimit};
use thiserror::Error;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The rate limit of the log of this process.
static LIMIT: LazyLock<RateLimit> = LazyLock::new(RateLimit::default);

/// The target of lines about suppressed lines, which are not limited themselves.
const SUPPRESSED: &str = "suppressed";

/// Characters of a line that are quoted.
const QUOTED: usize = 120;

/// When suppressed lines are to be reported next, if there are any.
#[must_use]
pub(crate) fn due() -> Option<Instant> {
    LIMIT.due()
}

/// Reports the suppressed lines that are due at `now`; all of them without a
/// time, when the daemon exits.
pub(crate) fn tell_suppressed(now: Option<Instant>) {
    for suppressed in LIMIT.take(now) {
        tracing::warn!(
            target: SUPPRESSED,
            "suppressed {} such as: {}",
            Counted::new(suppressed.count, "line"),
            suppressed.first
        );
    }
}

/// How much is logged, by the environment's `CLOUDHOSTS_LOG`: `error`, `warn`,
/// `info` (the default), `debug` or `off`.
///
/// # Errors
/// It is set to something else.
pub(crate) fn level() -> Result<LevelFilter, UnknownLevel> {
    let wanted = std::env::var_os("CLOUDHOSTS_LOG").unwrap_or_default();
    let wanted = wanted.to_string_lossy();
    match &*wanted {
        "" => Ok(LevelFilter::INFO),
        level => level.parse().map_err(|_| UnknownLevel(level.to_owned())),
    }
}

/// What `CLOUDHOSTS_LOG` says, and is no level.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "CLOUDHOSTS_LOG={} is not one of off, error, warn, info and debug; set one of them, or unset it",
    Quoted(.0.as_bytes())
)]
pub(crate) struct UnknownLevel(String);

/// Starts to log.
pub(crate) fn start(level: LevelFilter) {
    let journal = std::env::var_os("JOURNAL_STREAM").is_some() && !std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .event_format(LineFormat { journal })
        .init();
}

/// How a line looks.
struct LineFormat {
    journal: bool,
}

impl<S, N> FormatEvent<S, N> for LineFormat
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
        let decision = match metadata.target() {
            SUPPRESSED => RateDecision::Write,
            _ => LIMIT.ask(metadata, Instant::now()),
        };
        if decision == RateDecision::Suppress {
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
        if decision == RateDecision::BeginToSuppress {
            let quoted: String = line.fields.chars().take(QUOTED).collect();
            LIMIT.begins_with(metadata, &quoted);
            line.fields = format!("suppressing further lines such as: {quoted}");
        }
        // One event is one line, and nothing of it reaches a terminal as a
        // control code, wherever its words came from.
        writeln!(writer, "{}", Escaped(&line.fields))
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
