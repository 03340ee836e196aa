//! The names of addresses: which one a name below `in-addr.arpa` (RFC 1035,
//! section 3.5) or `ip6.arpa` (RFC 3596, section 2.5) stands for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::zone::Kind;

/// What a name of such a zone stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// An address.
    Address(IpAddr),
    /// All addresses that begin in some way: there may be some with names.
    Prefix,
    /// Nothing: no address is called that.
    Nothing,
}

/// What a name in lower case stands for.
pub(crate) fn meaning(name: &[u8], kind: Kind) -> Meaning {
    let read = match kind {
        Kind::V4 => v4(name),
        Kind::V6 => v6(name),
        Kind::Roles => None,
    };
    read.unwrap_or(Meaning::Nothing)
}

fn v4(name: &[u8]) -> Option<Meaning> {
    let mut octets = [0; 4];
    let all = backwards(above(name, b"in-addr.arpa")?, &mut octets, octet)?;
    Some(if all {
        Meaning::Address(Ipv4Addr::from(octets).into())
    } else {
        Meaning::Prefix
    })
}

fn v6(name: &[u8]) -> Option<Meaning> {
    let mut nibbles = [0; 32];
    if !backwards(above(name, b"ip6.arpa")?, &mut nibbles, nibble)? {
        return Some(Meaning::Prefix);
    }
    let mut octets = [0; 16];
    let pairs = nibbles.as_chunks::<2>().0;
    for (octet, [high, low]) in octets.iter_mut().zip(pairs) {
        *octet = high << 4 | low;
    }
    Some(Meaning::Address(Ipv6Addr::from(octets).into()))
}

/// The part of a name above a suffix; empty where it is the suffix itself.
fn above<'n>(name: &'n [u8], suffix: &[u8]) -> Option<&'n [u8]> {
    let above = name.strip_suffix(suffix)?;
    if above.is_empty() {
        return Some(above);
    }
    above.strip_suffix(b".")
}

/// Reads labels from the last one on. Whether they are as many as there is room
/// for; none where they are more, or one can't be read.
fn backwards(labels: &[u8], into: &mut [u8], read: impl Fn(&[u8]) -> Option<u8>) -> Option<bool> {
    let mut count = 0;
    if !labels.is_empty() {
        for label in labels.rsplit(|&byte| byte == b'.') {
            *into.get_mut(count)? = read(label)?;
            count += 1;
        }
    }
    Some(count == into.len())
}

/// A number from 0 to 255, in the one way in which it is written.
fn octet(label: &[u8]) -> Option<u8> {
    if label.len() > 1 && label.starts_with(b"0") || !label.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(label).ok()?.parse().ok()
}

fn nibble(label: &[u8]) -> Option<u8> {
    match *label {
        [digit @ b'0'..=b'9'] => Some(digit - b'0'),
        [letter @ b'a'..=b'f'] => Some(letter - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn address(text: &str) -> Meaning {
        Meaning::Address(text.parse().unwrap())
    }

    #[test]
    fn ipv4() {
        let meant = |name: &str| meaning(name.as_bytes(), Kind::V4);
        assert_eq!(meant("5.0.0.10.in-addr.arpa"), address("10.0.0.5"));
        assert_eq!(meant("255.254.1.0.in-addr.arpa"), address("0.1.254.255"));
        for prefix in ["in-addr.arpa", "10.in-addr.arpa", "0.0.10.in-addr.arpa"] {
            assert_eq!(meant(prefix), Meaning::Prefix, "{prefix}");
        }
        for nothing in [
            "1.5.0.0.10.in-addr.arpa",
            "256.0.0.10.in-addr.arpa",
            "05.0.0.10.in-addr.arpa",
            "+5.0.0.10.in-addr.arpa",
            "x.10.in-addr.arpa",
            ".10.in-addr.arpa",
            "xin-addr.arpa",
            "10.ip6.arpa",
        ] {
            assert_eq!(meant(nothing), Meaning::Nothing, "{nothing}");
        }
    }

    #[test]
    fn ipv6() {
        let meant = |name: &str| meaning(name.as_bytes(), Kind::V6);
        let host = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
        assert_eq!(meant(host), address("fd00::1"));
        assert_eq!(meant("d.f.ip6.arpa"), Meaning::Prefix);
        assert_eq!(meant(&format!("0.{host}")), Meaning::Nothing);
        assert_eq!(meant("g.f.ip6.arpa"), Meaning::Nothing);
        assert_eq!(meant("00.f.ip6.arpa"), Meaning::Nothing);
    }
}
