//! The change log of a hash.
//!
//! The hash `H` has the stream `H:log` ([`log_key`]). The registering commands append one [`LogEntry`]
//! for each change, in the same script or transaction, first the entry and then the hash. A daemon
//! reads what was appended since its [`Position`], and so knows exactly which fields changed.
//!
//! | field of an entry | meaning |
//! |---|---|
//! | `+FIELD` = VALUE | the hash field is now this value |
//! | `-FIELD` | the hash field is gone |
//! | `.drop` = ROLE, or `*` | what is retained of this role, or of all roles, is no longer wanted |
//! | `.reset` | the change is too large to list: read the hash |
//! | `.verb`, `.by` | what was done, and by whom |
//! | `.nonce` | a random number: distinguishes entries with the same ID |
//! | `.len` | how many fields the hash has afterwards |
//! | `.tx` | the same in all logs that one change was written to |
//!
//! `FIELD` is the raw field. Operations are absolute: applying an entry twice does no harm. Users
//! append entries too, so everything but an operation is optional, what is unknown is ignored, and
//! what is invalid is skipped.

mod entry;
mod entry_id;
mod operation;
mod position;

pub use entry::LogEntry;
pub use entry_id::{EntryId, EntryIdError};
pub use operation::{DropScope, Operation};
pub use position::Position;

/// How many entries a log has; Redis trims it to about that many (`MAXLEN ~`).
pub const MAX_LEN: usize = 10_000;

/// The most operations that one entry lists. A larger change is a
/// [`Operation::Reset`].
pub const MAX_OPERATIONS: usize = 1_000;

/// The key of the log of a hash.
#[must_use]
pub fn log_key(hash: &str) -> String {
    format!("{hash}:log")
}
