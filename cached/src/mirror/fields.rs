//! The fields of one hash that are in use, in the order of their roles.

use std::cmp::Ordering;
use std::ops::Range;

/// Fields and values in one piece of memory, each field once: a million of
/// them, of 24 and 11 bytes, take 47 MB.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    text: Vec<u8>,
    entries: Vec<Entry>,
}

/// Where a field's role, member and value stand, one after the other.
#[derive(Debug, Clone, Copy)]
struct Entry {
    at: u32,
    value: u32,
    role: u8,
    member: u8,
    kept: bool,
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
            u32::try_from(self.text.len()),
            u32::try_from(field.value.len()),
            u8::try_from(field.role.len()),
            u8::try_from(field.member.len()),
        );
        let (Ok(at), Ok(value), Ok(role), Ok(member)) = lens else {
            return false;
        };
        self.text.extend_from_slice(field.role.as_bytes());
        self.text.extend_from_slice(field.member.as_bytes());
        self.text.extend_from_slice(field.value);
        self.entries.push(Entry {
            at,
            value,
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
        // Stable, so that of equals the first comes first.
        entries.sort_by(|a, b| {
            let (a, b) = (self.field(a), self.field(b));
            a.order(b.role, b.member)
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
        self.entries.shrink_to_fit();
        self.text.shrink_to_fit();
        twice
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

    fn field(&self, entry: &Entry) -> FieldRef<'_> {
        let role = entry.at as usize;
        let member = role + usize::from(entry.role);
        let value = member + usize::from(entry.member);
        let end = value + entry.value as usize;
        let text = |range: Range<usize>| {
            let bytes = self.text.get(range).unwrap_or_default();
            std::str::from_utf8(bytes).unwrap_or_default()
        };
        FieldRef {
            role: text(role..member),
            member: text(member..value),
            value: self.text.get(value..end).unwrap_or_default(),
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
