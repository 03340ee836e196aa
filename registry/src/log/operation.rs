//! What one entry does.

use serde::{Deserialize, Serialize};

/// One operation of an entry. All are absolute: applying one twice does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// The hash field is now this value.
    Set {
        /// The raw field.
        field: Vec<u8>,
        /// Its raw value.
        value: Vec<u8>,
    },
    /// The hash field is gone.
    Delete {
        /// The raw field.
        field: Vec<u8>,
    },
    /// What daemons retain is no longer wanted.
    Drop(DropScope),
    /// The change is too large to list.
    Reset,
}

/// Which retained names are given up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DropScope {
    /// Whatever belongs to this role, in its normal form.
    Role(String),
    /// Everything.
    All,
}
