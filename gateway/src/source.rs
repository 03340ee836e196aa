//! Where a request comes from.

use std::net::{IpAddr, SocketAddr};

use cloudhosts_config::gateway::Network;
use hyper::HeaderMap;

/// The header in which each proxy appends the address that it was asked from.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address that a request comes from: that of the peer, and where this is a trusted proxy, the
/// last address in `X-Forwarded-For` that is not one. What stands before it was written by the
/// client, who may have made it up. None where a trusted proxy passes on what is no address.
pub(crate) fn source(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> Option<IpAddr> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut source = peer.to_canonical();
    let mut lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
    lines.reverse();
    for line in lines {
        for text in line.as_bytes().rsplit(|&byte| byte == b',') {
            if !is_trusted(source) {
                return Some(source);
            }
            source = address(text)?.to_canonical();
        }
    }
    Some(source)
}

/// Whether a request says that it has been passed on.
pub(crate) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(FORWARDED_FOR)
}

/// An address as proxies write it: perhaps with a port, or in brackets.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, lines: &[&str]) -> Option<String> {
        let trusted = ["10.0.0.0/8", "::1"].map(|text| text.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        source(peer.parse().unwrap(), &headers, &trusted).map(|source| source.to_string())
    }

    #[test]
    fn only_what_trusted_proxies_have_appended_counts() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of("192.0.2.1", &["198.51.100.1"]), some("192.0.2.1"));
        assert_eq!(of("10.0.0.1", &[]), some("10.0.0.1"));
        assert_eq!(of("10.0.0.1", &["198.51.100.1"]), some("198.51.100.1"));
        assert_eq!(of("::ffff:10.0.0.1", &["fd00::1"]), some("fd00::1"));
        // the client has written the first one
        assert_eq!(
            of("10.0.0.1", &["1.2.3.4, 198.51.100.1"]),
            some("198.51.100.1")
        );
        assert_eq!(
            of("10.0.0.1", &["1.2.3.4", "198.51.100.1"]),
            some("198.51.100.1")
        );
        assert_eq!(
            of("10.0.0.1", &["x, 198.51.100.1, 10.0.0.2"]),
            some("198.51.100.1")
        );
        assert_eq!(of("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), some("10.0.0.3"));
    }

    #[test]
    fn an_address_may_have_a_port_and_must_be_one() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of("::1", &["198.51.100.1:80"]), some("198.51.100.1"));
        assert_eq!(of("::1", &["[fd00::1]:80"]), some("fd00::1"));
        assert_eq!(of("::1", &["[fd00::1]"]), some("fd00::1"));
        assert_eq!(of("::1", &["unknown"]), None);
        assert_eq!(of("::1", &[""]), None);
        assert_eq!(of("::1", &["198.51.100.1,"]), None);
    }
}
