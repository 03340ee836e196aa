//! Why a hash cannot be read, while the connection is as good as before.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why one hash cannot be read: for programs by its code, for people in words
/// that are fit for a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Which of the known reasons it is.
    pub code: UnreadableCode,
    /// What Redis said, and what to do.
    pub why: String,
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

impl UnreadableCode {
    /// Whether another of several URLs may be able to read it: another node of
    /// the cluster, or a Redis where the user has the right. A key of another
    /// type is so everywhere, except where the data is older.
    pub(crate) fn may_be_read_elsewhere(self) -> bool {
        matches!(self, UnreadableCode::Moved | UnreadableCode::NoPerm)
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}
