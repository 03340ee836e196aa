//! Raw fields that can't be used.

use cloudhosts_registry::record::ValueProblem;

/// Why a raw field can't be used. The value itself is not retained: it is of
/// no use here, and may be a secret.
#[derive(Debug)]
pub(super) enum Unusable {
    /// Its name.
    Name,
    /// Its value.
    Value(ValueProblem),
}
