//! What became of a change, as an object in JSON: that of `cloudhosts claim --json`, and of the gateway.

use serde::{Deserialize, Serialize};

use super::change::{Change, Place, Verb};

/// The result of a change in one hash.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChangeOutcome {
    /// Whether the hash was changed.
    pub changed: bool,
    /// The fields that were removed. For a renewal: the previous value of the field.
    pub removed: Vec<String>,
    /// Members that were ended while their holders are alive. These learn of it at the next renewal.
    pub ended: Vec<String>,
    /// The target of the pointer has no address. In JSON it is said once for all hashes.
    #[serde(skip)]
    pub dangling: bool,
}

/// A place, and the result there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceOutcome {
    /// The hash, and the value.
    #[serde(flatten)]
    pub place: Place,
    /// The result.
    #[serde(flatten)]
    pub outcome: ChangeOutcome,
}

impl PlaceOutcome {
    /// Nothing had to be changed there.
    #[must_use]
    pub fn unchanged(place: Place) -> PlaceOutcome {
        PlaceOutcome {
            place,
            outcome: ChangeOutcome::default(),
        }
    }

    /// These places, each with its result.
    pub(super) fn all(places: &[Place], outcomes: Vec<ChangeOutcome>) -> Vec<PlaceOutcome> {
        let places = places.iter().cloned().zip(outcomes);
        places
            .map(|(place, outcome)| PlaceOutcome { place, outcome })
            .collect()
    }
}

/// A change and its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeReport {
    /// What was done.
    pub verb: Verb,
    /// The role.
    pub role: String,
    /// The member, if the verb is about one.
    pub member: Option<String>,
    /// The results.
    pub places: Vec<PlaceOutcome>,
    /// The target of the pointer has no address.
    pub dangling: bool,
}

impl ChangeReport {
    /// Reports a change, with the result for each of its places.
    #[must_use]
    pub fn new(change: &Change, outcomes: Vec<ChangeOutcome>) -> ChangeReport {
        ChangeReport {
            verb: change.verb,
            role: change.role.name().to_owned(),
            member: change.role.member().map(str::to_owned),
            dangling: outcomes.iter().any(|one| one.dangling),
            places: PlaceOutcome::all(&change.places, outcomes),
        }
    }
}
