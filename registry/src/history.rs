//! Reads the change log for people (`cloudhosts history`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloudhosts_config::Config;
use cloudhosts_config::printable::Quoted;
use redis::{Cmd, Value, cmd};

use crate::connect::{CommandError, Connection, Connector, ErrorKind, SILENCE};
use crate::log::{EntryId, LogEntry, log_key};
use crate::reply::{bytes, items};

/// How many entries are read at once. An entry may list a thousand fields.
const PAGE: usize = 100;

/// BLOCK of XREAD. The empty reply shows that the connection is alive.
const BLOCK: Duration = Duration::from_secs(5);

/// The logs of all configured hashes, merged, oldest entry first.
///
/// It has its own connection, to the master or a replica, and reconnects when it was lost. What has
/// been read is not read again.
pub struct History {
    connector: Connector,
    connection: Option<Connection>,
    logs: Vec<LogReader>,
}

/// One log, and how far it has been read.
struct LogReader {
    hash: String,
    /// The last entry that was read. None before the first.
    last: Option<EntryId>,
    /// Entries that were read and not returned yet.
    ahead: VecDeque<LogEntry>,
    /// Whether the last read reached the end.
    ended: bool,
}

/// Why the log cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// Redis cannot be reached, or refuses for now.
    #[error("{0}")]
    Away(String),
    /// Redis refuses.
    #[error("{0}")]
    Refused(String),
    /// The key of the log is not a stream.
    #[error("{0} is not a stream, and a change log belongs there: rename that key, or delete it")]
    NotALog(String),
}

impl History {
    /// Begins with the oldest entry, or with the first after `since`.
    #[must_use]
    pub fn new(config: Arc<Config>, since: Option<SystemTime>) -> History {
        let log = |hash: &String| LogReader {
            hash: hash.clone(),
            last: since.and_then(before),
            ahead: VecDeque::new(),
            ended: false,
        };
        History {
            logs: config.hashes.iter().map(log).collect(),
            connector: Connector::to_read(config),
            connection: None,
        }
    }

    /// The next entry and its hash. None at the end.
    ///
    /// # Errors
    /// Redis cannot be reached, or refuses. The caller may try again.
    pub async fn next(&mut self) -> Result<Option<(&str, LogEntry)>, HistoryError> {
        for at in 0..self.logs.len() {
            self.fill(at).await?;
        }
        Ok(self.first())
    }

    /// Waits until there is a next entry, after the end was reached.
    ///
    /// # Errors
    /// Redis cannot be reached, or refuses. The caller may try again.
    pub async fn follow(&mut self) -> Result<(&str, LogEntry), HistoryError> {
        while self.logs.iter().all(|log| log.ahead.is_empty()) {
            let mut question = cmd("XREAD");
            let block = u64::try_from(BLOCK.as_millis()).unwrap_or(u64::MAX);
            question.arg("COUNT").arg(PAGE).arg("BLOCK").arg(block);
            question.arg("STREAMS");
            question.arg(self.logs.iter().map(LogReader::key).collect::<Vec<_>>());
            let last = |log: &LogReader| log.last.unwrap_or_default().to_string();
            question.arg(self.logs.iter().map(last).collect::<Vec<_>>());
            let answer = self.ask(&question, BLOCK + SILENCE, None).await?;
            for (key, entries) in streams(&answer) {
                if let Some(log) = self.logs.iter_mut().find(|log| log.key().as_bytes() == key) {
                    log.take(entries);
                }
            }
        }
        self.first()
            .ok_or_else(|| HistoryError::Away("there is no log to follow".to_owned()))
    }

    /// Takes the oldest entry that was read.
    fn first(&mut self) -> Option<(&str, LogEntry)> {
        let id = |log: &LogReader| log.ahead.front().map(|entry| entry.id);
        let logs = self.logs.iter_mut().filter(|log| id(log).is_some());
        let log = logs.min_by_key(|log| id(log))?;
        let entry = log.ahead.pop_front()?;
        Some((&log.hash, entry))
    }

    /// Reads the next page of a log, if all its entries were returned.
    async fn fill(&mut self, at: usize) -> Result<(), HistoryError> {
        let Some(log) = self.logs.get(at) else {
            return Ok(());
        };
        if log.ended || !log.ahead.is_empty() {
            return Ok(());
        }
        let start = match log.last {
            None => "-".to_owned(),
            Some(last) => match last.next() {
                Some(next) => next.to_string(),
                None => return Ok(()),
            },
        };
        let key = log.key();
        let mut question = cmd("XRANGE");
        question
            .arg(&key)
            .arg(start)
            .arg("+")
            .arg("COUNT")
            .arg(PAGE);
        let answer = self.ask(&question, SILENCE, Some(&key)).await?;
        if let Some(log) = self.logs.get_mut(at) {
            log.ended = log.take(&answer) < PAGE;
        }
        Ok(())
    }

    /// Sends a command, about this key or all, and connects first if needed.
    async fn ask(
        &mut self,
        question: &Cmd,
        silence: Duration,
        key: Option<&str>,
    ) -> Result<Value, HistoryError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let made = self.connector.connect().await;
                made.map_err(|error| HistoryError::Away(error.to_string()))?
            }
        };
        let endpoint = connection.endpoint.clone();
        let answer = connection.link.send_within(question, silence).await;
        if !matches!(answer, Err(CommandError::Lost(_))) {
            self.connection = Some(connection);
        }
        answer.map_err(|failure| match failure {
            CommandError::Lost(why) => HistoryError::Away(format!("{endpoint}: {why}")),
            CommandError::ErrorReply(reply) if reply.kind == ErrorKind::WrongType => {
                let keys = self.logs.iter().map(LogReader::key);
                let all = || keys.collect::<Vec<_>>().join(" or ");
                let key = key.map_or_else(all, str::to_owned);
                HistoryError::NotALog(format!("{endpoint}: {}", Quoted(key.as_bytes())))
            }
            CommandError::ErrorReply(reply) if reply.is_temporary() => {
                HistoryError::Away(format!("{endpoint}: {reply}"))
            }
            CommandError::ErrorReply(reply) => {
                HistoryError::Refused(format!("{endpoint}: {reply}"))
            }
        })
    }
}

impl LogReader {
    fn key(&self) -> String {
        log_key(&self.hash)
    }

    /// Takes the entries of a reply. Returns how many there are.
    fn take(&mut self, answer: &Value) -> usize {
        self.ahead.extend(LogEntry::list(answer));
        self.last = self.ahead.back().map(|entry| entry.id).or(self.last);
        items(answer).len()
    }
}

/// The highest ID of an entry that was appended before that time.
fn before(time: SystemTime) -> Option<EntryId> {
    let since = time.duration_since(UNIX_EPOCH).ok()?.as_millis();
    let ms = u64::try_from(since).ok()?.checked_sub(1)?;
    let seq = u64::MAX;
    Some(EntryId { ms, seq })
}

/// The keys and entries in the reply to XREAD, in RESP2 or RESP3.
fn streams(answer: &Value) -> Vec<(&[u8], &Value)> {
    match answer {
        Value::Map(streams) => streams
            .iter()
            .filter_map(|(key, entries)| Some((bytes(key)?, entries)))
            .collect(),
        flat => items(flat)
            .iter()
            .filter_map(|stream| match items(stream) {
                [key, entries, ..] => Some((bytes(key)?, entries)),
                _ => None,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_read_in_both_forms_of_the_protocol() {
        let key = || Value::BulkString(b"a:log".to_vec());
        let entries = || Value::Array(Vec::new());
        let resp2 = Value::Array(vec![Value::Array(vec![key(), entries()]), Value::Nil]);
        let resp3 = Value::Map(vec![(key(), entries())]);
        for answer in [resp2, resp3] {
            assert_eq!(streams(&answer), [(&b"a:log"[..], &entries())]);
        }
        assert!(streams(&Value::Nil).is_empty());
    }

    #[test]
    fn what_is_read_since_a_time_begins_with_the_first_entry_of_it() {
        let at = |ms| UNIX_EPOCH + Duration::from_millis(ms);
        let first = |ms| before(at(ms)).and_then(EntryId::next).unwrap();
        assert_eq!(first(1_700_000_000_000).to_string(), "1700000000000-0");
        assert_eq!(before(at(0)), None);
    }
}
