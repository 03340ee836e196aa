//! One Redis hash: what of it is in use, what can't be used, and what is
//! retained because Redis has lost it.

use std::collections::BTreeMap;

use cloudhosts_config::Allow;
use cloudhosts_config::status::HashStatus;
use cloudhosts_registry::Unreadable;
use cloudhosts_registry::follow::{Changes, Extent};
use cloudhosts_registry::log::DropScope;
use cloudhosts_registry::record::Field;
use tracing::{info, warn};

use super::fields::{Bulk, FieldRef, Fields, StoredField};
use super::normal_name::{NormalName, write_field};
use super::parsed::Parsed;
use super::spellings::Spellings;
use super::unusable::Unusable;

/// What is known of one hash, besides its fields in use, which stand with those
/// of the others in [`Fields`].
#[derive(Debug)]
pub(super) struct Hash {
    key: String,
    /// Which of all hashes it is.
    number: usize,
    /// How many of its fields are in use.
    fields: usize,
    /// How many of these Redis has lost.
    retained: usize,
    /// How much it holds in Redis, where it was read.
    extent: Option<Extent>,
    unreadable: Option<Unreadable>,
    /// The raw fields that can't be used, and why.
    pub(super) unusable: BTreeMap<Box<[u8]>, Unusable>,
    /// The fields in use with unknown attributes, and how many.
    pub(super) attributes: BTreeMap<Box<str>, usize>,
    /// All together.
    unknown: usize,
    /// The fields that are in Redis in another spelling than the normal one.
    pub(super) spellings: BTreeMap<Box<str>, Spellings>,
    /// The spellings that are ignored.
    overruled: usize,
}

impl Hash {
    /// A hash of which nothing is known yet.
    pub(super) fn new(key: &str, number: usize) -> Hash {
        Hash {
            key: key.into(),
            number,
            fields: 0,
            retained: 0,
            extent: None,
            unreadable: None,
            unusable: BTreeMap::new(),
            attributes: BTreeMap::new(),
            unknown: 0,
            spellings: BTreeMap::new(),
            overruled: 0,
        }
    }

    /// Its key in Redis.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// How many of its fields Redis has lost.
    pub(super) fn retained(&self) -> usize {
        self.retained
    }

    /// How many things in it can't be used.
    pub(super) fn problems(&self) -> usize {
        self.unusable.len() + self.unknown + self.overruled
    }

    /// Its status.
    pub(super) fn status(&self) -> HashStatus {
        HashStatus {
            key: self.key.clone(),
            fields: self.fields,
            retained: self.retained,
            in_redis: self.extent.map(|extent| extent.fields),
            filtered: self.extent.map(|extent| extent.filtered),
            log_position: None,
            unreadable: self.unreadable.as_ref().map(ToString::to_string),
            unreadable_code: self.unreadable.as_ref().map(|why| why.code),
        }
    }

    /// Records that it can't be read. Its fields stay in use.
    pub(super) fn unreadable(&mut self, unreadable: Unreadable) {
        if self.unreadable.as_ref() != Some(&unreadable) {
            warn!(
                "the hash {} can't be read, what it held stays: {unreadable}",
                self.key
            );
        }
        self.unreadable = Some(unreadable);
    }

    /// Whether it can be read, as far as is known.
    pub(super) fn is_readable(&self) -> bool {
        self.unreadable.is_none()
    }

    /// Records that it can be read.
    pub(super) fn readable(&mut self) {
        if self.unreadable.take().is_some() {
            info!("the hash {} can be read again", self.key);
        }
    }

    /// Applies changes; true when a field in use has changed.
    ///
    /// What is written goes before what is missing. It makes a difference only
    /// where a field is missing in one spelling and there in another, of which
    /// the value can't be used: then the last good value is still there.
    pub(super) fn apply(&mut self, changes: &Changes, fields: &mut Fields, allow: &Allow) -> bool {
        let mut changed = false;
        self.extent = changes.extent.or(self.extent);
        let mut bulk = Bulk::default();
        for scope in &changes.dropped {
            changed |= self.drop_retained(scope, fields);
        }
        let mut set: Vec<(&[u8], &[u8])> = changes.set.iter().collect();
        if self.fields == 0 && set.len() > fields.len() {
            // In the order in which they are put in.
            set.sort_unstable();
            set.retain(|(raw, value)| !self.gathered(raw, value, &mut bulk, allow));
            changed |= self.fields > 0;
            fields.add(bulk);
        }
        for (raw, value) in set {
            changed |= self.set(raw, value, fields, allow);
        }
        for raw in &changes.removed {
            changed |= self.missing(raw, false, fields, allow);
        }
        for raw in &changes.lost {
            changed |= self.missing(raw, true, fields, allow);
        }
        changed
    }

    /// Of fields that come in large number where there are none, takes up what
    /// needs no second look, to be put in all at once. True where it did.
    fn gathered(&mut self, raw: &[u8], value: &[u8], bulk: &mut Bulk, allow: &Allow) -> bool {
        let (Ok(name), Ok(value)) = (Field::parse(raw), Parsed::parse(value)) else {
            return false;
        };
        let name = NormalName::of(&name);
        if !name.is_spelling(raw) || value.unknown() > 0 || !allow.allows(name.role()) {
            return false;
        }
        let retained = false;
        let field = StoredField { value, retained };
        bulk.push(name.role(), self.number, name.member(), field);
        self.fields += 1;
        true
    }

    /// Counts a field that was restored from a table.
    pub(super) fn note(&mut self, role: &str, member: &str, field: &StoredField) {
        self.fields += 1;
        self.retained += usize::from(field.retained);
        let unknown = field.value.unknown();
        if unknown > 0 && !field.retained {
            self.note_attributes(role, member, unknown);
        }
    }

    fn drop_retained(&mut self, scope: &DropScope, fields: &mut Fields) -> bool {
        if self.retained == 0 {
            return false;
        }
        let ours = |field: &FieldRef<'_>| field.hash == self.number && field.field.retained;
        let name = |field: FieldRef<'_>| -> (Box<str>, Box<str>) {
            (field.role.into(), field.member.into())
        };
        let dropped: Vec<(Box<str>, Box<str>)> = match scope {
            DropScope::Role(role) => fields.of_role(role).filter(ours).map(name).collect(),
            DropScope::All => fields.iter().filter(ours).map(name).collect(),
        };
        for (role, member) in &dropped {
            self.take(role, member, fields);
        }
        !dropped.is_empty()
    }

    /// A raw field is there, with this value.
    fn set(&mut self, raw: &[u8], value: &[u8], fields: &mut Fields, allow: &Allow) -> bool {
        let Ok(field) = Field::parse(raw) else {
            self.unusable.insert(raw.into(), Unusable::Name);
            return false;
        };
        let name = NormalName::of(&field);
        if !allow.allows(name.role()) {
            return false;
        }
        let parsed = match Parsed::parse(value) {
            Ok(parsed) => {
                self.unusable.remove(raw);
                Some(parsed)
            }
            Err(error) => {
                self.unusable
                    .insert(raw.into(), Unusable::Value(error.problem()));
                None
            }
        };
        if name.is_spelling(raw) && !self.is_spelled(&name) {
            return self.written(&name, parsed, fields);
        }
        self.spell(&name, raw, parsed, fields)
    }

    /// A raw field is not there any more: it was deleted, or is lost.
    fn missing(&mut self, raw: &[u8], lost: bool, fields: &mut Fields, allow: &Allow) -> bool {
        self.unusable.remove(raw);
        let Ok(field) = Field::parse(raw) else {
            return false;
        };
        let name = NormalName::of(&field);
        if !allow.allows(name.role()) {
            return false;
        }
        if self.is_spelled(&name) {
            return self.unspell(&name, raw, lost, fields);
        }
        // What is in use is another spelling's, unless it is retained.
        let there = fields.get(name.role(), self.number, name.member());
        if !name.is_spelling(raw) && there.is_some_and(|there| !there.retained) {
            return false;
        }
        self.missing_in_all(&name, lost, fields)
    }

    /// A field is in Redis. A value that can't be used leaves the last good one.
    fn written(
        &mut self,
        name: &NormalName<'_>,
        value: Option<Parsed>,
        fields: &mut Fields,
    ) -> bool {
        let last = || {
            let there = fields.get(name.role(), self.number, name.member());
            there.map(|there| there.value.clone())
        };
        let Some(value) = value.or_else(last) else {
            return false;
        };
        let field = StoredField {
            value,
            retained: false,
        };
        self.put(name.role(), name.member(), field, fields)
    }

    /// Whether a field is in Redis in another spelling than the normal one.
    fn is_spelled(&self, name: &NormalName<'_>) -> bool {
        !self.spellings.is_empty() && self.spellings.contains_key(&*name.to_string())
    }

    /// A field is there in this spelling, which is not the normal one, or there
    /// are others.
    fn spell(
        &mut self,
        name: &NormalName<'_>,
        raw: &[u8],
        value: Option<Parsed>,
        fields: &mut Fields,
    ) -> bool {
        let normal = name.to_string();
        let mut spellings = self.spellings.remove(&*normal).unwrap_or_default();
        self.overruled -= spellings.overruled();
        let there = fields.get(name.role(), self.number, name.member());
        if spellings.values.is_empty()
            && let Some(there) = there
            && !there.retained
        {
            // So far the normal spelling was the only one.
            let value = Some(there.value.clone());
            spellings.values.insert(normal.as_bytes().into(), value);
        }
        let last = spellings.values.get(raw).cloned().flatten();
        spellings.values.insert(raw.into(), value.or(last));
        self.settle(name, spellings, fields)
    }

    /// A field is not there any more in this spelling; it was there in several,
    /// or in another than the normal one.
    fn unspell(
        &mut self,
        name: &NormalName<'_>,
        raw: &[u8],
        lost: bool,
        fields: &mut Fields,
    ) -> bool {
        let normal = name.to_string();
        let mut spellings = self.spellings.remove(&*normal).unwrap_or_default();
        self.overruled -= spellings.overruled();
        spellings.values.remove(raw);
        if !spellings.values.is_empty() {
            return self.settle(name, spellings, fields);
        }
        self.missing_in_all(name, lost, fields)
    }

    /// A field is not there any more in any spelling.
    fn missing_in_all(&mut self, name: &NormalName<'_>, lost: bool, fields: &mut Fields) -> bool {
        let there = fields.get(name.role(), self.number, name.member());
        match there {
            Some(there) if lost => {
                let field = StoredField {
                    value: there.value.clone(),
                    retained: true,
                };
                self.put(name.role(), name.member(), field, fields)
            }
            Some(_) => self.take(name.role(), name.member(), fields),
            None => false,
        }
    }

    /// Which of the spellings counts, and whether they need be remembered.
    fn settle(&mut self, name: &NormalName<'_>, spellings: Spellings, fields: &mut Fields) -> bool {
        let value = spellings.deciding(&name.to_string()).cloned();
        if !spellings.is_plain(name) {
            self.overruled += spellings.overruled();
            self.spellings.insert(name.to_string().into(), spellings);
        }
        self.written(name, value, fields)
    }

    /// Puts a field in; true when it was not there just so.
    fn put(&mut self, role: &str, member: &str, field: StoredField, fields: &mut Fields) -> bool {
        let unknown = if field.retained {
            0
        } else {
            field.value.unknown()
        };
        if unknown > 0 || !self.attributes.is_empty() {
            self.note_attributes(role, member, unknown);
        }
        let before = fields.put(role, self.number, member, field.clone());
        if before.as_ref() == Some(&field) {
            return false;
        }
        self.fields += usize::from(before.is_none());
        self.retained += usize::from(field.retained);
        self.retained -= usize::from(before.is_some_and(|before| before.retained));
        true
    }

    /// Takes a field out; true when it was there.
    fn take(&mut self, role: &str, member: &str, fields: &mut Fields) -> bool {
        if !self.attributes.is_empty() {
            self.note_attributes(role, member, 0);
        }
        let Some(before) = fields.take(role, self.number, member) else {
            return false;
        };
        self.fields -= 1;
        self.retained -= usize::from(before.retained);
        true
    }

    fn note_attributes(&mut self, role: &str, member: &str, unknown: usize) {
        let mut name = String::new();
        // Writing to a string cannot fail.
        let _ = write_field(&mut name, role, member);
        let before = self.attributes.remove(&*name);
        self.unknown -= before.unwrap_or(0);
        self.unknown += unknown;
        if unknown > 0 {
            self.attributes.insert(name.into(), unknown);
        }
    }
}
