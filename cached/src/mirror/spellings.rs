//! Fields that are in Redis in another spelling than the normal one: in upper
//! case, or with a dot at the end.

use std::collections::BTreeMap;

use super::normal_name::NormalName;
use super::parsed::Parsed;

/// The spellings of one field that are in Redis, each with its last value that
/// could be used, if there was one.
#[derive(Debug, Default)]
pub(super) struct Spellings {
    pub(super) values: BTreeMap<Box<[u8]>, Option<Parsed>>,
}

impl Spellings {
    /// How many of them are ignored, because one counts.
    pub(super) fn overruled(&self) -> usize {
        self.values.len().saturating_sub(1)
    }

    /// The value that counts: the normal spelling's, else the first of those
    /// that can be used.
    pub(super) fn deciding(&self, normal: &str) -> Option<&Parsed> {
        let (_, value) = self.best(normal)?;
        value
    }

    /// The spelling that counts, by the normal one; where no value can be used,
    /// the first.
    pub(super) fn counting(&self, normal: &str) -> Option<&[u8]> {
        self.best(normal).map(|(raw, _)| raw)
    }

    fn best(&self, normal: &str) -> Option<(&[u8], Option<&Parsed>)> {
        let normal = self.values.get_key_value(normal.as_bytes());
        let all = || normal.into_iter().chain(&self.values);
        let usable = all().find(|(_, value)| value.is_some());
        let (raw, value) = usable.or_else(|| all().next())?;
        Some((raw, value.as_ref()))
    }

    /// Whether there is nothing but the normal spelling.
    pub(super) fn is_plain(&self, name: &NormalName<'_>) -> bool {
        self.values.keys().all(|raw| name.is_spelling(raw))
    }
}
