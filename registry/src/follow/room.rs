//! How much of Redis is mirrored at most.

use cloudhosts_config::status::UnreadableCode;

use super::read_error::ReadError;
use crate::unreadable::Unreadable;

/// Bytes of fields and values for each field of `max_fields`, on average: three times what a name and
/// an address take. The daemon needs up to 8 bytes of memory for each.
const BYTES_A_FIELD: usize = 128;

/// What to do when there is more.
const REMEDY: &str = "raise max_fields, and MemoryMax= of the unit, or remove fields; until then what \
                      the hash held before is answered";

/// What a hash may take of the memory of the daemon. What is not read takes none: so that the daemon
/// refuses a hash, by name and with its last good content, before the kernel kills it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// `max_fields`, for all hashes.
    limit: usize,
    /// How many fields the hashes before this one leave.
    fields: u64,
    /// How many bytes the other hashes leave.
    bytes: usize,
}

impl Room {
    /// The room of a hash, of which the hashes before it have so many fields, and the others so many
    /// bytes.
    pub(super) fn new(limit: usize, fields_before: u64, bytes_of_others: usize) -> Room {
        Room {
            limit,
            fields: (limit as u64).saturating_sub(fields_before),
            bytes: (limit * BYTES_A_FIELD).saturating_sub(bytes_of_others),
        }
    }

    /// Sees that a hash of so many fields may be read.
    pub(super) fn check_fields(&self, fields: u64) -> Result<(), ReadError> {
        if fields <= self.fields {
            return Ok(());
        }
        let limit = self.limit;
        Err(too_large(format!(
            "it has more fields than max_fields leaves for it ({limit} for all hashes together)"
        )))
    }

    /// Sees that fields and values of so many bytes may be kept.
    pub(super) fn check_bytes(&self, bytes: usize) -> Result<(), ReadError> {
        if self.has_bytes(bytes) {
            return Ok(());
        }
        Err(too_large(format!(
            "its fields and values take more memory than max_fields leaves for them (on average \
             {BYTES_A_FIELD} bytes for each of {})",
            self.limit
        )))
    }

    /// Whether fields and values of so many bytes may be kept.
    pub(super) fn has_bytes(&self, bytes: usize) -> bool {
        bytes <= self.bytes
    }
}

impl Default for Room {
    /// No limit, until one is set.
    fn default() -> Room {
        Room {
            limit: usize::MAX,
            fields: u64::MAX,
            bytes: usize::MAX,
        }
    }
}

fn too_large(what: String) -> ReadError {
    ReadError::Hash(Unreadable {
        code: UnreadableCode::TooLarge,
        why: format!("{what}; {REMEDY}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_share_the_room() {
        let room = Room::new(10, 4, 1_000);
        assert!(room.check_fields(6).is_ok() && room.check_fields(7).is_err());
        assert!(room.check_bytes(280).is_ok() && room.check_bytes(281).is_err());
        assert!(Room::new(10, 11, 9_999).check_fields(1).is_err());
        assert!(Room::default().check_fields(u64::MAX).is_ok());
    }
}
