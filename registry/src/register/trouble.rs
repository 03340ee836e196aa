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
    /// The connection was lost before the answer came: the change may have been
    /// made. Making it again does no harm.
    Unanswered(String),
}

impl Trouble {
    /// Whether waiting may help.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        !matches!(self, Trouble::Refused(_))
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
            Trouble::Away(why) | Trouble::Refused(why) => f.write_str(why),
            Trouble::Unanswered(why) => write!(
                f,
                "{why}; the change may have been made or not, and can be made again"
            ),
        }
    }
}

impl std::error::Error for Trouble {}
