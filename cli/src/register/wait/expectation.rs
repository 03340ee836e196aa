//! What a table must hold for a change to be published.

use std::collections::BTreeSet;

use cloudhosts_config::Allow;
use cloudhosts_registry::register::{
    Accept, Change, Import, ImportedRoles, Place, Role, Verb, Where,
};
use cloudhosts_table::{RoleEntry, View};

use super::Unpublished;
use crate::table_roles;

/// What a table must hold of one hash for a change to be published.
pub(in super::super) struct Expectation<'w> {
    pub(super) hash: String,
    pub(super) fields: ExpectedFields<'w>,
    excluded: ExcludedFields,
    accepted: AcceptedLoss,
    /// The role that this hash should decide.
    answered: Option<String>,
}

/// The fields that there must be.
pub(super) enum ExpectedFields<'w> {
    /// Any.
    None,
    /// This one with this value; without a value there must be no such field.
    One(&'w Role, Option<String>),
    /// The plain fields of these roles.
    Of(&'w ImportedRoles),
}

impl ExpectedFields<'_> {
    /// The role, the member (empty for the plain field) and the value of each.
    pub(super) fn all(&self) -> Box<dyn Iterator<Item = (&str, &str, Option<&str>)> + '_> {
        match self {
            ExpectedFields::None => Box::new(std::iter::empty()),
            ExpectedFields::One(role, value) => Box::new(std::iter::once((
                role.name(),
                role.member().unwrap_or_default(),
                value.as_deref(),
            ))),
            ExpectedFields::Of(entries) => {
                Box::new(entries.iter().map(|(role, at)| (role, "", Some(at))))
            }
        }
    }

    /// Whether this field is one of them.
    fn has(&self, role: &str, member: &str) -> bool {
        match self {
            ExpectedFields::None => false,
            ExpectedFields::One(one, _) => {
                one.name() == role && one.member().unwrap_or_default() == member
            }
            ExpectedFields::Of(entries) => member.is_empty() && entries.contains(role.as_bytes()),
        }
    }
}

/// The roles of which nothing may be retained.
enum AcceptedLoss {
    None,
    These(BTreeSet<String>),
    All,
}

/// The fields, beside those expected, that there must not be.
enum ExcludedFields {
    None,
    /// All of that role.
    OfRole(String),
    All,
}

/// The value of a place as a table has it: that does not say zones.
fn value(place: &Place) -> Option<String> {
    let at = place.at.as_ref().map(Where::without_zone);
    at.map(|at| at.to_string())
}

/// What is expected after a change.
pub(in super::super) fn after_change(change: &Change) -> Vec<Expectation<'_>> {
    let expected = change.places.iter().map(|place| Expectation {
        hash: place.hash.clone(),
        fields: ExpectedFields::One(&change.role, value(place)),
        excluded: match change.verb {
            Verb::Claim | Verb::Point | Verb::Release => {
                ExcludedFields::OfRole(change.role.name().to_owned())
            }
            Verb::Join | Verb::Leave => ExcludedFields::None,
        },
        accepted: AcceptedLoss::None,
        answered: place.at.as_ref().map(|_| change.role.name().to_owned()),
    });
    expected.collect()
}

/// What is expected after an import.
pub(in super::super) fn after_import(import: &Import) -> Vec<Expectation<'_>> {
    vec![Expectation {
        hash: import.hash.clone(),
        fields: ExpectedFields::Of(&import.roles),
        excluded: if import.replace {
            ExcludedFields::All
        } else {
            ExcludedFields::None
        },
        accepted: AcceptedLoss::None,
        answered: None,
    }]
}

/// What is expected after a loss was accepted.
pub(in super::super) fn after_accept(accept: &Accept) -> Vec<Expectation<'_>> {
    let expected = accept.hashes.iter().map(|hash| Expectation {
        hash: hash.clone(),
        fields: ExpectedFields::None,
        excluded: ExcludedFields::None,
        accepted: if accept.roles.is_empty() {
            AcceptedLoss::All
        } else {
            let roles = accept.roles.iter().map(|role| role.name().to_owned());
            AcceptedLoss::These(roles.collect())
        },
        answered: None,
    });
    expected.collect()
}

impl Expectation<'_> {
    /// Whether a table meets it, but for fields that `allow` leaves out. None if the
    /// daemon does not mirror this hash.
    pub(super) fn is_met(&self, view: &View<'_>, allow: &Allow) -> Option<bool> {
        let hashes = view.hashes();
        let hash = hashes.iter().position(|hash| *hash == self.hash)?;
        let mut all = self.fields.all().filter(|(role, ..)| allow.allows(role));
        let excluded_absent = match &self.excluded {
            ExcludedFields::None => true,
            ExcludedFields::OfRole(role) => self.has_no_other(view.role_entry(role).as_ref(), hash),
            ExcludedFields::All => view
                .roles()
                .all(|role| self.has_no_other(Some(&role), hash)),
        };
        let accepted = match &self.accepted {
            AcceptedLoss::None => true,
            AcceptedLoss::These(roles) => roles.iter().all(|role| {
                let entry = view.role_entry(role);
                entry.is_none_or(|entry| !retains(&entry, hash))
            }),
            AcceptedLoss::All => view.roles().all(|role| !retains(&role, hash)),
        };
        let there = all.all(|(role, member, value)| has(view, hash, role, member, value));
        Some(excluded_absent && accepted && there)
    }

    /// The hash that decides the role, where it comes before all that were written to.
    pub(super) fn overruled(
        &self,
        view: &View<'_>,
        all: &[Expectation<'_>],
    ) -> Option<Unpublished> {
        let role = self.answered.as_ref()?;
        let entry = view.role_entry(role)?;
        let decides = entry.sources.iter().map(|source| source.hash).min()?;
        let hashes = view.hashes();
        let written = |key: &String| all.iter().any(|one| one.hash == *key);
        let first = hashes.iter().position(written)?;
        let by = hashes.get(decides)?;
        (decides < first).then(|| Unpublished::Overruled {
            role: role.clone(),
            by: by.clone(),
        })
    }

    /// Whether a role has no other fields in this hash than those expected.
    fn has_no_other(&self, role: Option<&RoleEntry>, hash: usize) -> bool {
        role.is_none_or(|role| {
            let mut here = role.sources.iter().filter(|source| source.hash == hash);
            here.all(|source| {
                let member = source.member.as_deref().unwrap_or_default();
                self.fields.has(&role.name, member)
            })
        })
    }
}

/// Whether a table has this field of this hash with this value; or does not have it,
/// where there is no value.
fn has(view: &View<'_>, hash: usize, role: &str, member: &str, value: Option<&str>) -> bool {
    let entry = view.role_entry(role);
    let sources = entry.iter().flat_map(|entry| &entry.sources);
    let mut here = sources.filter(|source| source.hash == hash);
    let found = here.find(|source| source.member.as_deref().unwrap_or_default() == member);
    match (found, value) {
        (None, None) => true,
        // A retained field may be an older one of the same value.
        (Some(found), Some(value)) => !found.retained && table_roles::value(found) == value,
        _ => false,
    }
}

/// Whether the table retains a field of a role that this hash has lost.
fn retains(role: &RoleEntry, hash: usize) -> bool {
    let mut sources = role.sources.iter();
    sources.any(|source| source.hash == hash && source.retained)
}
