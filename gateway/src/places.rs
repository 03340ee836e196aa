//! Where something is to be written: from the query and the body of a request.

use std::net::IpAddr;
use std::time::Duration;

use cloudhosts_config::Zone;
use cloudhosts_config::gateway::Token;
use cloudhosts_config::printable::{Quoted, reason};
use cloudhosts_registry::register::{LONGEST_LEASE, Place, RequestPlace, SHORTEST_LEASE, Where};
use url::form_urlencoded;

use crate::refusal::Refusal;

/// The query of a change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) addresses: Vec<String>,
    pub(crate) hashes: Vec<String>,
    pub(crate) lease: Option<Duration>,
}

impl Query {
    /// Reads `address=`, `hash=` (both several times) and `lease=`.
    pub(crate) fn read(query: &str) -> Result<Query, Refusal> {
        let mut read = Query::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match key.as_ref() {
                "address" => read.addresses.push(value.into_owned()),
                "hash" => read.hashes.push(value.into_owned()),
                "lease" if read.lease.is_none() => read.lease = Some(lease(&value)?),
                _ => {
                    let key = Quoted(key.as_bytes());
                    let why =
                        format!("the query has {key}; there are address, hash, and lease once");
                    return Err(Refusal::invalid(why));
                }
            }
        }
        Ok(read)
    }
}

fn lease(text: &str) -> Result<Duration, Refusal> {
    let lease = humantime::parse_duration(text).ok();
    lease
        .filter(|lease| (SHORTEST_LEASE..=LONGEST_LEASE).contains(lease))
        .ok_or_else(|| {
            Refusal::unprocessable(format!(
                "lease={}: write a time from {} to {}, such as 60s",
                Quoted(text.as_bytes()),
                humantime::format_duration(SHORTEST_LEASE),
                humantime::format_duration(LONGEST_LEASE),
            ))
        })
}

/// The places that a request names. What it leaves out is the token's only view, and the source of
/// the request.
pub(crate) fn to_write(
    query: &Query,
    body: &[RequestPlace],
    zone: Option<&str>,
    token: &Token,
    source: IpAddr,
) -> Result<Vec<Place>, Refusal> {
    let zone = zone.map(|text| Zone::parse(text.as_bytes()));
    let zone = zone
        .transpose()
        .map_err(|why| Refusal::unprocessable(format!("zone: {why}")))?;
    let asked = asked(query, body)?;
    let mut places = Vec::new();
    for place in asked {
        let value = place
            .value
            .unwrap_or_else(|| source.to_canonical().to_string());
        let at = Where::addresses(&value)
            .map_err(|why| Refusal::unprocessable(reason(&why.to_string())))?;
        let at = match &zone {
            Some(zone) => at.in_zone(zone),
            None => at,
        };
        let hash = hash(place.hash, token)?;
        places.push(Place { hash, at: Some(at) });
    }
    each_once(places)
}

/// The places that a request to remove something names.
pub(crate) fn to_remove(
    query: &Query,
    body: &[RequestPlace],
    token: &Token,
) -> Result<Vec<Place>, Refusal> {
    let asked = asked(query, body)?;
    let mut places = Vec::new();
    for place in asked {
        if place.value.is_some() {
            return Err(Refusal::invalid("what is removed has no address"));
        }
        let hash = hash(place.hash, token)?;
        places.push(Place { hash, at: None });
    }
    each_once(places)
}

/// The places as they are asked for: those of the body, or those of the query.
fn asked(query: &Query, body: &[RequestPlace]) -> Result<Vec<RequestPlace>, Refusal> {
    let in_query = !query.addresses.is_empty() || !query.hashes.is_empty();
    if !body.is_empty() {
        if in_query {
            let why = "say hashes and addresses either in the query or in the body";
            return Err(Refusal::invalid(why));
        }
        return Ok(body.to_vec());
    }
    let value = (!query.addresses.is_empty()).then(|| query.addresses.join(" "));
    let place = |hash: Option<String>| RequestPlace {
        hash,
        value: value.clone(),
    };
    if query.hashes.is_empty() {
        return Ok(vec![place(None)]);
    }
    let hashes = query.hashes.iter().cloned();
    Ok(hashes.map(|hash| place(Some(hash))).collect())
}

fn hash(asked: Option<String>, token: &Token) -> Result<String, Refusal> {
    match (asked, token.views.as_slice()) {
        (Some(hash), _) => Ok(hash),
        (None, [only]) => Ok(only.clone()),
        (None, views) => Err(Refusal::invalid(format!(
            "the token {} may write to several hashes ({}); say which one is meant by hash",
            token.name,
            reason(&views.join(", "))
        ))),
    }
}

/// A script is given each hash once.
fn each_once(places: Vec<Place>) -> Result<Vec<Place>, Refusal> {
    for (nth, place) in places.iter().enumerate() {
        let mut before = places.iter().take(nth);
        if before.any(|other| other.hash == place.hash) {
            let hash = Quoted(place.hash.as_bytes());
            return Err(Refusal::invalid(format!("the hash {hash} is there twice")));
        }
    }
    Ok(places)
}
