//! What a holder sends to renew its lease, and to end it.

use std::time::Duration;

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};

use super::nonce::HolderNonce;
use super::renewal::HoldOptions;

/// The shortest lease: half of it must suffice to reconnect to Redis.
pub const SHORTEST_LEASE: Duration = Duration::from_secs(3);

/// The longest lease.
pub const LONGEST_LEASE: Duration = Duration::from_secs(24 * 3600);

/// The longest time after which the address of the last holder is removed.
const LONGEST_STAY: Duration = Duration::from_secs(366 * 24 * 3600);

/// The greatest time or term that scripts count with: Lua is exact up to 2^53.
const LAST_TERM: u64 = 1 << 53;

/// The greatest term that a holder can have the next one follow. Terms that follow it still grow: a
/// holder that makes its term up does not take that from the others.
const LAST_KNOWN: u64 = 1 << 52;

/// A holder's request to join, or to renew its lease. It says all that the holder knows, so that
/// whoever passes it on (a [`LeaseStore`](super::LeaseStore)) need not know anything of the holder.
///
/// In JSON it is the object `holder` of the body of a request to the gateway, whose path has the role
/// and member, and whose `places` are those of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseRequest {
    /// Who asks.
    pub nonce: HolderNonce,
    /// How long the membership lasts without renewal.
    #[serde(rename = "lease_ms", with = "lease_ms")]
    pub lease: Duration,
    /// Whether there is one holder, with the others on standby.
    #[serde(default)]
    pub exclusive: bool,
    /// How long the address of the last holder stays after its lease. None: without limit.
    #[serde(default, rename = "expire_last_ms", with = "stay_ms")]
    pub expire_last: Option<Duration>,
    /// The state by the last reply.
    #[serde(default)]
    pub state: LeaseState,
    /// `from` of the last reply, or 0: since when it has that state, in ms by the clock of Redis; for
    /// an exclusive holder the term.
    #[serde(default, deserialize_with = "known_term")]
    pub from: u64,
    /// Whether an attempt has failed since the last reply.
    #[serde(default)]
    pub interrupted: bool,
    /// `barred` of the last reply, or 0: the term by which this holder was ended. It must not take the
    /// role back in that term.
    #[serde(default, deserialize_with = "term")]
    pub barred: u64,
}

/// The state of a holder by the last reply that it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeaseState {
    /// It has not joined yet.
    #[default]
    New,
    /// It keeps no state: if it has a lease that is renewed, otherwise it joins.
    Unknown,
    /// It held the role.
    Held,
    /// It was on standby.
    Standby,
}

/// A holder's request to end its lease, or its standby. In JSON it is the object `holder` of the
/// body of a request to the gateway, like [`LeaseRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndRequest {
    /// Who asks.
    pub nonce: HolderNonce,
    /// Whether the address of the last holder stays.
    #[serde(default)]
    pub keep_last: bool,
}

impl LeaseRequest {
    /// The request of a holder that has not joined yet.
    #[must_use]
    pub fn new(nonce: HolderNonce, options: &HoldOptions) -> LeaseRequest {
        LeaseRequest {
            nonce,
            lease: options.lease,
            exclusive: options.exclusive,
            expire_last: options.expire_last,
            state: LeaseState::New,
            from: 0,
            interrupted: false,
            barred: 0,
        }
    }

    /// The request of a holder that keeps no state, such as a script that calls curl. It shares the
    /// role with others.
    #[must_use]
    pub fn without_state(nonce: HolderNonce, lease: Duration) -> LeaseRequest {
        let options = HoldOptions {
            lease,
            exclusive: false,
            expire_last: None,
            keep_last: false,
        };
        LeaseRequest {
            state: LeaseState::Unknown,
            ..LeaseRequest::new(nonce, &options)
        }
    }
}

/// A lease in ms, within its bounds.
mod lease_ms {
    use super::*;

    pub(super) fn serialize<S: Serializer>(lease: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(ms(*lease))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let lease = Duration::from_millis(u64::deserialize(from)?);
        if (SHORTEST_LEASE..=LONGEST_LEASE).contains(&lease) {
            Ok(lease)
        } else {
            Err(D::Error::custom(format!(
                "a lease lasts from {} to {} ms",
                ms(SHORTEST_LEASE),
                ms(LONGEST_LEASE)
            )))
        }
    }
}

/// A time in ms that is neither zero nor absurdly long, or null.
mod stay_ms {
    use super::*;

    pub(super) fn serialize<S: Serializer>(
        stay: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        stay.map(ms).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        let stay = Option::<u64>::deserialize(from)?.map(Duration::from_millis);
        if stay.is_none_or(|stay| !stay.is_zero() && stay <= LONGEST_STAY) {
            Ok(stay)
        } else {
            Err(D::Error::custom(format!(
                "the last address stays for 1 to {} ms, or (null) without limit",
                ms(LONGEST_STAY)
            )))
        }
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A time or a term that scripts count with exactly.
fn term<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let term = u64::deserialize(from)?;
    if term <= LAST_TERM {
        Ok(term)
    } else {
        Err(D::Error::custom("this is neither a time nor a term"))
    }
}

/// The same as it counts for the next term.
fn known_term<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    Ok(term(from)?.min(LAST_KNOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = r#"{"nonce":"0123456789abcdef","lease_ms":15000"#;

    fn read(more: &str) -> Result<LeaseRequest, serde_json::Error> {
        serde_json::from_str(&format!("{LEAST}{more}}}"))
    }

    #[test]
    fn a_request_is_written_and_read() {
        let options = HoldOptions {
            lease: Duration::from_millis(3500),
            exclusive: true,
            expire_last: Some(Duration::from_secs(60)),
            keep_last: true,
        };
        let request = LeaseRequest {
            state: LeaseState::Standby,
            from: 1_795_548_416_581,
            interrupted: true,
            barred: 7,
            ..LeaseRequest::new(HolderNonce::random(), &options)
        };
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(
            serde_json::from_str::<LeaseRequest>(&text).unwrap(),
            request
        );
        let least = read("").unwrap();
        let nonce = least.nonce.clone();
        let plain = HoldOptions {
            lease: Duration::from_secs(15),
            exclusive: false,
            expire_last: None,
            keep_last: false,
        };
        assert_eq!(least, LeaseRequest::new(nonce, &plain));
    }

    #[test]
    fn a_term_that_is_made_up_leaves_room_for_those_that_follow() {
        let made_up = read(r#","from":9007199254740992,"barred":9007199254740992"#).unwrap();
        assert_eq!(made_up.from, LAST_KNOWN);
        assert_eq!(made_up.barred, LAST_TERM);
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        for bad in [
            r#","x":1"#,
            r#","state":"dead""#,
            r#","from":-1"#,
            r#","from":9007199254740993"#,
            r#","barred":9007199254740993"#,
            r#","expire_last_ms":0"#,
            r#","expire_last_ms":31622400001"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        for bad in [
            r#"{"nonce":"0123456789abcdef","lease_ms":2999}"#,
            r#"{"nonce":"0123456789abcdef","lease_ms":86400001}"#,
            r#"{"nonce":"0123456789ABCDEF","lease_ms":15000}"#,
            r#"{"nonce":"0123456789abcde ","lease_ms":15000}"#,
            r#"{"nonce":"0123456789abcdef0","lease_ms":15000}"#,
            r#"{"nonce":"0123456789abcdef"}"#,
        ] {
            assert!(serde_json::from_str::<LeaseRequest>(bad).is_err(), "{bad}");
        }
    }
}
