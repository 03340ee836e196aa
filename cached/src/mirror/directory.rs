//! What a name means: which role answers for it.

use cloudhosts_table::Name;
use cloudhosts_table::rule::{Namespace, decide};

use super::fields::Fields;

/// The roles by their names, to look up what a pointer points at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Directory<'m> {
    /// All fields in use.
    pub(super) fields: &'m Fields,
    /// Names in it are the same roles; may be empty.
    pub(super) domain: &'m str,
}

/// The role that answers for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DecidingRole<'m, 'n> {
    /// Its name in the hashes; `*.` in front where it is a wildcard.
    pub(super) role: &'m str,
    /// The name that was asked for, or, where that is what has an answer, the
    /// same without the domain.
    pub(super) name: &'n str,
    /// Whether that name has an entry of its own: no wildcard covers it.
    pub(super) exact: bool,
}

impl<'m> Directory<'m> {
    /// The roles of these fields.
    pub(super) fn new(fields: &'m Fields, domain: &'m str) -> Directory<'m> {
        Directory { fields, domain }
    }

    /// The role that answers for a name, by the rule that lookups follow.
    pub(super) fn find<'n>(&self, name: &'n str) -> Option<DecidingRole<'m, 'n>> {
        let decided = decide(self, self.domain.as_bytes(), name.as_bytes())?;
        Some(DecidingRole {
            role: decided.entry,
            name: name.get(..decided.meant.len())?,
            exact: !decided.by_wildcard,
        })
    }

    /// Whether a name has an entry of its own.
    pub(super) fn is_exact(&self, name: &str) -> bool {
        let has = |name| self.fields.has(name);
        has(name) || self.without_domain(name).is_some_and(has)
    }

    /// The same name without the domain, if it is in it.
    pub(super) fn without_domain<'n>(&self, name: &'n str) -> Option<&'n str> {
        if self.domain.is_empty() {
            return None;
        }
        let role = name.strip_suffix(self.domain)?.strip_suffix('.')?;
        Name::parse(role.as_bytes()).ok().map(|_| role)
    }

    /// The role of this very name, as it stands in the fields.
    fn role(&self, name: &str) -> Option<&'m str> {
        self.fields.of_role(name).next().map(|field| field.role)
    }
}

impl<'m> Namespace for Directory<'m> {
    type Entry = &'m str;

    fn exact(&self, name: &[u8]) -> Option<&'m str> {
        self.role(str::from_utf8(name).ok()?)
    }

    fn wildcard(&self, suffix: &[u8]) -> Option<&'m str> {
        self.role(&format!("*.{}", str::from_utf8(suffix).ok()?))
    }
}
