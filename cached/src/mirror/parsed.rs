//! A parsed value.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use cloudhosts_config::Zone;
use cloudhosts_registry::record::{Target, Value, ValueError};
use cloudhosts_table::{EntrySource, Name};

/// What a value says, and how it stands in Redis, in as little memory as it
/// can be: nearly all values are one IPv4 address and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Parsed {
    /// One IPv4 address, written in its normal form.
    V4([u8; 4]),
    /// Anything else.
    Other(Box<Other>),
}

/// A value that is more than one plain IPv4 address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Other {
    place: OwnedLocation,
    pick: u16,
    zone: Option<Zone>,
    /// The number of unknown attributes.
    unknown: u8,
    /// How it stands in Redis, where that is not its normal form, or says a zone.
    raw: Option<Box<[u8]>>,
}

/// Where a role is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum OwnedLocation {
    Addresses {
        v4: Box<[[u8; 4]]>,
        v6: Box<[[u8; 16]]>,
    },
    Pointer(Box<str>),
}

/// Where a field says its role is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Location<'v> {
    /// At these addresses.
    Addresses {
        v4: &'v [[u8; 4]],
        v6: &'v [[u8; 16]],
    },
    /// Where this other name is.
    Pointer(&'v str),
}

impl Parsed {
    /// Reads a value.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn parse(raw: &[u8]) -> Result<Parsed, ValueError> {
        let value = Value::parse(raw)?;
        if let Target::Addresses { v4, v6 } = &value.target
            && let ([v4], []) = (&v4[..], &v6[..])
            && Ipv4Addr::from(*v4).to_string().as_bytes() == raw
        {
            return Ok(Parsed::V4(*v4));
        }
        // A table has no zones: they are saved with what is written unusually.
        let normal = value.zone.is_none() && value.to_string().as_bytes() == raw;
        let place = match value.target {
            Target::Addresses { v4, v6 } => OwnedLocation::Addresses {
                v4: v4.into(),
                v6: v6.into(),
            },
            Target::Pointer(name) => OwnedLocation::Pointer(name.as_str().into()),
        };
        Ok(Parsed::Other(Box::new(Other {
            place,
            pick: value.pick,
            zone: value.zone,
            unknown: u8::try_from(value.unknown.len()).unwrap_or(u8::MAX),
            raw: (!normal).then(|| raw.into()),
        })))
    }

    /// The value of a field that a table was made from: as it stood in Redis,
    /// where `raw` says that and it means the same, else in the normal form.
    pub(super) fn restored(source: &EntrySource, raw: Option<&[u8]>) -> Option<Parsed> {
        let raw = raw.and_then(|raw| Parsed::parse(raw).ok());
        if let Some(raw) = raw.filter(|raw| raw.says(source)) {
            return Some(raw);
        }
        if let ([v4], [], None, 0) = (&source.v4[..], &source.v6[..], &source.target, source.pick) {
            return Some(Parsed::V4(*v4));
        }
        let place = match &source.target {
            Some(target) => {
                OwnedLocation::Pointer(Name::parse(target.as_bytes()).ok()?.as_str().into())
            }
            None if source.v4.is_empty() && source.v6.is_empty() => return None,
            None => OwnedLocation::Addresses {
                v4: source.v4.as_slice().into(),
                v6: source.v6.as_slice().into(),
            },
        };
        Some(Parsed::Other(Box::new(Other {
            place,
            pick: source.pick,
            zone: None,
            unknown: 0,
            raw: None,
        })))
    }

    /// Whether it says what a table says of it.
    fn says(&self, source: &EntrySource) -> bool {
        self.pick() == source.pick
            && match self.location() {
                Location::Pointer(name) => source.target.as_deref() == Some(name),
                Location::Addresses { v4, v6 } => {
                    source.target.is_none() && v4 == source.v4 && v6 == source.v6
                }
            }
    }

    /// How it stands in Redis, where that is not the normal form.
    pub(super) fn unusual(&self) -> Option<&[u8]> {
        match self {
            Parsed::V4(_) => None,
            Parsed::Other(other) => other.raw.as_deref(),
        }
    }

    /// Where the role is.
    pub(super) fn location(&self) -> Location<'_> {
        match self {
            Parsed::V4(v4) => Location::Addresses {
                v4: std::slice::from_ref(v4),
                v6: &[],
            },
            Parsed::Other(other) => match &other.place {
                OwnedLocation::Addresses { v4, v6 } => Location::Addresses { v4, v6 },
                OwnedLocation::Pointer(name) => Location::Pointer(name),
            },
        }
    }

    /// The name it points at, if it does.
    pub(super) fn pointer(&self) -> Option<&str> {
        match self.location() {
            Location::Pointer(name) => Some(name),
            Location::Addresses { .. } => None,
        }
    }

    /// How many addresses to answer; 0 is all.
    pub(super) fn pick(&self) -> u16 {
        match self {
            Parsed::V4(_) => 0,
            Parsed::Other(other) => other.pick,
        }
    }

    /// The zone of its machines, if it has one.
    pub(super) fn zone(&self) -> Option<&Zone> {
        match self {
            Parsed::V4(_) => None,
            Parsed::Other(other) => other.zone.as_ref(),
        }
    }

    /// The number of its unknown attributes.
    pub(super) fn unknown(&self) -> usize {
        match self {
            Parsed::V4(_) => 0,
            Parsed::Other(other) => other.unknown.into(),
        }
    }

    /// The value as it stands in Redis.
    pub(super) fn raw(&self) -> Cow<'_, [u8]> {
        match self {
            Parsed::V4(v4) => Cow::Owned(Ipv4Addr::from(*v4).to_string().into_bytes()),
            Parsed::Other(other) => match (&other.raw, &other.place) {
                (Some(raw), _) => Cow::Borrowed(raw),
                (None, OwnedLocation::Pointer(name)) if other.pick == 0 => {
                    Cow::Borrowed(name.as_bytes())
                }
                (None, _) => Cow::Owned(other.normal().into_bytes()),
            },
        }
    }
}

impl Other {
    fn normal(&self) -> String {
        let target = match &self.place {
            OwnedLocation::Addresses { v4, v6 } => Target::Addresses {
                v4: v4.to_vec(),
                v6: v6.to_vec(),
            },
            OwnedLocation::Pointer(name) => match Name::parse(name.as_bytes()) {
                Ok(name) => Target::Pointer(name),
                // It was one when it was parsed.
                Err(_) => return name.to_string(),
            },
        };
        let value = Value {
            target,
            pick: self.pick,
            zone: None,
            unknown: Vec::new(),
        };
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stands_as_it_was_written() {
        for raw in [
            "10.0.0.5",
            " 10.0.0.5",
            "10.0.0.5 10.0.0.6",
            "10.0.0.6,10.0.0.5",
            "fd00::5",
            "FD00::5",
            "10.0.0.5 fd00::5 pick=1",
            "pick=1 10.0.0.5",
            "web",
            "Web.",
            "web pick=2",
            "10.0.0.5 weight=2",
            "10.0.0.5 zone=eu-1a",
            "zone=EU-1a 10.0.0.5",
            "web zone=eu-1a",
        ] {
            let parsed = Parsed::parse(raw.as_bytes()).unwrap();
            assert_eq!(parsed.raw(), raw.as_bytes(), "{raw}");
            assert_eq!(parsed.unknown(), usize::from(raw.contains("weight")));
        }
        assert!(Parsed::parse(b"what?").is_err());
        assert_eq!(size_of::<Parsed>(), 16);
    }
}
