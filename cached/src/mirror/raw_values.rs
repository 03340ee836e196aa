//! Raw values of fields that are not in normal form in Redis. A table holds what
//! values mean; comparing with Redis takes the values as they are written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::normal_name::write_field;

/// These raw values, by hash and field. The daemon saves them in its state, and
/// the next daemon reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RawValues(BTreeMap<String, BTreeMap<String, String>>);

impl RawValues {
    /// Adds a field. One that is no text is left out: it is read as if it were
    /// new.
    pub(super) fn add(&mut self, hash: &str, role: &str, member: &str, raw: &[u8]) {
        if let Ok(raw) = std::str::from_utf8(raw) {
            let fields = self.0.entry(hash.to_owned()).or_default();
            fields.insert(field(role, member), raw.to_owned());
        }
    }

    /// The raw value of a field, where it is not the normal form.
    pub(super) fn get(&self, hash: &str, role: &str, member: &str) -> Option<&[u8]> {
        let fields = self.0.get(hash)?;
        fields.get(&field(role, member)).map(String::as_bytes)
    }
}

fn field(role: &str, member: &str) -> String {
    let mut name = String::new();
    // Writing to a string cannot fail.
    let _ = write_field(&mut name, role, member);
    name
}
