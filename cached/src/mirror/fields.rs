//! The fields in use of all hashes, in the order of their roles.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::parsed::Parsed;

/// A role, a zero byte, the number of the hash, and the member, if there is
/// one. No name holds a zero byte, so that fields stand in the order of their
/// roles, those of the deciding hash first, the plain field before the members.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key(Box<[u8]>);

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl Key {
    fn bytes(role: &str, hash: usize, member: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(role.len() + 2 + member.len());
        bytes.extend_from_slice(role.as_bytes());
        // There are at most 128 hashes.
        bytes.extend_from_slice(&[0, hash as u8]);
        bytes.extend_from_slice(member.as_bytes());
        bytes
    }

    fn parts(&self) -> (&str, usize, &str) {
        let zero = self.0.iter().position(|&byte| byte == 0);
        let (role, rest) = self.0.split_at(zero.unwrap_or(self.0.len()));
        let (hash, member) = match rest {
            [0, hash, member @ ..] => (usize::from(*hash), member),
            _ => (0, &[][..]),
        };
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        (text(role), hash, text(member))
    }
}

/// What is known of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredField {
    /// Its value, or the last one that could be used.
    pub(super) value: Parsed,
    /// Redis has lost it; it is what was there before.
    pub(super) retained: bool,
}

/// One field, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct FieldRef<'f> {
    /// `web`, or `*.apps.internal`.
    pub(super) role: &'f str,
    /// The number of its hash.
    pub(super) hash: usize,
    /// `i-0abc` of `web/i-0abc`; empty for the plain field.
    pub(super) member: &'f str,
    /// What is known of it.
    pub(super) field: &'f StoredField,
}

impl std::fmt::Display for FieldRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        super::normal_name::write_field(f, self.role, self.member)
    }
}

/// The only field that decides a role, where that is a pointer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alias<'f> {
    /// The name it points at.
    pub(super) target: &'f str,
    /// How many addresses it says to answer; 0 is all.
    pub(super) pick: u16,
    /// Whether it is the plain field, whose pick counts before the target's.
    pub(super) plain: bool,
}

/// Fields to be put in together: it takes less time than one by one, and less
/// memory.
#[derive(Debug, Default)]
pub(super) struct Bulk {
    fields: Vec<(Key, StoredField)>,
}

impl Bulk {
    /// Adds a field, which is not there yet.
    pub(super) fn push(&mut self, role: &str, hash: usize, member: &str, field: StoredField) {
        let key = Key(Key::bytes(role, hash, member).into());
        self.fields.push((key, field));
    }
}

/// All fields in use.
#[derive(Debug, Default)]
pub(super) struct Fields {
    all: BTreeMap<Key, StoredField>,
    /// Those that are not written in the normal form, which are few.
    unusual: BTreeSet<Key>,
}

impl Fields {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// One field.
    pub(super) fn get(&self, role: &str, hash: usize, member: &str) -> Option<&StoredField> {
        self.all.get(&Key::bytes(role, hash, member)[..])
    }

    /// Puts a field in; returns what stood there before.
    pub(super) fn put(
        &mut self,
        role: &str,
        hash: usize,
        member: &str,
        field: StoredField,
    ) -> Option<StoredField> {
        let key = Key(Key::bytes(role, hash, member).into());
        if field.value.unusual().is_some() {
            self.unusual.insert(key.clone());
        } else if !self.unusual.is_empty() {
            self.unusual.remove(&key);
        }
        self.all.insert(key, field)
    }

    /// Puts many fields in.
    pub(super) fn add(&mut self, bulk: Bulk) {
        let unusual = bulk.fields.iter();
        let unusual = unusual.filter(|(_, field)| field.value.unusual().is_some());
        self.unusual.extend(unusual.map(|(key, _)| key.clone()));
        let mut added = bulk.fields.into_iter().collect();
        if self.all.is_empty() {
            self.all = added;
        } else {
            self.all.append(&mut added);
        }
    }

    /// Takes a field out.
    pub(super) fn take(&mut self, role: &str, hash: usize, member: &str) -> Option<StoredField> {
        let key = Key::bytes(role, hash, member);
        self.unusual.remove(&key[..]);
        self.all.remove(&key[..])
    }

    /// Takes out the fields of all hashes but the first so many; true when
    /// there was one.
    pub(super) fn keep_hashes(&mut self, count: usize) -> bool {
        let before = self.all.len();
        self.unusual.retain(|key| key.parts().1 < count);
        self.all.retain(|key, _| key.parts().1 < count);
        self.all.len() < before
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = FieldRef<'_>> {
        self.all.iter().map(|(key, field)| at(key, field))
    }

    /// Those that are not written in the normal form.
    pub(super) fn unusual(&self) -> impl Iterator<Item = FieldRef<'_>> {
        let all = self.unusual.iter();
        all.filter_map(|key| self.all.get(key).map(|field| at(key, field)))
    }

    /// The fields of a role in all hashes, in order.
    pub(super) fn of_role(&self, role: &str) -> impl Iterator<Item = FieldRef<'_>> + use<'_> {
        let mut start = Vec::with_capacity(role.len() + 1);
        start.extend_from_slice(role.as_bytes());
        let mut end = start.clone();
        start.push(0);
        end.push(1);
        let fields = {
            let range = (Bound::Included(&start[..]), Bound::Excluded(&end[..]));
            self.all.range::<[u8], _>(range)
        };
        fields.map(|(key, field)| at(key, field))
    }

    /// The fields that decide a role: those in the first hash that has it.
    pub(super) fn deciding(&self, role: &str) -> impl Iterator<Item = FieldRef<'_>> + use<'_> {
        let mut first = None;
        self.of_role(role)
            .take_while(move |field| *first.get_or_insert(field.hash) == field.hash)
    }

    /// Whether there is a role of this name.
    pub(super) fn has(&self, role: &str) -> bool {
        self.of_role(role).next().is_some()
    }

    /// The role's only deciding field, if that is a pointer.
    pub(super) fn alias(&self, role: &str) -> Option<Alias<'_>> {
        let mut deciding = self.deciding(role);
        let only = deciding.next()?;
        if deciding.next().is_some() {
            return None;
        }
        Some(Alias {
            target: only.field.value.pointer()?,
            pick: only.field.value.pick(),
            plain: only.member.is_empty(),
        })
    }
}

fn at<'f>(key: &'f Key, field: &'f StoredField) -> FieldRef<'f> {
    let (role, hash, member) = key.parts();
    FieldRef {
        role,
        hash,
        member,
        field,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_role_stand_together_and_the_deciding_ones_first() {
        let mut fields = Fields::default();
        // As bytes, "web-x" sorts between "web" and "web/a".
        for (role, hash, member) in [
            ("web", 1, ""),
            ("web", 0, "b"),
            ("web-x", 0, ""),
            ("we", 0, ""),
            ("web", 0, ""),
            ("web", 0, "a"),
            ("web.x", 0, ""),
        ] {
            let value = Parsed::parse(b"10.0.0.1").unwrap();
            let field = StoredField {
                value,
                retained: false,
            };
            assert_eq!(fields.put(role, hash, member, field), None);
        }
        let shown = |found: Vec<FieldRef<'_>>| -> Vec<String> {
            let show = |field: &FieldRef<'_>| format!("{} {field}", field.hash);
            found.iter().map(show).collect()
        };
        assert_eq!(
            shown(fields.iter().collect()),
            [
                "0 we", "0 web", "0 web/a", "0 web/b", "1 web", "0 web-x", "0 web.x"
            ]
        );
        assert_eq!(
            shown(fields.of_role("web").collect()),
            ["0 web", "0 web/a", "0 web/b", "1 web"]
        );
        assert_eq!(
            shown(fields.deciding("web").collect()),
            ["0 web", "0 web/a", "0 web/b"]
        );
        assert!(fields.has("we") && !fields.has("w"));
        assert!(fields.take("web", 0, "b").is_some() && fields.get("web", 0, "b").is_none());
    }
}
