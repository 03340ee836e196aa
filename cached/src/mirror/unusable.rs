//! Raw fields that can't be used.

use cloudhosts_registry::record::ValueProblem;

/// Why a raw field can't be used. Its value itself is not remembered: it is of
/// no use here, and may be of some to whoever must not know it.
#[derive(Debug)]
pub(super) enum Unusable {
    /// Its name.
    Name,
    /// Its value.
    Value(ValueProblem),
}
