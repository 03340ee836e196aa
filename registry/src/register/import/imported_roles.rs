//! The roles of an import, in little memory.

use std::fmt::Write as _;

use crate::register::role::{Role, Where};

/// Roles and their values, sorted by name. They are stored in one string, so that a million take
/// little memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportedRoles {
    text: String,
    spans: Vec<Span>,
}

/// The offsets of one of them: the name, and the value right after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    name: usize,
    value: usize,
    end: usize,
}

impl FromIterator<(Role, Where)> for ImportedRoles {
    /// From distinct roles in any order.
    fn from_iter<I: IntoIterator<Item = (Role, Where)>>(all: I) -> ImportedRoles {
        let mut entries = ImportedRoles::default();
        for (role, at) in all {
            let name = entries.text.len();
            // Writing to a string does not fail.
            let _ = write!(entries.text, "{role}");
            let value = entries.text.len();
            entries.text.push_str(at.as_str());
            let end = entries.text.len();
            entries.spans.push(Span { name, value, end });
        }
        let ImportedRoles { text, spans } = &mut entries;
        let name = |span: &Span| text.get(span.name..span.value);
        spans.sort_unstable_by(|a, b| name(a).cmp(&name(b)));
        entries
    }
}

impl ImportedRoles {
    /// How many roles there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no role.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The names and the values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.shown(&self.spans)
    }

    /// The same, in chunks of this size.
    pub(super) fn portions(
        &self,
        size: usize,
    ) -> impl Iterator<Item = impl Iterator<Item = (&str, &str)> + Clone> {
        self.spans.chunks(size).map(|spans| self.shown(spans))
    }

    /// Whether it has this role.
    #[must_use]
    pub fn contains(&self, role: &[u8]) -> bool {
        let bytes = self.text.as_bytes();
        let name = |span: &Span| bytes.get(span.name..span.value).unwrap_or_default();
        self.spans
            .binary_search_by(|span| name(span).cmp(role))
            .is_ok()
    }

    fn shown<'e>(&'e self, spans: &'e [Span]) -> impl Iterator<Item = (&'e str, &'e str)> + Clone {
        spans.iter().map(|span| {
            let part = |from, to| self.text.get(from..to).unwrap_or_default();
            (part(span.name, span.value), part(span.value, span.end))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_found_by_their_names() {
        let entry = |(role, at)| (Role::parse(role).unwrap(), Where::addresses(at).unwrap());
        let all = [
            ("web", "10.0.0.6"),
            ("db", "10.0.0.5 fd00::5"),
            ("db.x", "10.0.0.7"),
        ];
        let entries: ImportedRoles = all.into_iter().map(entry).collect();
        let shown: Vec<_> = entries.iter().collect();
        assert_eq!(
            shown,
            [
                ("db", "10.0.0.5 fd00::5"),
                ("db.x", "10.0.0.7"),
                ("web", "10.0.0.6")
            ]
        );
        for role in ["db", "db.x", "web"] {
            assert!(entries.contains(role.as_bytes()), "{role}");
        }
        assert!(!entries.contains(b"d") && !entries.contains(b"zz") && !entries.contains(b""));
        let portions = entries.portions(2).map(Iterator::count);
        assert_eq!(portions.collect::<Vec<_>>(), [2, 1]);
    }
}
