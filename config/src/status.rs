//! The status document, `status.json`: the daemon writes it, the command reads it.

use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::printable::{escaped, unescaped};

/// Most bytes of a field that are shown.
const MAX_SHOWN: usize = 120;

/// Most bytes of a field that are written as they are in Redis. No field that can
/// be used is longer.
pub const MAX_RAW: usize = 321;

/// What `/run/cloudhosts/status.json` holds. Times are RFC 3339, in UTC.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// The daemon's process.
    pub pid: u32,
    /// Its state.
    pub state: State,
    /// Since when.
    #[serde(with = "timestamp")]
    pub since: SystemTime,
    /// Why it is not live, and what to do; empty when it is.
    pub reason: String,
    /// The Redis it is connected to, or tried last.
    pub redis: Option<RedisStatus>,
    /// The hashes mirrored, the deciding one first.
    pub hashes: Vec<HashStatus>,
    /// The last time all hashes were read.
    pub last_full_read: Option<FullRead>,
    /// The table's generation; 0 while there is none.
    pub generation: u64,
    /// Names in the table.
    pub names: u64,
    /// Addresses in the table.
    pub addresses: u64,
    /// Bytes of the table.
    pub table_bytes: u64,
    /// Changes published since the daemon started.
    pub publishes: u64,
    /// Clients that were given the table since the daemon started, as counted when
    /// this was written.
    #[serde(default)]
    pub attaches: u64,
    /// What in Redis is rejected.
    pub rejected: Rejected,
    /// The configuration in effect.
    #[serde(default)]
    pub config: Option<ConfigStatus>,
    /// The file that could not be written last, until it is written again.
    #[serde(default)]
    pub unwritten: Option<Unwritten>,
}

/// The configuration in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigStatus {
    /// The file it was read from; none where there was none.
    pub file: Option<PathBuf>,
    /// When it was read.
    #[serde(with = "timestamp")]
    pub read: SystemTime,
    /// The keys that have changed in the file and take effect after a restart.
    pub pending: Vec<String>,
}

/// A file of the state directory that can't be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unwritten {
    /// The file.
    pub path: PathBuf,
    /// Why, for programs.
    pub code: UnwrittenCode,
    /// Why, and the consequences.
    pub reason: String,
    /// Since when.
    #[serde(with = "timestamp")]
    pub since: SystemTime,
}

/// Why a file can't be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnwrittenCode {
    /// The file system is full, or the quota used up.
    Full,
    /// The file system is mounted read-only.
    ReadOnly,
    /// The file or its directory may not be changed by anybody (chattr(1)).
    Immutable,
    /// The daemon's user may not.
    Denied,
    /// Its directory is missing.
    NoDirectory,
    /// Something else is in its place, such as a directory.
    InTheWay,
    /// Another error.
    Other,
}

/// The state of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It follows Redis.
    Live,
    /// There is no connection; the last good table remains in use.
    Reconnecting,
    /// Redis has lost fields, which are retained; or changes cannot be published.
    Guarded,
    /// A hash can't be read: its previous content remains in use.
    Unreadable,
    /// It follows a replica whose link to its master is down.
    Stale,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            State::Live => "live",
            State::Reconnecting => "reconnecting",
            State::Guarded => "guarded",
            State::Unreadable => "unreadable",
            State::Stale => "stale",
        })
    }
}

/// The connection to Redis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RedisStatus {
    /// Where it is, without a password.
    pub endpoint: String,
    /// How changes are noticed: `tracking`, or `polling` and why; none when
    /// there is no connection.
    pub mode: Option<String>,
    /// Since when it is so.
    #[serde(with = "timestamp")]
    pub since: SystemTime,
    /// How long the last reply took in which something was read, in milliseconds;
    /// none before the first.
    #[serde(default)]
    pub latency_ms: Option<f64>,
    /// Whether this replica hears of its master; none for a master, or where it is not known.
    #[serde(default)]
    pub master_link: Option<MasterLink>,
}

/// The link of a replica to its master, as `INFO replication` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MasterLink {
    /// It hears of every change.
    Up,
    /// It hears of none: what it has may be old.
    Down,
}

/// One hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashStatus {
    /// Its key in Redis.
    pub key: String,
    /// The fields that are used.
    pub fields: usize,
    /// Of these, the fields that are retained: Redis lost them.
    pub retained: usize,
    /// All its fields in Redis, as it was read last; none before that.
    #[serde(default)]
    pub in_redis: Option<usize>,
    /// Of these, the fields of roles that `allow` leaves out.
    #[serde(default)]
    pub filtered: Option<usize>,
    /// The entry up to which its change log was read; none before that, and where
    /// it has no log.
    #[serde(default)]
    pub log_position: Option<String>,
    /// Why it can't be read; its previous content remains in use.
    pub unreadable: Option<String>,
    /// The same as a code.
    #[serde(default)]
    pub unreadable_code: Option<UnreadableCode>,
}

/// The reasons for which a hash cannot be read, by the words of Redis where it
/// has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnreadableCode {
    /// The key lives on another node of a Redis Cluster (MOVED, ASK, CROSSSLOT).
    Moved,
    /// The user may not read it (NOPERM).
    NoPerm,
    /// The key is no hash (WRONGTYPE).
    WrongType,
    /// There is more in it than a table can serve.
    TooLarge,
}

/// A read of all hashes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct FullRead {
    /// When.
    #[serde(with = "timestamp")]
    pub at: SystemTime,
    /// How long it took, in milliseconds.
    pub cost_ms: f64,
}

/// What in Redis can't be used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// How many there are.
    pub count: usize,
    /// The first of them.
    pub fields: Vec<RejectedField>,
}

/// One field that can't be used, or not as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedField {
    /// The hash.
    pub hash: String,
    /// The field as it is shown: with what can't be printed escaped, and cut
    /// when it is long.
    pub field: String,
    /// The field as it is in Redis, escaped, and up to [`MAX_RAW`] bytes of it.
    #[serde(default)]
    pub raw: Option<String>,
    /// How many bytes the field has in Redis; one more than [`MAX_RAW`] for any
    /// longer one.
    #[serde(default)]
    pub length: usize,
    /// What it is that can't be used.
    pub code: RejectedCode,
    /// What is wrong with it. It quotes nothing of the value: all users may read
    /// this, but not all may read Redis.
    pub reason: String,
    /// What became of it.
    pub effect: Effect,
}

impl RejectedField {
    /// What is wrong with this field of Redis.
    #[must_use]
    pub fn new(
        hash: &str,
        field: &[u8],
        code: RejectedCode,
        reason: String,
        effect: Effect,
    ) -> RejectedField {
        let shown = field
            .get(..MAX_SHOWN)
            .filter(|shown| shown.len() < field.len());
        RejectedField {
            hash: hash.to_owned(),
            field: shown.map_or_else(|| escaped(field), |shown| escaped(shown) + "..."),
            raw: Some(escaped(field.get(..MAX_RAW).unwrap_or(field))),
            length: field.len().min(MAX_RAW + 1),
            code,
            reason,
            effect,
        }
    }

    /// The field as it is in Redis. None where it is longer than what is written
    /// of it, or a daemon of another release wrote this.
    #[must_use]
    pub fn name(&self) -> Option<Vec<u8>> {
        let raw = unescaped(self.raw.as_deref()?)?;
        (raw.len() == self.length).then_some(raw)
    }
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectedCode {
    /// Its name.
    Field,
    /// Its value.
    Value,
    /// An attribute in its value.
    Attribute,
    /// It is another spelling of a field that is there too.
    Spelling,
    /// Where its pointer leads.
    Pointer,
}

/// What becomes of a field that is not right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It is ignored.
    Ignored,
    /// Its last good value is used.
    Retained,
    /// The rest of it is used.
    Used,
}

impl std::fmt::Display for Effect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Effect::Ignored => "ignored",
            Effect::Retained => "its last good value is retained",
            Effect::Used => "the rest is used",
        })
    }
}

/// Times as text.
mod timestamp {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(time: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_rfc3339_millis(*time))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(from)?;
        humantime::parse_rfc3339(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_named_as_it_is_in_redis_unless_it_is_too_long() {
        let rejected = |field: &[u8]| {
            RejectedField::new(
                "h",
                field,
                RejectedCode::Field,
                String::new(),
                Effect::Ignored,
            )
        };
        for field in [
            &b""[..],
            b"w\xe9b\n...",
            &[b'\\'; MAX_SHOWN],
            &[0xff; MAX_RAW],
        ] {
            assert_eq!(rejected(field).name().as_deref(), Some(field));
        }
        assert!(rejected(&[b'a'; MAX_SHOWN]).field.ends_with('a'));
        let long = rejected(&[b'a'; 2 * MAX_RAW]);
        assert_eq!((long.name(), long.length), (None, MAX_RAW + 1));
        assert_eq!(long.field.len(), MAX_SHOWN + "...".len());
    }
}
