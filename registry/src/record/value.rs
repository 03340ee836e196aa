//! A value of the hash: addresses or a pointer, with attributes.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cloudhosts_config::printable::Quoted;
use cloudhosts_config::{Zone, ZoneError};
use cloudhosts_table::{Name, NameError};

/// Most bytes of a value.
pub const MAX_VALUE: usize = 1024 * 1024;

/// Most addresses of one value, of both families together, without duplicates.
pub const MAX_ADDRESSES: usize = 16_384;

/// Most unknown attributes of one value that are reported.
pub const MAX_UNKNOWN: usize = 8;

/// A parsed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The addresses, or the pointer.
    pub target: Target,
    /// How many of the addresses to answer. 0 means all.
    pub pick: u16,
    /// The zone of the machines.
    pub zone: Option<Zone>,
    /// Unknown attributes, escaped for printing. They are ignored, but reported. At most
    /// [`MAX_UNKNOWN`].
    pub unknown: Vec<String>,
}

/// Where a value leads.
#[derive(Debug, Clone, PartialEq, Eq)]
// It lives for as long as one value is looked at; a box would cost more.
#[allow(clippy::large_enum_variant)]
pub enum Target {
    /// Addresses, in the order written, each once.
    Addresses {
        /// The IPv4 addresses.
        v4: Vec<[u8; 4]>,
        /// The IPv6 addresses.
        v6: Vec<[u8; 16]>,
    },
    /// A pointer to this name.
    Pointer(Name),
}

impl Value {
    /// Reads a value: addresses, or one name, separated by blanks or commas, and attributes (`pick=2`,
    /// `zone=eu-1a`).
    ///
    /// # Errors
    /// Which part is invalid, and how it should be written.
    pub fn parse(raw: &[u8]) -> Result<Value, ValueError> {
        if raw.len() > MAX_VALUE {
            return Err(ValueError::TooLong);
        }
        let mut parts = Parts::default();
        let splits = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b'\x0b');
        for token in raw.split(splits).filter(|token| !token.is_empty()) {
            match token.iter().position(|&byte| byte == b'=') {
                Some(at) => parts.attribute(token, at)?,
                None => parts.place(token)?,
            }
        }
        parts.finish()
    }
}

/// Up to this many addresses, duplicates are found by comparison.
const FEW: usize = 16;

/// A value while it is being read.
#[derive(Default)]
struct Parts {
    v4: Vec<[u8; 4]>,
    v6: Vec<[u8; 16]>,
    /// All of them, once they are more than [`FEW`].
    seen: HashSet<IpAddr>,
    pointer: Option<Name>,
    pick: Option<u16>,
    zone: Option<Zone>,
    unknown: Vec<String>,
}

impl Parts {
    fn attribute(&mut self, token: &[u8], at: usize) -> Result<(), ValueError> {
        let (key, value) = token.split_at(at);
        let value = value.get(1..).unwrap_or_default();
        match key {
            b"pick" => self.pick(token, value),
            b"zone" => self.zone(value),
            _ => {
                if self.unknown.len() < MAX_UNKNOWN {
                    self.unknown.push(Quoted(token).to_string());
                }
                Ok(())
            }
        }
    }

    fn pick(&mut self, token: &[u8], value: &[u8]) -> Result<(), ValueError> {
        let Some(count) = parse_count(value) else {
            return Err(ValueError::Pick(Quoted(token).to_string()));
        };
        match self.pick.replace(count) {
            Some(_) => Err(ValueError::TwoPicks),
            None => Ok(()),
        }
    }

    fn zone(&mut self, value: &[u8]) -> Result<(), ValueError> {
        let zone = Zone::parse(value).map_err(ValueError::Zone)?;
        match self.zone.replace(zone) {
            Some(_) => Err(ValueError::TwoZones),
            None => Ok(()),
        }
    }

    fn place(&mut self, token: &[u8]) -> Result<(), ValueError> {
        let text = std::str::from_utf8(token).unwrap_or_default();
        match text.parse::<IpAddr>() {
            Ok(address) => self.address(address),
            Err(_) => self.name(token),
        }
    }

    fn address(&mut self, address: IpAddr) -> Result<(), ValueError> {
        if self.pointer.is_some() {
            return Err(ValueError::Mixed);
        }
        refuse_special(address)?;
        if self.is_there(address) {
            return Ok(());
        }
        if self.count() == MAX_ADDRESSES {
            return Err(ValueError::TooManyAddresses);
        }
        match address {
            IpAddr::V4(v4) => self.v4.push(v4.octets()),
            IpAddr::V6(v6) => self.v6.push(v6.octets()),
        }
        Ok(())
    }

    /// How many addresses there are so far.
    fn count(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether an address came before; if not, it has now.
    fn is_there(&mut self, address: IpAddr) -> bool {
        if self.count() < FEW {
            return match address {
                IpAddr::V4(v4) => self.v4.contains(&v4.octets()),
                IpAddr::V6(v6) => self.v6.contains(&v6.octets()),
            };
        }
        if self.seen.is_empty() {
            self.seen.extend(self.v4.iter().map(|&v4| IpAddr::from(v4)));
            self.seen.extend(self.v6.iter().map(|&v6| IpAddr::from(v6)));
        }
        !self.seen.insert(address)
    }

    fn name(&mut self, token: &[u8]) -> Result<(), ValueError> {
        if let Some(error) = almost_address(token) {
            return Err(error);
        }
        let name = Name::parse(token)
            .map_err(|error| ValueError::Name(Quoted(token).to_string(), error))?;
        if self.count() > 0 {
            return Err(ValueError::Mixed);
        }
        if self.pointer.replace(name).is_some() {
            return Err(ValueError::TwoNames);
        }
        Ok(())
    }

    fn finish(self) -> Result<Value, ValueError> {
        let target = match self.pointer {
            Some(name) => Target::Pointer(name),
            None if self.count() == 0 => return Err(ValueError::Empty),
            None => Target::Addresses {
                v4: self.v4,
                v6: self.v6,
            },
        };
        Ok(Value {
            target,
            pick: self.pick.unwrap_or(0),
            zone: self.zone,
            unknown: self.unknown,
        })
    }
}

/// A whole number from 1 to 65535, digits only.
fn parse_count(raw: &[u8]) -> Option<u16> {
    if !raw.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = std::str::from_utf8(raw).ok()?.parse().ok()?;
    (count > 0).then_some(count)
}

/// Addresses at which no server can be.
fn refuse_special(address: IpAddr) -> Result<(), ValueError> {
    let why = match address {
        _ if address.is_unspecified() => Some("means \"any address\", not a machine"),
        _ if address.is_multicast() => Some("is a multicast address, not a machine"),
        IpAddr::V4(Ipv4Addr::BROADCAST) => Some("is the broadcast address, not a machine"),
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            Some("is an IPv4-mapped IPv6 address; write the IPv4 address itself")
        }
        _ => None,
    };
    why.map_or(Ok(()), |why| Err(ValueError::Special(address, why)))
}

/// An address with something that does not belong to it.
fn almost_address(token: &[u8]) -> Option<ValueError> {
    let text = std::str::from_utf8(token).ok()?;
    let is = |text: &str| text.parse::<IpAddr>().is_ok();
    let shown = || Quoted(token).to_string();
    let before = |c: char| text.split_once(c).is_some_and(|(address, _)| is(address));
    let bracketed = |text: &str| {
        text.strip_prefix('[')
            .and_then(|text| text.split_once(']'))
            .filter(|(address, _)| address.parse::<Ipv6Addr>().is_ok())
            .map(|(_, rest)| rest.starts_with(':'))
    };
    if before('/') {
        return Some(ValueError::Prefix(shown()));
    }
    if before('%') {
        return Some(ValueError::Scope(shown()));
    }
    match bracketed(text) {
        Some(true) => return Some(ValueError::Port(shown())),
        Some(false) => return Some(ValueError::Brackets(shown())),
        None => {}
    }
    let (host, port) = text.split_once(':')?;
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let host = is(host) || digits && Name::parse(host.as_bytes()).is_ok();
    host.then(|| ValueError::Port(shown()))
}

impl fmt::Display for Value {
    /// The value in its one normal form, without unknown attributes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Pointer(name) => name.fmt(f)?,
            Target::Addresses { v4, v6 } => {
                let v4 = v4.iter().map(|octets| IpAddr::from(*octets));
                let v6 = v6.iter().map(|octets| IpAddr::from(*octets));
                for (n, address) in v4.chain(v6).enumerate() {
                    let blank = if n == 0 { "" } else { " " };
                    write!(f, "{blank}{address}")?;
                }
            }
        }
        if self.pick > 0 {
            write!(f, " pick={}", self.pick)?;
        }
        match &self.zone {
            Some(zone) => write!(f, " zone={zone}"),
            None => Ok(()),
        }
    }
}

/// Why a value cannot be used. The text is safe to print: what it quotes is escaped and short.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Neither an address nor a name.
    #[error("the value holds neither an address nor a name; to remove a role, HDEL its field")]
    Empty,
    /// More than [`MAX_VALUE`] bytes.
    #[error("the value is longer than {MAX_VALUE} bytes")]
    TooLong,
    /// More than [`MAX_ADDRESSES`].
    #[error("the value holds more than {MAX_ADDRESSES} addresses")]
    TooManyAddresses,
    /// Names and addresses in one value.
    #[error(
        "the value mixes a name with addresses; a role either points at one name or is at addresses"
    )]
    Mixed,
    /// More than one name.
    #[error(
        "the value holds two names; a role can point at one only (for several machines write their \
         addresses, or use members)"
    )]
    TwoNames,
    /// More than one `pick=`.
    #[error("pick= is given twice")]
    TwoPicks,
    /// A `pick=` that is no number from 1 to 65535.
    #[error("{0}: pick needs a whole number from 1 to 65535")]
    Pick(String),
    /// More than one `zone=`.
    #[error("zone= is given twice")]
    TwoZones,
    /// An invalid `zone=`.
    #[error("{0}")]
    Zone(ZoneError),
    /// Neither an address nor a name, and why no name.
    #[error("{}", not_a_name(.0, *.1))]
    Name(String, NameError),
    /// An address at which no machine can be.
    #[error("{0} {1}")]
    Special(IpAddr, &'static str),
    /// An address with a port.
    #[error("{0} has a port; names stand for addresses only")]
    Port(String),
    /// An address with a prefix length.
    #[error("{0} is a network; write the machine's address without the prefix")]
    Prefix(String),
    /// An address with a scope.
    #[error("{0} has a scope, which means something on one machine only")]
    Scope(String),
    /// An address in brackets.
    #[error("{0}: write the address without brackets")]
    Brackets(String),
}

/// Why a token is neither an address nor a name.
fn not_a_name(token: &str, error: NameError) -> String {
    match error {
        NameError::ReadsAsAddress => format!("{token} is not a whole IP address"),
        error => format!("{token} is neither an address nor a name: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(raw: &str) -> String {
        match Value::parse(raw.as_bytes()) {
            Ok(value) => value.to_string(),
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn every_form_of_the_contract_is_read() {
        assert_eq!(normal("10.0.0.5"), "10.0.0.5");
        assert_eq!(normal(" 10.0.0.5  FD00::5\n"), "10.0.0.5 fd00::5");
        assert_eq!(
            normal("10.0.0.5,10.0.0.6, 10.0.0.7"),
            "10.0.0.5 10.0.0.6 10.0.0.7"
        );
        assert_eq!(normal("DB-3.internal."), "db-3.internal");
        assert_eq!(
            normal("10.0.0.5 10.0.0.6 pick=1"),
            "10.0.0.5 10.0.0.6 pick=1"
        );
        assert_eq!(normal("pick=2 db"), "db pick=2");
        assert_eq!(
            normal("zone=EU-1a 10.0.0.5 pick=1"),
            "10.0.0.5 pick=1 zone=eu-1a"
        );
        assert_eq!(normal("db zone=rack_7.b"), "db zone=rack_7.b");
        assert_eq!(normal("127.0.0.1 ::1"), "127.0.0.1 ::1");
        assert_eq!(
            normal("10.0.0.5 10.0.0.5 fd00::5 fd00:0::5"),
            "10.0.0.5 fd00::5"
        );
    }

    #[test]
    fn an_unknown_attribute_is_reported_and_ignored() {
        let value = Value::parse(b"10.0.0.5 weight=\x1b[31m pick=1").unwrap();
        assert_eq!(value.unknown, ["\"weight=\\x1b[31m\""]);
        assert_eq!(value.to_string(), "10.0.0.5 pick=1");
        let many = format!("10.0.0.5 {}", "a=b ".repeat(1000));
        assert_eq!(
            Value::parse(many.as_bytes()).unwrap().unknown.len(),
            MAX_UNKNOWN
        );
    }

    #[test]
    fn each_refusal_says_what_is_wrong() {
        for (raw, reason) in [
            ("", "neither an address nor a name"),
            (" , ", "neither an address nor a name"),
            ("pick=1", "neither an address nor a name"),
            ("10.0.0.5 db", "mixes"),
            ("db 10.0.0.5", "mixes"),
            ("db-1 db-2", "two names"),
            ("10.0.0.5 pick=0", "pick needs"),
            ("10.0.0.5 pick=one", "pick needs"),
            ("10.0.0.5 pick=", "pick needs"),
            ("10.0.0.5 pick=+1", "pick needs"),
            ("10.0.0.5 pick=65536", "pick needs"),
            ("10.0.0.5 pick=1 pick=2", "twice"),
            ("10.0.0.5 zone=a zone=b", "twice"),
            ("10.0.0.5 zone=", "a zone has"),
            ("10.0.0.5 zone=eu/1a", "a zone has"),
            ("10.0.0.5 zone=z\u{fc}rich", "a zone has"),
            ("zone=eu-1a", "neither an address nor a name"),
            ("10.0.0", "not a whole IP address"),
            ("10.0.0.256", "not a whole IP address"),
            ("10.0.0.05", "not a whole IP address"),
            ("fe80::1%eth0", "scope"),
            ("10.0.0.5:80", "port"),
            ("db:5432", "port"),
            ("[fd00::5]:80", "port"),
            ("[fd00::5]", "brackets"),
            ("10.0.0.0/24", "network"),
            ("fd00::/64", "network"),
            ("0.0.0.0", "any address"),
            ("::", "any address"),
            ("255.255.255.255", "broadcast"),
            ("224.0.0.1", "multicast"),
            ("ff02::1", "multicast"),
            ("::ffff:10.0.0.5", "IPv4 address itself"),
            ("*.apps.internal", "neither an address nor a name"),
            ("localhost", "local machine"),
            ("w\u{e9}b", "neither an address nor a name"),
        ] {
            let shown = normal(raw);
            assert!(
                shown.starts_with("! ") && shown.contains(reason),
                "{raw:?}: {shown}"
            );
        }
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(
            Value::parse(&vec![b' '; MAX_VALUE + 1]),
            Err(ValueError::TooLong)
        );
        let address = |n: u32| Ipv4Addr::from(0x0a00_0000 + n).to_string();
        let most: Vec<String> = (0..MAX_ADDRESSES as u32).map(address).collect();
        let most = most.join(" ");
        assert!(Value::parse(most.as_bytes()).is_ok());
        let more = format!("{most} 10.0.0.0 11.0.0.0");
        assert_eq!(
            Value::parse(more.as_bytes()),
            Err(ValueError::TooManyAddresses)
        );
        let long = Value::parse(&[b'!'; 100_000]).unwrap_err().to_string();
        assert!(long.len() < 400, "{long}");
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_reasons_are_printable(raw in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Err(error) = Value::parse(&raw) {
                prop_assert!(error.to_string().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            }
        }

        #[test]
        fn near_misses_do_not_panic(raw in "[0-9a-f:.,%/\\[\\]= *x-]{0,60}") {
            if let Ok(value) = Value::parse(raw.as_bytes()) {
                let read = Value::parse(value.to_string().as_bytes()).unwrap();
                prop_assert_eq!((read.target, read.pick), (value.target, value.pick));
                prop_assert_eq!(read.zone, value.zone);
            }
        }

        #[test]
        fn the_normal_form_reads_back(
            v4 in prop::collection::vec(any::<[u8; 4]>(), 0..9),
            v6 in prop::collection::vec(any::<[u8; 16]>(), 0..9),
            pick in 0u16..4,
            zone in "(zone=[a-zA-Z0-9._-]{1,63})?",
        ) {
            let mut raw: Vec<String> = v4.iter().map(|a| IpAddr::from(*a).to_string()).collect();
            raw.extend(v6.iter().map(|a| IpAddr::from(*a).to_string()));
            if pick > 0 {
                raw.push(format!("pick={pick}"));
            }
            raw.push(zone);
            if let Ok(value) = Value::parse(raw.join(",").as_bytes()) {
                let read = Value::parse(value.to_string().as_bytes());
                prop_assert_eq!(read, Ok(value));
            }
        }
    }
}
