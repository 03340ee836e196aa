//! The zones that are answered, and which of them a name belongs to.

use std::fmt;

use cloudhosts_table::Name;
use domain::base::Name as WireName;
use domain::base::name::NameBuilder;
use domain::dep::octseq::Array;

/// A name as it stands in a message, on the stack.
pub(crate) type Wire = WireName<Array<255>>;

/// What the names of a zone stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Roles.
    Roles,
    /// IPv4 addresses, below `in-addr.arpa`.
    V4,
    /// IPv6 addresses, below `ip6.arpa`.
    V6,
}

/// One zone.
#[derive(Debug, Clone)]
pub struct Zone {
    name: Name,
    wire: Wire,
    kind: Kind,
}

impl Zone {
    fn new(name: Name) -> Result<Zone, ZoneError> {
        let wire = wire(&[name.as_str()]).ok_or(ZoneError::TooLong)?;
        let below = |suffix: &str| name.as_str().ends_with(suffix) || suffix[1..] == *name.as_str();
        let kind = if below(".in-addr.arpa") {
            Kind::V4
        } else if below(".ip6.arpa") {
            Kind::V6
        } else {
            Kind::Roles
        };
        Ok(Zone { name, wire, kind })
    }

    /// Its name: lower case, no trailing dot.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    pub(crate) fn wire(&self) -> &Wire {
        &self.wire
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether a name in lower case is this zone's, or below it.
    fn has(&self, name: &[u8]) -> bool {
        let above = name.strip_suffix(self.name.as_bytes());
        above.is_some_and(|above| above.is_empty() || above.ends_with(b"."))
    }
}

/// All zones: that of the domain first.
#[derive(Debug, Clone)]
pub struct Zones {
    zones: Vec<Zone>,
}

impl Zones {
    /// The zone of the domain, and others.
    ///
    /// # Errors
    /// The domain is an address's, or a name is too long to have a name below it.
    pub fn new(domain: Name, others: &[Name]) -> Result<Zones, ZoneError> {
        let domain = Zone::new(domain)?;
        if domain.kind != Kind::Roles {
            return Err(ZoneError::NotForRoles);
        }
        let others = others.iter().map(|&name| Zone::new(name));
        let mut zones = vec![domain];
        for zone in others {
            zones.push(zone?);
        }
        Ok(Zones { zones })
    }

    /// The zone below which every role has a name.
    pub(crate) fn domain(&self) -> Option<&Zone> {
        self.zones.first()
    }

    /// The zone that a name belongs to, in lower case: the longest.
    pub(crate) fn of(&self, name: &[u8]) -> Option<&Zone> {
        let those = self.zones.iter().filter(|zone| zone.has(name));
        those.max_by_key(|zone| zone.name.as_bytes().len())
    }

    /// What a role is called in DNS: as it is where that is in a zone for
    /// roles, else below the domain. None where that is too long.
    pub(crate) fn full_name(&self, role: &str) -> Option<FullName> {
        let own = self.of(role.as_bytes());
        if own.is_some_and(|zone| zone.kind == Kind::Roles) {
            return FullName::new(&[role]);
        }
        FullName::new(&[role, self.domain()?.name()])
    }

    /// Every zone.
    pub fn iter(&self) -> impl Iterator<Item = &Zone> {
        self.zones.iter()
    }
}

/// A name in both forms.
#[derive(Debug, Clone)]
pub(crate) struct FullName {
    pub(crate) text: Name,
    pub(crate) wire: Wire,
}

impl FullName {
    /// These names, with a dot between them.
    fn new(parts: &[&str]) -> Option<FullName> {
        let wire = wire(parts)?;
        let mut text = [0; 256];
        let mut len = 0;
        for part in parts {
            let end = len + part.len();
            text.get_mut(len..end)?.copy_from_slice(part.as_bytes());
            *text.get_mut(end)? = b'.';
            len = end + 1;
        }
        let text = Name::parse(text.get(..len)?).ok()?;
        Some(FullName { text, wire })
    }
}

/// These names one after the other, as they stand in a message.
fn wire(parts: &[&str]) -> Option<Wire> {
    let mut builder = NameBuilder::<Array<255>>::new();
    for label in parts.iter().flat_map(|part| part.split('.')) {
        builder.append_label(label.as_bytes()).ok()?;
    }
    builder.into_name().ok()
}

/// Why a name is none of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoneError {
    /// No name can be below it.
    TooLong,
    /// It is of addresses, where roles are to be.
    NotForRoles,
}

impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ZoneError::TooLong => f.write_str("the name is too long for a zone"),
            ZoneError::NotForRoles => {
                f.write_str("roles have no names below in-addr.arpa or ip6.arpa")
            }
        }
    }
}

impl std::error::Error for ZoneError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn zones(names: &[&str]) -> Zones {
        let names: Vec<Name> = names
            .iter()
            .map(|name| Name::parse(name.as_bytes()).unwrap())
            .collect();
        Zones::new(names[0], &names[1..]).unwrap()
    }

    #[test]
    fn a_name_belongs_to_the_longest_zone_that_ends_it() {
        let zones = zones(&[
            "prod.example.com",
            "internal",
            "eu.prod.example.com",
            "10.in-addr.arpa",
        ]);
        let of = |name: &str| zones.of(name.as_bytes()).map(Zone::name);
        assert_eq!(of("web.prod.example.com"), Some("prod.example.com"));
        assert_eq!(of("prod.example.com"), Some("prod.example.com"));
        assert_eq!(of("a.eu.prod.example.com"), Some("eu.prod.example.com"));
        assert_eq!(of("xprod.example.com"), None);
        assert_eq!(of("example.com"), None);
        assert_eq!(of("db.internal"), Some("internal"));
        assert_eq!(of("5.0.0.10.in-addr.arpa"), Some("10.in-addr.arpa"));
        assert_eq!(of(""), None);
    }

    #[test]
    fn a_role_is_called_by_its_own_name_where_that_is_in_a_zone() {
        let zones = zones(&["prod.example.com", "internal", "10.in-addr.arpa"]);
        let full = |role: &str| zones.full_name(role).map(|full| full.text.to_string());
        assert_eq!(full("web"), Some("web.prod.example.com".into()));
        assert_eq!(full("db.internal"), Some("db.internal".into()));
        let own = "web.prod.example.com";
        assert_eq!(full(own), Some(own.into()));
        let arpa = "x.10.in-addr.arpa";
        assert_eq!(full(arpa), Some(format!("{arpa}.prod.example.com")));
        let label = "a".repeat(63);
        assert_eq!(full(&format!("{label}.{label}.{label}.{label}")), None);
    }

    #[test]
    fn what_a_zone_is_for_follows_from_its_name() {
        let zones = zones(&[
            "prod.example.com",
            "in-addr.arpa",
            "d.f.ip6.arpa",
            "ip6.arpa.example",
        ]);
        let kinds: Vec<Kind> = zones.iter().map(Zone::kind).collect();
        assert_eq!(kinds, [Kind::Roles, Kind::V4, Kind::V6, Kind::Roles]);
        let arpa = Name::parse(b"10.in-addr.arpa").unwrap();
        assert_eq!(Zones::new(arpa, &[]).err(), Some(ZoneError::NotForRoles));
    }
}
