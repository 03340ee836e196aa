//! Up to where the change log of a hash has been read.

use redis::{Cmd, Value, cmd};
use serde::{Deserialize, Serialize};

use super::verdict::LogEvidence;
use crate::log::{EntryId, LogEntry, Position};
use crate::reply::items;

/// Up to where a log has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogCursor {
    /// It was never read, or the position in it was lost.
    #[default]
    Unknown,
    /// It had no entry with a higher ID: all entries are new. If this is not 0-0, the log was
    /// truncated while it was followed.
    After(EntryId),
    /// Up to this entry.
    At(Position),
}

/// The new entries of a log.
#[derive(Debug, Default)]
pub(super) struct LogPage {
    /// The new entries in their order.
    pub(super) entries: Vec<LogEntry>,
    /// There may be more.
    pub(super) more: bool,
    /// What this shows about the continuity of the data.
    pub(super) evidence: LogEvidence,
    /// Entries may be missing before these.
    pub(super) gap: bool,
    /// How many fields the hash had after the newest entry, if only that entry was read.
    pub(super) newest_len: Option<u64>,
}

impl LogCursor {
    /// The command for a page of new entries. A page has at least two: the last known entry comes
    /// first, if it is still there.
    pub(super) fn command(&self, log: &str, page: usize) -> Cmd {
        let mut command = match self {
            LogCursor::Unknown => cmd("XREVRANGE").arg(log).arg("+").arg("-").to_owned(),
            LogCursor::After(id) => range(log, id.next().unwrap_or(*id)),
            LogCursor::At(position) => range(log, position.id),
        };
        let page = if *self == LogCursor::Unknown { 1 } else { page };
        command.arg("COUNT").arg(page);
        command
    }

    /// Reads the reply, and advances.
    pub(super) fn read(&mut self, answer: &Value, page: usize) -> LogPage {
        let mut entries = LogEntry::list(answer);
        let newest = entries.last().map(LogEntry::position);
        let more = items(answer).len() >= page;
        match self {
            LogCursor::Unknown => {
                *self = newest.map_or(LogCursor::After(EntryId::default()), LogCursor::At);
                LogPage {
                    newest_len: entries.last().and_then(|entry| entry.len),
                    ..LogPage::default()
                }
            }
            LogCursor::After(id) => {
                // A log that was truncated may be truncated again.
                let gap = *id != EntryId::default() && newest.is_some();
                *self = newest.map_or(LogCursor::After(*id), LogCursor::At);
                LogPage {
                    entries,
                    more,
                    gap,
                    ..LogPage::default()
                }
            }
            LogCursor::At(position) => {
                let ours = entries.first().map(LogEntry::position).as_ref() == Some(position);
                if ours {
                    entries.remove(0);
                }
                *self = newest.map_or(LogCursor::After(position.id), LogCursor::At);
                LogPage {
                    more,
                    entries,
                    evidence: if ours {
                        LogEvidence::Continues
                    } else {
                        LogEvidence::Broken
                    },
                    gap: !ours,
                    newest_len: None,
                }
            }
        }
    }
}

fn range(log: &str, from: EntryId) -> Cmd {
    let mut range = cmd("XRANGE");
    range.arg(log).arg(from.to_string()).arg("+");
    range
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn answer(entries: &[(&str, &str)]) -> Value {
        let entry = |&(id, nonce): &(&str, &str)| {
            let fields = vec![bulk("+a"), bulk("1"), bulk(".nonce"), bulk(nonce)];
            Value::Array(vec![bulk(id), Value::Array(fields)])
        };
        Value::Array(entries.iter().map(entry).collect())
    }

    fn at(id: &str, nonce: &str) -> LogCursor {
        LogCursor::At(Position {
            id: id.parse().unwrap(),
            nonce: nonce.into(),
        })
    }

    fn after(id: &str) -> LogCursor {
        LogCursor::After(id.parse().unwrap())
    }

    fn words(command: &Cmd) -> String {
        let packed = command.get_packed_command();
        let text = String::from_utf8(packed).unwrap();
        let words: Vec<&str> = text.split("\r\n").skip(2).step_by(2).collect();
        words.join(" ")
    }

    #[test]
    fn a_log_is_read_from_our_own_entry_on() {
        let command = |mark: &LogCursor| words(&mark.command("h:log", 256));
        assert_eq!(command(&LogCursor::Unknown), "XREVRANGE h:log + - COUNT 1");
        assert_eq!(command(&after("0-0")), "XRANGE h:log 0-1 + COUNT 256");
        assert_eq!(command(&at("5-1", "x")), "XRANGE h:log 5-1 + COUNT 256");
    }

    #[test]
    fn it_goes_on_if_our_entry_comes_first_with_our_nonce() {
        let mut mark = at("5-1", "x");
        let read = mark.read(&answer(&[("5-1", "x"), ("6-0", "y")]), 256);
        assert_eq!(
            (read.entries.len(), read.evidence),
            (1, LogEvidence::Continues)
        );
        assert_eq!((mark, read.more), (at("6-0", "y"), false));

        for other in [&[("5-1", "z"), ("6-0", "y")][..], &[("6-0", "y")]] {
            let mut mark = at("5-1", "x");
            let read = mark.read(&answer(other), 256);
            assert_eq!(
                (read.entries.len(), read.evidence),
                (other.len(), LogEvidence::Broken)
            );
            assert_eq!(mark, at("6-0", "y"));
        }

        let mut mark = at("5-1", "x");
        let read = mark.read(&answer(&[]), 256);
        assert_eq!((mark, read.evidence), (after("5-1"), LogEvidence::Broken));
    }

    #[test]
    fn a_log_that_was_empty_has_nothing_but_news() {
        let mut mark = after("0-0");
        let read = mark.read(&answer(&[]), 256);
        assert_eq!((&mark, read.entries.len()), (&after("0-0"), 0));
        let read = mark.read(&answer(&[("5-1", "x"), ("6-0", "")]), 2);
        assert_eq!(
            (mark, read.entries.len(), read.more),
            (at("6-0", ""), 2, true)
        );
    }

    #[test]
    fn of_a_log_that_is_not_known_the_newest_entry_is_noted() {
        let mut mark = LogCursor::Unknown;
        let read = mark.read(&answer(&[("6-0", "y")]), 256);
        assert_eq!(
            (mark, read.entries.len(), read.more),
            (at("6-0", "y"), 0, false)
        );
        let mut mark = LogCursor::Unknown;
        mark.read(&Value::Nil, 256);
        assert_eq!(mark, after("0-0"));
    }

    #[test]
    fn it_is_saved_as_text() {
        for mark in [LogCursor::Unknown, after("0-0"), at("5-1", "x")] {
            let text = serde_json::to_string(&mark).unwrap();
            assert_eq!(serde_json::from_str::<LogCursor>(&text).unwrap(), mark);
        }
    }
}
