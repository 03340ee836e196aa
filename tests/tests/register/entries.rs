//! The change log as a test reads it: by redis-cli, and with a reading of its own.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{Redis, wait};

use crate::common::Registry;

/// One entry, field by field as it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Entry {
    /// The value of a field; empty if it is not there.
    pub(crate) fn get(&self, field: &str) -> &str {
        let found = self.fields.iter().find(|(name, _)| name == field);
        found.map_or("", |(_, value)| value)
    }

    /// What it does, a word for each operation, sorted: `+web=10.0.0.1`, `-web/a`, `.drop=web`,
    /// `.reset`.
    pub(crate) fn does(&self) -> Vec<String> {
        let operations = self.fields.iter().filter(|(field, _)| {
            field.starts_with(['+', '-']) || [".drop", ".reset"].contains(&field.as_str())
        });
        let mut words: Vec<String> = operations
            .map(|(field, value)| {
                if value.is_empty() {
                    field.clone()
                } else {
                    format!("{field}={value}")
                }
            })
            .collect();
        words.sort();
        words
    }
}

impl Registry {
    /// The log of the hash.
    pub(crate) fn log(&self) -> Vec<Entry> {
        self.log_of(HASH)
    }

    /// The log of that hash.
    pub(crate) fn log_of(&self, hash: &str) -> Vec<Entry> {
        let said = self
            .redis
            .cli(&["XRANGE", &format!("{hash}:log"), "-", "+"]);
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines = said.lines();
        while let Some(line) = lines.next() {
            if !line.starts_with(['+', '-', '.']) {
                let (id, fields) = (line.to_owned(), Vec::new());
                entries.push(Entry { id, fields });
                continue;
            }
            // the harness cuts empty lines off at the end
            let value = lines.next().unwrap_or_default().to_owned();
            let entry = entries.last_mut().expect("an id comes first");
            entry.fields.push((line.to_owned(), value));
        }
        entries
    }

    /// Runs a verb; the entry that it alone appended.
    pub(crate) fn logs(&self, arguments: &[&str]) -> Entry {
        let before = self.log();
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        let after = self.log();
        assert_eq!(after[..before.len()], before, "{arguments:?}");
        let [entry] = &after[before.len()..] else {
            panic!("{arguments:?}: {:?}", &after[before.len()..]);
        };
        entry.clone()
    }
}

/// What a hash is to one who knows its log alone. Each entry must say how long the hash is.
pub(crate) fn replayed(log: &[Entry]) -> BTreeMap<String, String> {
    let mut hash = BTreeMap::new();
    for entry in log {
        for (field, value) in &entry.fields {
            match field.split_at(1) {
                ("+", field) => {
                    hash.insert(field.to_owned(), value.clone());
                }
                ("-", field) => {
                    hash.remove(field);
                }
                _ => {}
            }
        }
        assert_eq!(entry.get(".reset"), "", "{entry:?}");
        assert_eq!(entry.get(".len"), hash.len().to_string(), "{entry:?}");
    }
    hash
}

/// A client that Redis tells of changes, as it tells the daemon.
pub(crate) struct Tracking {
    stream: UnixStream,
    heard: String,
}

impl Tracking {
    /// Tells of the next change of the hash, and of its log.
    pub(crate) fn begin(redis: &Redis) -> Tracking {
        let mut stream = UnixStream::connect(redis.socket()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        let commands =
            format!("HELLO 3\r\nCLIENT TRACKING ON\r\nHLEN {HASH}\r\nXLEN {HASH}:log\r\nPING\r\n");
        stream.write_all(commands.as_bytes()).unwrap();
        let heard = String::new();
        let mut tracking = Tracking { stream, heard };
        tracking.until("+PONG\r\n");
        tracking.heard.clear();
        tracking
    }

    /// Waits until the hash has changed; whether it was told of the log first.
    pub(crate) fn log_comes_first(&mut self) -> bool {
        let hash = self.until(&format!("\r\n{HASH}\r\n"));
        let log = self.heard.find(&format!("\r\n{HASH}:log\r\n"));
        log.is_some_and(|log| log < hash)
    }

    /// Waits until that was heard; where.
    fn until(&mut self, what: &str) -> usize {
        wait::until(&format!("Redis says {what:?}"), || {
            let mut bytes = [0; 4096];
            if let Ok(count) = self.stream.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                self.heard.push_str(&text);
            }
            self.heard.find(what)
        })
    }
}
