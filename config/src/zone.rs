//! Zones of machines.

use std::fmt;

use thiserror::Error;

use crate::printable::Quoted;

/// Most bytes of a zone.
const MAX_ZONE: usize = 63;

/// The zone of a machine or of a member: an availability zone, a data centre, a
/// rack. It means nothing by itself; two of them are the same or not. It is in
/// lower case, so that those who write it need not agree on that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(Box<str>);

impl Zone {
    /// Reads a zone: up to 63 letters, digits, dots, hyphens and underscores.
    ///
    /// # Errors
    /// It has other characters, none, or too many.
    pub fn parse(raw: &[u8]) -> Result<Zone, ZoneError> {
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_".contains(byte);
        match std::str::from_utf8(raw) {
            Ok(text) if (1..=MAX_ZONE).contains(&raw.len()) && raw.iter().all(fits) => {
                Ok(Zone(text.to_ascii_lowercase().into()))
            }
            _ => Err(ZoneError(Quoted(raw).to_string())),
        }
    }

    /// The zone as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// This is no zone; what it was, quoted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}: a zone has up to {MAX_ZONE} letters, digits, dots, hyphens and underscores")]
pub struct ZoneError(String);
