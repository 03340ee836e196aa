//! Raw fields that can't be used.

use cloudhosts_registry::record::MAX_VALUE;

use super::rejected::SHOWN;

/// Why a raw field can't be used.
#[derive(Debug)]
pub(super) enum Unusable {
    /// Its name.
    Name,
    /// Its value, which is this one.
    Value(Box<[u8]>),
    /// Its value, which is longer than any can be and begins like this.
    TooLong(Box<[u8]>),
}

impl Unusable {
    /// A field with this value, which is wrong.
    pub(super) fn value(value: &[u8]) -> Unusable {
        if value.len() > MAX_VALUE {
            let start = value.get(..=SHOWN).unwrap_or(value);
            Unusable::TooLong(start.into())
        } else {
            Unusable::Value(value.into())
        }
    }
}
