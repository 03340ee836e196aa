//! The grammar of the hash: a [`Field`] is a role or a member, a [`Value`] its addresses or pointer.

mod field;
mod mend;
mod value;
mod value_problem;

pub use field::{Field, FieldError, MAX_FIELD, MAX_MEMBER};
pub use mend::mend;
pub use value::{MAX_ADDRESSES, MAX_UNKNOWN, MAX_VALUE, Target, Value, ValueError};
pub use value_problem::ValueProblem;
