//! INFO: the sections that are requested, and their fields.

use cloudhosts_config::status::MasterLink;
use redis::{Cmd, Value, cmd};

/// A section of [`INFO`](https://redis.io/docs/latest/commands/info/). Each takes one command:
/// before version 7 Redis accepts one section at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// The process: `run_id`.
    Server,
    /// The replication ID and offset.
    Replication,
    /// How many keys were evicted, and have expired.
    Stats,
    /// How often each command was called.
    CommandStats,
    /// How many clients there are.
    Clients,
    /// The eviction policy.
    Memory,
    /// What is saved to disk, and when.
    Persistence,
}

impl Section {
    /// The command for it.
    pub(crate) fn command(self) -> Cmd {
        let name = match self {
            Section::Server => "server",
            Section::Replication => "replication",
            Section::Stats => "stats",
            Section::CommandStats => "commandstats",
            Section::Clients => "clients",
            Section::Memory => "memory",
            Section::Persistence => "persistence",
        };
        let mut info = cmd("INFO");
        info.arg(name);
        info
    }
}

/// The lines of the sections that were read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Info(String);

impl Info {
    /// Adds a reply. Anything but text is ignored.
    pub(crate) fn add(&mut self, answer: &Value) {
        let text = match answer {
            Value::BulkString(bytes) => String::from_utf8_lossy(bytes),
            Value::VerbatimString { text, .. } | Value::SimpleString(text) => text.into(),
            _ => return,
        };
        self.0.push_str(&text);
        self.0.push('\n');
    }

    /// The value of a field, if it is present and not empty.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let value = |line| str::strip_prefix(line, name)?.strip_prefix(':');
        self.0
            .lines()
            .find_map(value)
            .map(str::trim)
            .filter(|value| !value.is_empty())
    }

    /// The value of a field as a number.
    pub(crate) fn number<N: std::str::FromStr>(&self, name: &str) -> Option<N> {
        self.field(name)?.parse().ok()
    }

    /// The link to the master, if this is about the replication of a replica.
    pub(crate) fn master_link(&self) -> Option<MasterLink> {
        match self.field("master_link_status")? {
            "up" => Some(MasterLink::Up),
            _ => Some(MasterLink::Down),
        }
    }

    /// How often a command was called.
    pub(crate) fn calls(&self, command: &str) -> u64 {
        let line = self.field(&format!("cmdstat_{command}"));
        let calls = line.and_then(|line| line.split(',').next()?.strip_prefix("calls="));
        calls.and_then(|calls| calls.parse().ok()).unwrap_or(0)
    }
}

#[cfg(test)]
pub(super) fn of_text(text: &str) -> Info {
    let mut info = Info::default();
    info.add(&Value::BulkString(text.into()));
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_names() {
        let mut info = of_text("# Server\r\nrun_id:abc\r\nempty:\r\n");
        info.add(&Value::BulkString(
            b"# Commandstats\r\ncmdstat_flushall:calls=3,usec=9\r\nevicted_keys:7\r\n".to_vec(),
        ));
        info.add(&Value::Nil);
        assert_eq!(info.field("run_id"), Some("abc"));
        assert_eq!((info.field("run"), info.field("empty")), (None, None));
        assert_eq!(info.number("evicted_keys"), Some(7u64));
        assert_eq!(info.number::<u64>("run_id"), None);
        assert_eq!((info.calls("flushall"), info.calls("flushdb")), (3, 0));
        assert_eq!(info.master_link(), None);
        let link = |text| of_text(text).master_link();
        assert_eq!(link("master_link_status:up\r\n"), Some(MasterLink::Up));
        assert_eq!(link("master_link_status:down\r\n"), Some(MasterLink::Down));
    }
}
