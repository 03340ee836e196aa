//! The table `[limits]`: how the requests of clients are bounded.

use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::values::Interval;

/// Most requests a second that can be set.
const MOST_RATE: f64 = 1e6;

/// Most bytes of a body that can be set.
const MOST_BODY: usize = 1024 * 1024;

/// How the requests of clients are bounded.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Requests a second of one token. One source address has four times as many.
    pub rate: f64,
    /// Requests at once.
    pub burst: u32,
    /// Connections at once.
    pub connections: usize,
    /// Connections at once of one address.
    pub connections_per_address: usize,
    /// How long the TLS handshake, and the head of a request, may take.
    pub header_timeout: Duration,
    /// How long a request may take, its body included.
    pub request_timeout: Duration,
    /// How long a connection may be open without a request.
    pub idle_timeout: Duration,
    /// Most bytes of a body.
    pub body: usize,
}

/// The table as written.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsTable {
    rate: Option<RatePerSecond>,
    burst: Option<Count>,
    connections: Option<Count>,
    connections_per_address: Option<Count>,
    header_timeout: Option<Interval>,
    request_timeout: Option<Interval>,
    idle_timeout: Option<Interval>,
    body: Option<BodyBytes>,
}

impl From<LimitsTable> for Limits {
    fn from(table: LimitsTable) -> Limits {
        let count = |written: Option<Count>, default: u32| written.map_or(default, |it| it.0);
        let connections =
            |written, default| usize::try_from(count(written, default)).unwrap_or(usize::MAX);
        let time = |written: Option<Interval>, seconds| {
            written.map_or(Duration::from_secs(seconds), |it| it.0)
        };
        Limits {
            rate: table.rate.map_or(5.0, |it| it.0),
            burst: count(table.burst, 20),
            connections: connections(table.connections, 1024),
            connections_per_address: connections(table.connections_per_address, 64),
            header_timeout: time(table.header_timeout, 10),
            request_timeout: time(table.request_timeout, 15),
            idle_timeout: time(table.idle_timeout, 90),
            body: table.body.map_or(16 * 1024, |it| it.0),
        }
    }
}

/// A number of requests a second.
struct RatePerSecond(f64);

impl<'de> Deserialize<'de> for RatePerSecond {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<RatePerSecond, D::Error> {
        let rate = f64::deserialize(from).ok();
        let rate = rate.filter(|&rate| rate > 0.0 && rate <= MOST_RATE);
        rate.map(RatePerSecond).ok_or_else(|| {
            D::Error::custom("write a number of requests a second, such as 5.0, without quotes")
        })
    }
}

/// At least one of something.
struct Count(u32);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Count, D::Error> {
        let count = u32::deserialize(from).ok().filter(|&count| count > 0);
        count
            .map(Count)
            .ok_or_else(|| D::Error::custom("write a number from 1 on, without quotes"))
    }
}

/// A size of a body.
struct BodyBytes(usize);

impl<'de> Deserialize<'de> for BodyBytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<BodyBytes, D::Error> {
        let bytes = usize::deserialize(from).ok();
        let bytes = bytes.filter(|bytes| (1..=MOST_BODY).contains(bytes));
        bytes.map(BodyBytes).ok_or_else(|| {
            D::Error::custom(format!(
                "write a number of bytes from 1 to {MOST_BODY}, without quotes"
            ))
        })
    }
}
