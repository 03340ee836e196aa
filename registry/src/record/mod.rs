//! The grammar of the hash: a [`Field`] says who, a [`Value`] says where.

mod field;
mod mend;
mod value;
mod value_problem;

pub use field::{Field, FieldError, MAX_FIELD, MAX_MEMBER};
pub use mend::mend;
pub use value::{MAX_ADDRESSES, MAX_UNKNOWN, MAX_VALUE, Target, Value, ValueError};
pub use value_problem::ValueProblem;
