//! What the gateway and its clients send each other beside [`ChangeReport`](super::ChangeReport),
//! [`LeaseReply`](super::LeaseReply) and `Problem` (crate `cloudhosts-config`).
//!
//! | request | body | answer |
//! |---|---|---|
//! | `PUT` or `DELETE` of a role or member | `RequestBody` or none | `ChangeReport` |
//! | `PUT` of a member by a holder with state | `RequestBody<LeaseRequest>` | `LeaseReply`, whatever its state: 200 |
//! | `DELETE` of a member by a holder with state | `RequestBody<EndRequest>` | `EndReply` |
//! | `PUT` of a member with `?lease=` | `RequestBody` or none | `LeaseReply` if held or on standby: 200; else a `Problem`: 409 |

use serde::{Deserialize, Serialize};

use super::change::Place;
use super::holder::Ended;

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestBody<H = ()> {
    /// The values by hash, which are written at once. If there are none, the hash is the only one that
    /// the token may write to.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<RequestPlace>,
    /// The zone of the addresses that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What a holder with state says: a [`LeaseRequest`](super::LeaseRequest) or an
    /// [`EndRequest`](super::EndRequest).
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub holder: Option<H>,
}

/// One hash, and what is to be written there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestPlace {
    /// The hash. It may be left out if the token may write to one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// The value, as in Redis. It may be left out for the address that the request comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// The answer to a holder that ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndReply {
    /// The results.
    pub places: Vec<PlaceEnd>,
}

/// How a holding ended in one hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceEnd {
    /// The hash.
    pub hash: String,
    /// How it ended.
    pub ended: Ended,
}

impl<H> Default for RequestBody<H> {
    fn default() -> RequestBody<H> {
        RequestBody {
            places: Vec::new(),
            zone: None,
            holder: None,
        }
    }
}

impl<H> RequestBody<H> {
    /// The body for these places. Values that are not known are left out.
    #[must_use]
    pub fn of(places: &[Place], holder: Option<H>) -> RequestBody<H> {
        let places = places.iter().map(|place| RequestPlace {
            hash: Some(place.hash.clone()),
            value: place.at.as_ref().map(ToString::to_string),
        });
        RequestBody {
            places: places.collect(),
            zone: None,
            holder,
        }
    }
}

impl EndReply {
    /// The results by place.
    #[must_use]
    pub fn new(places: &[Place], ended: &[Ended]) -> EndReply {
        let places = places.iter().zip(ended).map(|(place, &ended)| PlaceEnd {
            hash: place.hash.clone(),
            ended,
        });
        EndReply {
            places: places.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::{EndRequest, HolderNonce, Where};

    #[test]
    fn a_body_is_written_and_read() {
        let nonce = HolderNonce::random();
        let holder = EndRequest {
            nonce,
            keep_last: true,
        };
        let at = Some(Where::addresses("10.0.0.5").unwrap());
        let places = [("a", at), ("b", None)].map(|(hash, at)| Place {
            hash: hash.to_owned(),
            at,
        });
        let body = RequestBody::of(&places, Some(holder));
        let text = serde_json::to_string(&body).unwrap();
        let start =
            r#"{"places":[{"hash":"a","value":"10.0.0.5"},{"hash":"b"}],"holder":{"nonce":""#;
        assert!(text.starts_with(start), "{text}");
        let read: RequestBody<EndRequest> = serde_json::from_str(&text).unwrap();
        assert_eq!(read, body);
        let none: RequestBody = serde_json::from_str("{}").unwrap();
        assert_eq!(none, RequestBody::default());
        assert!(serde_json::from_str::<RequestBody>(r#"{"place":[]}"#).is_err());
    }
}
