//! Whether the target of a pointer has an address in Redis now. That is looked up before the script
//! runs, because no script iterates over a hash; the script that writes the pointer checks that the
//! fields which were found are still there.

use std::collections::{BTreeMap, BTreeSet};

use cloudhosts_table::Name;
use cloudhosts_table::rule::{Namespace, decide};
use redis::cmd;

use super::claim::{pattern, role_of, scan};
use super::error::RegisterError;
use super::registrar::Registrar;
use crate::record::{Target, Value as RoleValue};
use crate::reply::{bytes, items};

/// The most pointers in a chain, as in the daemon.
const MAX_CHAIN: usize = 8;

/// The most roles that are looked up. If there are more, the result is unknown.
const MOST_ROLES: usize = 64;

/// A pattern that matches all wildcards.
const WILDCARDS: &str = "\\**";

/// Where pointers are followed: the target may be in any hash that machines mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Views {
    /// The hashes, in the order of precedence.
    pub hashes: Vec<String>,
    /// The domain: names in it are the same roles.
    pub domain: Option<Name>,
}

/// A field on the way to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Witness {
    pub(super) hash: String,
    pub(super) field: Vec<u8>,
    pub(super) value: Vec<u8>,
}

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    /// An address, by these fields.
    Address(Vec<Witness>),
    /// No address.
    Nothing,
    /// Unknown: not all hashes may be read, or there are too many roles.
    Unknown,
}

/// Follows pointers.
pub(super) struct Search<'s> {
    pub(super) views: &'s Views,
    /// The hashes that are about to be written to.
    pub(super) written: Vec<&'s str>,
    /// The role that is being changed.
    pub(super) but: &'s str,
    pub(super) registrar: &'s mut Registrar,
}

/// How fields are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Care {
    /// Those without a member, in the normal spelling (HMGET).
    Plain,
    /// All, in every spelling (HSCAN).
    All,
}

/// The fields of a role, and their targets.
type Fields = Vec<(Witness, Target)>;

/// Roles, each with the fields that apply.
struct Roles(BTreeMap<String, Fields>);

impl<'r> Namespace for &'r Roles {
    type Entry = (&'r str, &'r Fields);

    fn exact(&self, name: &[u8]) -> Option<Self::Entry> {
        let (role, fields) = self.0.get_key_value(str::from_utf8(name).ok()?)?;
        Some((role, fields))
    }

    fn wildcard(&self, suffix: &[u8]) -> Option<Self::Entry> {
        self.exact(&[b"*.", suffix].concat())
    }
}

impl Search<'_> {
    /// What a name leads to.
    pub(super) async fn reach(&mut self, name: &Name) -> Result<Reach, RegisterError> {
        match self.follow(name, Care::Plain).await? {
            Reach::Nothing => self.follow(name, Care::All).await,
            found => Ok(found),
        }
    }

    async fn follow(&mut self, name: &Name, care: Care) -> Result<Reach, RegisterError> {
        let mut seen = BTreeSet::from([self.but.to_owned()]);
        let mut open = vec![(*name, Vec::new())];
        while let Some((name, path)) = open.pop() {
            if path.len() >= MAX_CHAIN {
                continue;
            }
            if seen.len() > MOST_ROLES {
                return Ok(Reach::Unknown);
            }
            let Some(roles) = self.candidates(&name, care).await? else {
                return Ok(Reach::Unknown);
            };
            let domain = self.views.domain.as_ref().map_or("", Name::as_str);
            let Some(decided) = decide(&&roles, domain.as_bytes(), name.as_bytes()) else {
                continue;
            };
            let (role, fields) = decided.entry;
            if !seen.insert(role.to_owned()) {
                continue;
            }
            for (witness, target) in fields {
                let mut path = path.clone();
                path.push(witness.clone());
                match target {
                    Target::Addresses { .. } => return Ok(Reach::Address(path)),
                    Target::Pointer(next) => open.push((*next, path)),
                }
            }
        }
        Ok(Reach::Nothing)
    }

    /// The roles that may match a name, each with its fields in the first hash that has a valid one.
    /// None if a hash may not be read.
    async fn candidates(
        &mut self,
        name: &Name,
        care: Care,
    ) -> Result<Option<Roles>, RegisterError> {
        let mut names = vec![name.as_str()];
        let domain = self.views.domain.as_ref().map(Name::as_str);
        let inner = domain.and_then(|domain| name.as_str().strip_suffix(domain)?.strip_suffix('.'));
        names.extend(inner.filter(|inner| !inner.is_empty()));
        let wildcards: Vec<String> = names.iter().flat_map(|name| wildcards(name)).collect();
        let mut roles = Roles(BTreeMap::new());
        for hash in &self.views.hashes {
            let found = match care {
                Care::Plain => plain(hash, &names, &wildcards, self.registrar).await,
                Care::All => all(hash, &names, !wildcards.is_empty(), self.registrar).await,
            };
            let found = match found {
                Ok(found) => found,
                Err(RegisterError::Refused(_)) if !self.written.contains(&hash.as_str()) => {
                    return Ok(None);
                }
                Err(error) => return Err(error.before_any_change()),
            };
            let mut here: BTreeMap<String, Fields> = BTreeMap::new();
            for (field, value) in found {
                let role = role_of(&field);
                let role =
                    role.filter(|role| names.contains(&role.as_str()) || wildcards.contains(role));
                if let (Some(role), Ok(record)) = (role, RoleValue::parse(&value)) {
                    let hash = hash.clone();
                    let witness = Witness { hash, field, value };
                    here.entry(role).or_default().push((witness, record.target));
                }
            }
            for (role, fields) in here {
                roles.0.entry(role).or_insert(fields);
            }
        }
        Ok(Some(roles))
    }
}

/// The wildcards that a name is below.
fn wildcards(name: &str) -> impl Iterator<Item = String> {
    let dots = name.match_indices('.');
    dots.filter_map(|(at, _)| Some(format!("*{}", name.get(at..)?)))
}

/// The fields of these roles without a member, in the normal spelling.
async fn plain(
    hash: &str,
    names: &[&str],
    wildcards: &[String],
    registrar: &mut Registrar,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>, RegisterError> {
    let roles: Vec<&str> = names
        .iter()
        .copied()
        .chain(wildcards.iter().map(String::as_str))
        .collect();
    let mut command = cmd("HMGET");
    command.arg(hash).arg(&roles);
    let answer = registrar.send(&command).await?;
    let values = items(&answer).iter().map(bytes);
    let fields = roles.into_iter().zip(values);
    let there =
        fields.filter_map(|(role, value)| Some((role.as_bytes().to_vec(), value?.to_vec())));
    Ok(there.collect())
}

/// All fields that may be of these roles.
async fn all(
    hash: &str,
    names: &[&str],
    wildcards: bool,
    registrar: &mut Registrar,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>, RegisterError> {
    let mut found = Vec::new();
    for name in names {
        found.extend(scan(hash, &pattern(name), registrar).await?);
    }
    if wildcards {
        found.extend(scan(hash, WILDCARDS, registrar).await?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_below_one_wildcard_for_each_dot() {
        let of = |name| wildcards(name).collect::<Vec<_>>();
        assert_eq!(of("web"), Vec::<String>::new());
        assert_eq!(of("a.b.c"), ["*.b.c", "*.c"]);
    }
}
