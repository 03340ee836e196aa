//! Why a hash cannot be read, although the connection works.

use cloudhosts_config::status::UnreadableCode;
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

/// Whether another of several URLs may be able to read it: another node of
/// the cluster, or a Redis where the user has the right. A key of another
/// type is so everywhere, except where the data is older.
pub(crate) fn may_be_read_elsewhere(code: UnreadableCode) -> bool {
    matches!(code, UnreadableCode::Moved | UnreadableCode::NoPerm)
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}
