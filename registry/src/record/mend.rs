//! Repairs invalid values, for `cloudhosts lint`.

use std::net::{IpAddr, Ipv6Addr};

use cloudhosts_config::Zone;

use super::{Target, Value};

/// The value that was probably meant: without ports, brackets, scopes and the prefix lengths of hosts,
/// with IPv4-mapped addresses as IPv4, each attribute once, and without unknown ones. None if that is
/// not clear, such as for a network or a link-local address with its scope.
#[must_use]
pub fn mend(raw: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(raw).ok()?;
    let mut parts: Vec<String> = Vec::new();
    let (mut pick, mut zone) = (None, None);
    for token in text.split(|c: char| c.is_ascii_whitespace() || c == ',') {
        match token.split_once('=') {
            _ if token.is_empty() => {}
            Some(("pick", count)) => pick = pick.or(count.parse::<u16>().ok()),
            Some(("zone", name)) => zone = zone.or(Zone::parse(name.as_bytes()).ok()),
            Some(_) => {}
            None => parts.push(place(token)?),
        }
    }
    if let Some(pick) = pick.filter(|&pick| pick > 0) {
        parts.push(format!("pick={pick}"));
    }
    parts.extend(zone.map(|zone| format!("zone={zone}")));
    let mended = Value::parse(parts.join(" ").as_bytes()).ok()?;
    (!is_network(&mended, text)).then_some(mended)
}

/// One address or name without what does not belong to it. None for an address of
/// one link with its scope: without that it is none that can be reached.
fn place(token: &str) -> Option<String> {
    let scoped = token.contains('%');
    let bare = token.split(['/', '%']).next().unwrap_or(token);
    let bare = match bare.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => without_port(bare),
    };
    let v6 = bare.parse::<Ipv6Addr>().ok();
    if scoped && v6.is_some_and(|v6| v6.is_unicast_link_local()) {
        return None;
    }
    let v4 = v6.and_then(|v6| v6.to_ipv4_mapped());
    Some(v4.map_or_else(|| bare.to_owned(), |v4| v4.to_string()))
}

/// `10.0.0.5:80` and `db:80` without the port; an IPv6 address as it is.
fn without_port(text: &str) -> &str {
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => host,
        _ => text,
    }
}

/// Whether an address was written with a prefix length of which it is the first,
/// that is, as a network and not as a machine in one.
fn is_network(mended: &Value, text: &str) -> bool {
    let Target::Addresses { v4, v6 } = &mended.target else {
        return false;
    };
    let lengths = || text.split(|c: char| c.is_ascii_whitespace() || c == ',');
    let is = |address: IpAddr, bits: u128, width: u32| {
        let prefix = format!("{address}/");
        let mut written = lengths().filter_map(|token| token.strip_prefix(prefix.as_str()));
        written.any(|length| match length.parse::<u32>() {
            Ok(length) if length < width => bits.trailing_zeros() >= width - length,
            Ok(length) => length > width,
            Err(_) => true,
        })
    };
    v4.iter()
        .any(|v4| is((*v4).into(), u32::from_be_bytes(*v4).into(), 32))
        || v6
            .iter()
            .any(|v6| is((*v6).into(), u128::from_be_bytes(*v6), 128))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mended(raw: &str) -> String {
        mend(raw.as_bytes()).map_or("nothing".into(), |value| value.to_string())
    }

    #[test]
    fn what_was_meant_is_said_where_it_is_plain() {
        for (raw, meant) in [
            ("10.0.0.5:80", "10.0.0.5"),
            ("10.0.0.5:80, 10.0.0.6:80", "10.0.0.5 10.0.0.6"),
            ("[fd00::5]:80 [fd00::6]", "fd00::5 fd00::6"),
            ("db:5432", "db"),
            ("10.0.0.5/24", "10.0.0.5"),
            ("10.0.0.5/32 fd00::5/128", "10.0.0.5 fd00::5"),
            ("fd00::5%eth0", "fd00::5"),
            ("::ffff:10.0.0.5", "10.0.0.5"),
            ("10.0.0.5 weight=2 pick=1 pick=3", "10.0.0.5 pick=1"),
            ("10.0.0.5 pick=0", "10.0.0.5"),
            ("10.0.0.5:80 zone=a zone=b zone=", "10.0.0.5 zone=a"),
            // nobody knows what was meant
            ("10.0.0.0/24", "nothing"),
            ("fd00::/64", "nothing"),
            ("10.0.0.5/99", "nothing"),
            ("fe80::1%eth0", "nothing"),
            ("[fe80::1%25eth0]:80", "nothing"),
            ("10.0.0.5 FE80::1%2", "nothing"),
            ("10.0.0.256", "nothing"),
            ("10.0.0.5 db", "nothing"),
            ("db-1 db-2", "nothing"),
            ("0.0.0.0", "nothing"),
            ("", "nothing"),
            ("pick=1", "nothing"),
        ] {
            assert_eq!(mended(raw), meant, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_proposed_can_be_used(raw in "[0-9a-f:.,%/\\[\\]= *pick\u{e9}-]{0,60}") {
            if let Some(value) = mend(raw.as_bytes()) {
                let text = value.to_string();
                prop_assert_eq!(Value::parse(text.as_bytes()), Ok(value));
            }
        }
    }
}
