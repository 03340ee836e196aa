//! The fields of one hash that are in use, in the order of their roles.

use std::cmp::Ordering;
use std::ops::Range;

/// Fields and values in two pieces of memory: a million of them, of 24 and 11
/// bytes, take 51 MB.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    /// `role` or `role/member`, one after the other.
    names: String,
    values: Vec<u8>,
    entries: Vec<Entry>,
}

/// Where a field's name and value stand.
#[derive(Debug, Clone, Copy)]
struct Entry {
    name: u32,
    value: u32,
    value_len: u32,
    role: u8,
    /// 0 for the plain field.
    member: u8,
    kept: bool,
}

impl Entry {
    /// Where the name ends, `/` and member with it.
    fn name_end(&self) -> usize {
        let member = match self.member {
            0 => 0,
            len => 1 + usize::from(len),
        };
        self.role_end() + member
    }

    fn role_end(&self) -> usize {
        self.name as usize + usize::from(self.role)
    }
}

/// One field: `role` or `role/member`, in normal form, and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldRef<'f> {
    /// `web`, or `*.apps.internal`.
    pub role: &'f str,
    /// `i-0abc` of `web/i-0abc`; empty for the plain field.
    pub member: &'f str,
    /// As it stands in Redis.
    pub value: &'f [u8],
    /// Redis lost it; it is what was there before.
    pub kept: bool,
}

impl FieldRef<'_> {
    /// The order of fields: by role, the plain field before its members.
    fn order(&self, role: &str, member: &str) -> Ordering {
        (self.role, self.member).cmp(&(role, member))
    }
}

impl std::fmt::Display for FieldRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.role)?;
        match self.member {
            "" => Ok(()),
            member => write!(f, "/{member}"),
        }
    }
}

impl Fields {
    /// Adds a field. False when there is no room for it: with it all texts
    /// would be longer than 4 GiB.
    pub fn push(&mut self, field: FieldRef<'_>) -> bool {
        let lens = (
            u32::try_from(self.names.len()),
            u32::try_from(self.values.len()),
            u32::try_from(field.value.len()),
            u8::try_from(field.role.len()),
            u8::try_from(field.member.len()),
        );
        let (Ok(name), Ok(value), Ok(value_len), Ok(role), Ok(member)) = lens else {
            return false;
        };
        self.names.push_str(field.role);
        if !field.member.is_empty() {
            self.names.push('/');
            self.names.push_str(field.member);
        }
        self.values.extend_from_slice(field.value);
        self.entries.push(Entry {
            name,
            value,
            value_len,
            role,
            member,
            kept: field.kept,
        });
        true
    }

    /// Puts the fields in order after the last was added, and gives back what
    /// memory is left over. Of the same field the one added first stays; the
    /// others are returned.
    pub fn arrange(&mut self) -> Vec<String> {
        let mut entries = std::mem::take(&mut self.entries);
        // Where the name stands tells which of equals was added first.
        entries.sort_unstable_by(|a, b| {
            let (a_field, b_field) = (self.field(a), self.field(b));
            a_field
                .order(b_field.role, b_field.member)
                .then(a.name.cmp(&b.name))
        });
        let mut twice = Vec::new();
        entries.dedup_by(|later, first| {
            let (later, first) = (self.field(later), self.field(first));
            let same = later.order(first.role, first.member) == Ordering::Equal;
            if same {
                twice.push(later.to_string());
            }
            same
        });
        self.entries = entries;
        self.shrink();
        twice
    }

    /// Two lists that are in order, as one. Of a field in both, the one of the
    /// `first` stays; the others are returned.
    #[must_use]
    pub fn merged<'f>(
        first: impl Iterator<Item = FieldRef<'f>>,
        second: &'f Fields,
    ) -> (Fields, Vec<String>) {
        let (mut all, mut twice) = (Fields::default(), Vec::new());
        let (mut first, mut second) = (first.peekable(), second.iter().peekable());
        loop {
            let next = match (first.peek(), second.peek()) {
                (Some(a), Some(b)) => match a.order(b.role, b.member) {
                    Ordering::Less => first.next(),
                    Ordering::Greater => second.next(),
                    Ordering::Equal => {
                        twice.extend(second.next().map(|field| field.to_string()));
                        first.next()
                    }
                },
                (Some(_), None) => first.next(),
                (None, _) => second.next(),
            };
            let Some(field) = next else { break };
            // What fitted into two lists of one hash fits into one.
            all.push(field);
        }
        all.shrink();
        (all, twice)
    }

    fn shrink(&mut self) {
        self.entries.shrink_to_fit();
        self.names.shrink_to_fit();
        self.values.shrink_to_fit();
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = FieldRef<'_>> {
        self.entries.iter().map(|entry| self.field(entry))
    }

    /// The fields of a range of [`Fields::of_role`].
    pub fn range(&self, range: Range<usize>) -> impl Iterator<Item = FieldRef<'_>> {
        let entries = self.entries.get(range).unwrap_or_default();
        entries.iter().map(|entry| self.field(entry))
    }

    /// The field at a place.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<FieldRef<'_>> {
        self.entries.get(at).map(|entry| self.field(entry))
    }

    /// Where the fields of a role are.
    #[must_use]
    pub fn of_role(&self, role: &str) -> Range<usize> {
        let start = self
            .entries
            .partition_point(|entry| self.field(entry).role < role);
        self.rest_of_role(start, role)
    }

    /// Where the fields of a role are, of which `start` is the first.
    #[must_use]
    pub fn rest_of_role(&self, start: usize, role: &str) -> Range<usize> {
        let rest = self.entries.get(start..).unwrap_or_default();
        let same = rest
            .iter()
            .take_while(|entry| self.field(entry).role == role);
        start..start + same.count()
    }

    /// The field of this name.
    #[must_use]
    pub fn find(&self, role: &str, member: &str) -> Option<FieldRef<'_>> {
        let at = self
            .entries
            .binary_search_by(|entry| self.field(entry).order(role, member))
            .ok()?;
        self.get(at)
    }

    /// The name of the field at a place, `role` or `role/member`.
    #[must_use]
    pub fn name(&self, at: usize) -> Option<&str> {
        let entry = self.entries.get(at)?;
        self.names.get(entry.name as usize..entry.name_end())
    }

    fn field(&self, entry: &Entry) -> FieldRef<'_> {
        let (name, role, end) = (entry.name as usize, entry.role_end(), entry.name_end());
        let value = entry.value as usize;
        FieldRef {
            role: self.names.get(name..role).unwrap_or_default(),
            member: self.names.get(role + 1..end).unwrap_or_default(),
            value: self
                .values
                .get(value..value + entry.value_len as usize)
                .unwrap_or_default(),
            kept: entry.kept,
        }
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Fields) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field<'f>(role: &'f str, member: &'f str, value: &'f str) -> FieldRef<'f> {
        FieldRef {
            role,
            member,
            value: value.as_bytes(),
            kept: false,
        }
    }

    #[test]
    fn fields_of_a_role_stand_together_and_once() {
        let mut fields = Fields::default();
        // As bytes, "web-x" sorts between "web" and "web/a".
        for (role, member, value) in [
            ("web", "b", "1"),
            ("web-x", "", "2"),
            ("web", "", "3"),
            ("web", "a", "4"),
            ("web", "b", "5"),
        ] {
            assert!(fields.push(field(role, member, value)));
        }
        assert_eq!(fields.arrange(), ["web/b"]);
        let all: Vec<String> = fields.iter().map(|field| field.to_string()).collect();
        assert_eq!(all, ["web", "web/a", "web/b", "web-x"]);
        assert_eq!(fields.of_role("web"), 0..3);
        assert_eq!(fields.of_role("nobody"), 0..0);
        assert_eq!(fields.find("web", "b"), Some(field("web", "b", "1")));
        assert_eq!(fields.find("web", "c"), None);
    }
}
