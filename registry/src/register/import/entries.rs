//! What is imported, in little memory.

use crate::register::role::{Role, Where};
use std::fmt::Write as _;

/// Roles, each with where it is, in the order of their names. They stand one
/// behind the other in one text, so that a million take little memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entries {
    text: String,
    places: Vec<Place>,
}

/// Where one of them stands in the text: the name, and right behind it the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    name: usize,
    value: usize,
    end: usize,
}

impl FromIterator<(Role, Where)> for Entries {
    /// Of roles that are there once each, in any order.
    fn from_iter<I: IntoIterator<Item = (Role, Where)>>(all: I) -> Entries {
        let mut entries = Entries::default();
        for (role, at) in all {
            let name = entries.text.len();
            // A string takes it.
            let _ = write!(entries.text, "{role}");
            let value = entries.text.len();
            entries.text.push_str(at.as_str());
            let end = entries.text.len();
            entries.places.push(Place { name, value, end });
        }
        let Entries { text, places } = &mut entries;
        let name = |place: &Place| text.get(place.name..place.value);
        places.sort_unstable_by(|a, b| name(a).cmp(&name(b)));
        entries
    }
}

impl Entries {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The names and the values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.shown(&self.places)
    }

    /// The same, in portions of so many.
    pub(super) fn portions(
        &self,
        size: usize,
    ) -> impl Iterator<Item = impl Iterator<Item = (&str, &str)> + Clone> {
        self.places.chunks(size).map(|places| self.shown(places))
    }

    /// Whether this role is among them.
    #[must_use]
    pub fn contains(&self, role: &[u8]) -> bool {
        let bytes = self.text.as_bytes();
        let name = |place: &Place| bytes.get(place.name..place.value).unwrap_or_default();
        self.places
            .binary_search_by(|place| name(place).cmp(role))
            .is_ok()
    }

    fn shown<'e>(
        &'e self,
        places: &'e [Place],
    ) -> impl Iterator<Item = (&'e str, &'e str)> + Clone {
        places.iter().map(|place| {
            let part = |from, to| self.text.get(from..to).unwrap_or_default();
            (part(place.name, place.value), part(place.value, place.end))
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
        let entries: Entries = all.into_iter().map(entry).collect();
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
