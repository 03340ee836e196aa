//! The log: one line on stderr for each thing that happened, with the level in
//! front as the journal takes it (sd-daemon(3)) when that is who listens.

use std::fmt;
use std::io::IsTerminal;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

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
        let level = *event.metadata().level();
        if self.journal {
            write!(writer, "<{}>", priority(level))?;
        } else {
            SystemTime.format_time(&mut writer)?;
            write!(writer, " {level:>5} ")?;
        }
        let mut line = FormattedFields::<N>::new(String::new());
        context.format_fields(line.as_writer(), event)?;
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
