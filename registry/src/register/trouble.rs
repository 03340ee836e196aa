//! Why a change was not made.

use crate::connect::Refusal;
use std::fmt;

/// What went wrong, in words for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// No Redis could be reached, or it may not be written to for now. Nothing
    /// was changed.
    Away(String),
    /// Redis says no, and will again. Nothing was changed.
    Refused(String),
    /// The role is not where it was said to be. Nothing was changed.
    Differs(String),
    /// The role has addresses, and would have none. Nothing was changed.
    Dangling(String),
    /// The connection was lost before the answer came: the change may have been
    /// made. Making it again does no harm.
    Unanswered(String),
}

impl Trouble {
    /// Whether waiting may help.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Trouble::Away(_) | Trouble::Unanswered(_))
    }

    /// Redis answered what no script of this version does.
    pub(super) fn not_understood() -> Trouble {
        let why = "Redis answered what this program does not understand; are all parts of one \
                   version?";
        Trouble::Refused(why.to_owned())
    }

    /// The same of a question that changes nothing.
    pub(super) fn before_any_change(self) -> Trouble {
        match self {
            Trouble::Unanswered(why) => Trouble::Away(format!("{why}; nothing was changed")),
            other => other,
        }
    }
}

/// Whether Redis says no only for now.
pub(crate) fn passes(refusal: &Refusal) -> bool {
    matches!(
        refusal.code(),
        "LOADING"
            | "BUSY"
            | "OOM"
            | "READONLY"
            | "MASTERDOWN"
            | "CLUSTERDOWN"
            | "MISCONF"
            | "NOREPLICAS"
            | "TRYAGAIN"
    )
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Away(why)
            | Trouble::Refused(why)
            | Trouble::Differs(why)
            | Trouble::Dangling(why) => f.write_str(why),
            Trouble::Unanswered(why) => write!(
                f,
                "{why}; the change may have been made or not, and can be made again"
            ),
        }
    }
}

impl std::error::Error for Trouble {}
