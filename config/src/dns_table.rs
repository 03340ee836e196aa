//! The table `[dns]` of the configuration.

use crate::values::TextVisitor;
use cloudhosts_table::Name;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use std::net::SocketAddr;

/// Longest that an answer may be cached, in seconds: a day.
const LONGEST_TTL: u32 = 86400;

/// How cloudhosts-dns answers: the table `[dns]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// The addresses to listen at, by UDP and TCP. At least one, each of one
    /// interface: no wildcard address.
    pub listen: Vec<SocketAddr>,
    /// For how many seconds a resolver may cache an answer.
    pub ttl: u32,
    /// The zones besides that of the domain: of addresses, below
    /// `in-addr.arpa` and `ip6.arpa`, or of roles that are named with them.
    pub zones: Vec<Name>,
}

/// The table as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DnsTable {
    listen: Listen,
    ttl: TtlSeconds,
    zones: Vec<ZoneName>,
}

impl Default for DnsTable {
    fn default() -> DnsTable {
        DnsTable {
            listen: Listen(vec![SocketAddr::from(([127, 0, 0, 153], 53))]),
            ttl: TtlSeconds(0),
            zones: Vec::new(),
        }
    }
}

impl Default for Dns {
    fn default() -> Dns {
        DnsTable::default().into()
    }
}

impl From<DnsTable> for Dns {
    fn from(table: DnsTable) -> Dns {
        Dns {
            listen: table.listen.0,
            ttl: table.ttl.0,
            zones: table.zones.into_iter().map(|zone| zone.0).collect(),
        }
    }
}

/// `listen`, checked.
struct Listen(Vec<SocketAddr>);

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Listen, D::Error> {
        let how = "a list of addresses with their ports, such as [\"127.0.0.153:53\"] or \
                   [\"[::1]:53\"]";
        let wrong = |why: &str| D::Error::custom(format!("{why}; write {how}"));
        let texts: Vec<String> =
            Vec::deserialize(from).map_err(|_| wrong("this is no list of text"))?;
        if texts.is_empty() {
            return Err(wrong("there must be at least one address"));
        }
        let mut listen: Vec<SocketAddr> = Vec::new();
        for text in texts {
            let address: SocketAddr = text
                .parse()
                .map_err(|_| wrong(&format!("{text:?} is no address with a port")))?;
            let ip = address.ip();
            // An answer has to come from the address that was asked.
            if ip.is_unspecified() || ip.is_multicast() {
                let why = format!("{ip} is no address of one interface");
                return Err(wrong(&why));
            }
            if listen.contains(&address) {
                return Err(wrong(&format!("{address} is there twice")));
            }
            listen.push(address);
        }
        Ok(Listen(listen))
    }
}

/// `ttl`, checked.
struct TtlSeconds(u32);

impl<'de> Deserialize<'de> for TtlSeconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<TtlSeconds, D::Error> {
        let ttl = u32::deserialize(from).ok();
        let ttl = ttl.filter(|&ttl| ttl <= LONGEST_TTL).ok_or_else(|| {
            D::Error::custom(format!(
                "write a number of seconds from 0 to {LONGEST_TTL}, without quotes"
            ))
        })?;
        Ok(TtlSeconds(ttl))
    }
}

/// The name of a zone.
struct ZoneName(Name);

impl<'de> Deserialize<'de> for ZoneName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<ZoneName, D::Error> {
        let text = from.deserialize_str(TextVisitor("the name of a zone in quotes"))?;
        let name = Name::parse(text.as_bytes()).map_err(|why| {
            D::Error::custom(format!(
                "{why}; write a zone such as \"10.in-addr.arpa\" or \"internal\""
            ))
        })?;
        Ok(ZoneName(name))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<Dns, String> {
        let table: Result<DnsTable, _> = toml::from_str(text);
        table.map(Dns::from).map_err(|error| error.to_string())
    }

    #[test]
    fn every_key_is_optional() {
        let dns = read("").unwrap();
        assert_eq!(dns.listen, ["127.0.0.153:53".parse().unwrap()]);
        assert_eq!(dns.ttl, 0);
        assert_eq!(dns.zones, []);
        let dns = read(
            "listen = ['[::1]:5353', '192.0.2.1:53']\nttl = 5\nzones = ['10.In-addr.arpa.', 'internal']",
        )
        .unwrap();
        assert_eq!(dns.listen.len(), 2);
        assert_eq!(dns.ttl, 5);
        let zones: Vec<&str> = dns.zones.iter().map(Name::as_str).collect();
        assert_eq!(zones, ["10.in-addr.arpa", "internal"]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [
            "listen = []",
            "listen = '127.0.0.1:53'",
            "listen = ['127.0.0.1']",
            "listen = ['localhost:53']",
            "listen = ['0.0.0.0:53']",
            "listen = ['[::]:53']",
            "listen = ['127.0.0.1:53', '127.0.0.1:53']",
            "ttl = -1",
            "ttl = 86401",
            "ttl = '5s'",
            "zones = ['*.a']",
            "zones = 'internal'",
            "zone = ['b']",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
