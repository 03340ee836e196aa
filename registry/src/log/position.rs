//! The position of a reader in a log.

use serde::{Deserialize, Serialize};

use super::EntryId;

/// The last entry that was read. A log that was flushed, failed over or restored may have another
/// entry with the same ID, but it has another nonce.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Position {
    /// The id of the entry.
    pub id: EntryId,
    /// Its nonce; empty for an entry without one.
    pub nonce: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_saved_with_its_id_as_redis_writes_it() {
        let position: Position = serde_json::from_str(r#"{"id":"5-1","nonce":"ab"}"#).unwrap();
        assert_eq!(position.id, "5-1".parse().unwrap());
        assert!(serde_json::from_str::<Position>(r#"{"id":"5","nonce":""}"#).is_err());
    }
}
