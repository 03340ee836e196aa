//! Claim, point and release. All fields of the role, in every spelling, are looked up before the
//! script runs: doing that in the script blocked Redis for 0.7 s with a million fields.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cloudhosts_config::printable::Quoted;
use cloudhosts_table::Name;
use redis::{Value, cmd};

use super::change::{Change, Condition};
use super::error::RegisterError;
use super::registrar::Registrar;
use super::role::Where;
use super::script::Script;
use super::target::{Reach, Search, Witness};
use crate::connect::ErrorKind;
use crate::log::log_key;
use crate::record::{Field, Target, Value as RoleValue};
use crate::reply::{bytes, hscan_page, items};

/// COUNT of HSCAN.
const STEP: usize = 250;

/// How often the lookup is repeated if others change the role meanwhile.
const ATTEMPTS: usize = 10;

/// The fields of a role in one hash.
struct RoleFields {
    /// The newest entry of the log at that time.
    position: Vec<u8>,
    /// The raw fields and their values.
    fields: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Change {
    /// Runs a claim, pointer or release. Returns the reply of the script, and whether the role points
    /// at a name without an address.
    pub(super) async fn claim(
        &self,
        registrar: &mut Registrar,
    ) -> Result<(Value, bool), RegisterError> {
        for _ in 0..ATTEMPTS {
            let mut all = Vec::new();
            for place in &self.places {
                let found = RoleFields::find(&place.hash, self.role.name(), registrar).await;
                let found = found.map_err(RegisterError::before_any_change)?;
                if let Some(condition) = &self.only_if {
                    found.meets(condition, &place.hash)?;
                }
                all.push(found);
            }
            let aim = self.aim(&all, registrar).await?;
            // A role without an address may point at a name without one.
            let dangling = aim == Reach::Nothing;
            let exact = self.only_if.is_some() || dangling;
            let mut words = vec![self.role.name().as_bytes().to_vec()];
            for (place, found) in self.places.iter().zip(all) {
                let value = place.at.as_ref().map(Where::as_str).unwrap_or_default();
                found.append_to(&mut words, value, exact);
            }
            if let Reach::Address(witnesses) = aim {
                for Witness { hash, field, value } in witnesses {
                    words.extend([hash.into_bytes(), field, value]);
                }
            }
            let hashes = self.places.iter().map(|place| place.hash.as_str());
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let (verb, author) = (self.verb.name(), registrar.author());
            let call = Script::Claim.leases(hashes, self.role.name(), &words, verb, author);
            let answer = registrar.run(&call).await?;
            if bytes(&answer) != Some(b"again") {
                return Ok((answer, dangling));
            }
        }
        Err(RegisterError::Away(format!(
            "{}: others keep changing it; nothing was changed",
            self.role
        )))
    }

    /// What the target of the pointer leads to.
    ///
    /// # Errors
    /// [`RegisterError::Dangling`] if the target has no address, and the role has one.
    async fn aim(
        &self,
        all: &[RoleFields],
        registrar: &mut Registrar,
    ) -> Result<Reach, RegisterError> {
        let at = self.places.iter().find_map(|place| place.at.as_ref());
        let pointer = at.and_then(|at| pointer_of(at.as_str().as_bytes()));
        let (Some(views), Some(pointer)) = (&self.views, pointer) else {
            return Ok(Reach::Unknown);
        };
        let mut search = Search {
            views,
            written: self
                .places
                .iter()
                .map(|place| place.hash.as_str())
                .collect(),
            but: self.role.name(),
            registrar,
        };
        let reach = search.reach(&pointer).await?;
        if reach != Reach::Nothing {
            return Ok(reach);
        }
        for (place, found) in self.places.iter().zip(all) {
            if found.has_address(&mut search).await? {
                return Err(RegisterError::Dangling(format!(
                    "{} has an address in {}, and {pointer} has none; nothing was changed",
                    self.role,
                    Quoted(place.hash.as_bytes())
                )));
            }
        }
        Ok(Reach::Nothing)
    }
}

impl RoleFields {
    /// Scans the hash.
    async fn find(
        hash: &str,
        role: &str,
        registrar: &mut Registrar,
    ) -> Result<RoleFields, RegisterError> {
        registrar.seek(hash).await?;
        let mut last = cmd("XREVRANGE");
        last.arg(log_key(hash)).arg("+").arg("-");
        last.arg("COUNT").arg(1);
        let last = match registrar.try_send(&last).await? {
            Ok(entries) => entries,
            // Of a key that is not a stream the script says more.
            Err(refusal) if refusal.reply.kind == ErrorKind::WrongType => Value::Nil,
            Err(refusal) => return Err(refusal.into()),
        };
        let id = items(&last).first().map(items);
        let id = id.and_then(|entry| bytes(entry.first()?));
        let mut found = RoleFields {
            position: id.unwrap_or(b"-").to_vec(),
            fields: BTreeMap::new(),
        };
        let fields = scan(hash, &pattern(role), registrar).await?.into_iter();
        let ours = fields.filter(|(field, _)| role_of(field).is_some_and(|it| it == role));
        found.fields.extend(ours);
        Ok(found)
    }

    /// Whether the role has an address now, directly or by a pointer.
    async fn has_address(&self, search: &mut Search<'_>) -> Result<bool, RegisterError> {
        let values = self.fields.values();
        let targets = values.filter_map(|value| RoleValue::parse(value).ok());
        let mut pointers = Vec::new();
        for target in targets.map(|record| record.target) {
            match target {
                Target::Addresses { .. } => return Ok(true),
                Target::Pointer(name) => pointers.push(name),
            }
        }
        for pointer in pointers {
            if matches!(search.reach(&pointer).await?, Reach::Address(_)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Checks the condition.
    ///
    /// # Errors
    /// [`RegisterError::Differs`] if it is not met.
    fn meets(&self, condition: &Condition, hash: &str) -> Result<(), RegisterError> {
        let mut targets = BTreeSet::new();
        for value in self.fields.values() {
            targets.extend(targets_of(value));
        }
        let wanted = match condition {
            Condition::Absent => BTreeSet::new(),
            Condition::At(at) => targets_of(at.as_str().as_bytes()),
        };
        if targets == wanted && (*condition != Condition::Absent || self.fields.is_empty()) {
            return Ok(());
        }
        let hash = Quoted(hash.as_bytes());
        Err(RegisterError::Differs(if self.fields.is_empty() {
            format!("not in {hash}; nothing was changed")
        } else {
            let at: Vec<String> = targets.into_iter().collect();
            format!("at {} in {hash}; nothing was changed", at.join(" "))
        }))
    }

    /// Adds the arguments of the script for this hash.
    fn append_to(self, words: &mut Vec<Vec<u8>>, value: &str, exact: bool) {
        let how: &[u8] = if exact { b"exact" } else { b"any" };
        words.extend([
            value.as_bytes().to_vec(),
            self.position,
            self.fields.len().to_string().into_bytes(),
            how.to_vec(),
        ]);
        for (field, value) in self.fields {
            words.push(field);
            if exact {
                words.push(value);
            }
        }
    }
}

/// The fields of a hash that match a pattern, and their values, by HSCAN. A field may occur twice.
pub(super) async fn scan(
    hash: &str,
    pattern: &str,
    registrar: &mut Registrar,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>, RegisterError> {
    let (mut found, mut cursor) = (Vec::new(), b"0".to_vec());
    loop {
        let mut step = cmd("HSCAN");
        step.arg(hash).arg(cursor).arg("MATCH").arg(pattern);
        step.arg("COUNT").arg(STEP);
        let answer = registrar.send(&step).await?;
        let (next, strings) = hscan_page(&answer);
        for pair in strings.chunks_exact(2) {
            if let [field, value] = pair {
                found.push((field.to_vec(), value.to_vec()));
            }
        }
        match next {
            Some(next) => cursor = next,
            None => return Ok(found),
        }
    }
}

/// The name that a value points at.
fn pointer_of(value: &[u8]) -> Option<Name> {
    match RoleValue::parse(value).ok()?.target {
        Target::Pointer(name) => Some(name),
        Target::Addresses { .. } => None,
    }
}

/// The addresses or the pointer of a value, or all of it if it is invalid.
fn targets_of(value: &[u8]) -> BTreeSet<String> {
    match RoleValue::parse(value).map(|value| value.target) {
        Ok(Target::Addresses { v4, v6 }) => {
            let v4 = v4.iter().map(|&at| IpAddr::from(at));
            let all = v4.chain(v6.iter().map(|&at| IpAddr::from(at)));
            all.map(|at| at.to_string()).collect()
        }
        Ok(Target::Pointer(name)) => BTreeSet::from([name.to_string()]),
        Err(_) => BTreeSet::from([Quoted(value).to_string()]),
    }
}

/// The role of a field in its normal form, even if the member is invalid.
pub(super) fn role_of(field: &[u8]) -> Option<String> {
    let role = field.split(|&byte| byte == b'/').next()?;
    Some(Field::parse(role).ok()?.role.to_string())
}

/// A pattern that matches the fields of a role in every spelling, and of roles with that prefix.
pub(super) fn pattern(role: &str) -> String {
    let mut pattern = String::new();
    for letter in role.chars() {
        match letter {
            '*' => pattern.push_str("\\*"),
            letter if letter.is_ascii_alphabetic() => {
                pattern.extend(['[', letter, letter.to_ascii_uppercase(), ']']);
            }
            letter => pattern.push(letter),
        }
    }
    pattern + "*"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_found_in_every_spelling() {
        assert_eq!(pattern("*.a-1"), "\\*.[aA]-1*");
        for (field, role) in [
            ("Web", Some("web")),
            ("WEB./i", Some("web")),
            ("web/a b", Some("web")),
            ("", None),
        ] {
            assert_eq!(role_of(field.as_bytes()).as_deref(), role, "{field:?}");
        }
    }
}
