//! Why a hash cannot be read, although the connection works.

use std::fmt;

use cloudhosts_config::status::UnreadableCode;

/// Why a hash cannot be read. Callers decide on the code; the text is for the operator, and safe to
/// print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Which of the known reasons it is.
    pub code: UnreadableCode,
    /// The error reply, and what to do.
    pub why: String,
}

/// Whether the hash may be readable at another URL: at another node of the cluster, or where the user
/// has the permission. A key of another type has it everywhere.
pub(crate) fn may_be_read_elsewhere(code: UnreadableCode) -> bool {
    matches!(code, UnreadableCode::Moved | UnreadableCode::NoPerm)
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}
