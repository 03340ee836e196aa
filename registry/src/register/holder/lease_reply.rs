//! The reply to a holder's request.

use serde::{Deserialize, Serialize};

use super::renewal::EndedBy;
use crate::register::outcome::PlaceOutcome;

/// The reply to a [`LeaseRequest`](super::LeaseRequest). In JSON its variant is `state`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum LeaseReply {
    /// The role is held.
    Held {
        /// Since when, in ms by the clock of Redis; for an exclusive holder the term.
        from: u64,
        /// The term by which this holder was ended before, or 0.
        #[serde(default)]
        barred: u64,
        /// Where, and whether the field had to be written. `removed` is what it was before.
        places: Vec<PlaceOutcome>,
    },
    /// Another holder has it exclusively, or it was claimed.
    Standby {
        /// Who has it, for people: a member, the claimed value, or empty if nobody has it yet.
        holder: String,
        /// Since when, in ms by the clock of Redis.
        from: u64,
        /// Who ended this holder, at the first renewal after that.
        #[serde(default)]
        ended: Option<EndedBy>,
        /// The term by which this holder was ended, or 0.
        #[serde(default)]
        barred: u64,
    },
    /// Somebody ended its holders. It must not be held again.
    Ended(EndedBy),
    /// Another holder has this member ID.
    Taken,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::{ChangeOutcome, Place, Where};

    #[test]
    fn a_reply_is_one_flat_object_for_each_place() {
        let place = Place {
            hash: "cloudhosts".into(),
            at: Some(Where::addresses("10.0.0.5").unwrap()),
        };
        let outcome = ChangeOutcome {
            changed: true,
            removed: vec!["10.0.0.4".into()],
            ..ChangeOutcome::default()
        };
        let reply = LeaseReply::Held {
            from: 5,
            barred: 0,
            places: vec![PlaceOutcome { place, outcome }],
        };
        let text = serde_json::to_string(&reply).unwrap();
        assert_eq!(
            text,
            r#"{"state":"held","from":5,"barred":0,"places":[{"hash":"cloudhosts","value":"10.0.0.5","changed":true,"removed":["10.0.0.4"],"ended":[]}]}"#
        );
        assert_eq!(serde_json::from_str::<LeaseReply>(&text).unwrap(), reply);
        // A later version may say more.
        let ended = r#"{"state":"ended","by":"alice@a","verb":"claim","later":1}"#;
        let by = EndedBy {
            by: "alice@a".into(),
            verb: "claim".into(),
        };
        assert_eq!(
            serde_json::from_str::<LeaseReply>(ended).unwrap(),
            LeaseReply::Ended(by)
        );
    }

    #[test]
    fn a_name_is_not_an_address() {
        let place = r#"{"hash":"cloudhosts","value":"db-master"}"#;
        assert!(serde_json::from_str::<Place>(place).is_err());
        let place = r#"{"hash":"cloudhosts"}"#;
        assert_eq!(serde_json::from_str::<Place>(place).unwrap().at, None);
    }
}
