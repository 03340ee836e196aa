//! Why a change was not made.

use crate::connect::ErrorReply;
use crate::connect_error::ConnectError;

/// What went wrong, in words for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// No Redis could be reached, or it may not be written to for now. Nothing
    /// was changed.
    #[error("{0}")]
    Away(String),
    /// Redis says no, and will again. Nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// The role is not where it was said to be. Nothing was changed.
    #[error("{0}")]
    Differs(String),
    /// The role has addresses, and would have none. Nothing was changed.
    #[error("{0}")]
    Dangling(String),
    /// The connection was lost before the answer came: the change may have been
    /// made. Making it again does no harm.
    #[error("{0}; the change may have been made or not, and can be made again")]
    Unanswered(String),
}

impl RegisterError {
    /// Whether waiting may help.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, RegisterError::Away(_) | RegisterError::Unanswered(_))
    }

    /// The Redis at this endpoint refuses the change, for now or for good.
    pub(super) fn of_reply(endpoint: &str, reply: &ErrorReply) -> RegisterError {
        let why = format!("{endpoint}: {reply}");
        if reply.is_temporary() {
            RegisterError::Away(why)
        } else {
            RegisterError::Refused(why)
        }
    }

    /// Redis answered what no script of this version does.
    pub(super) fn not_understood() -> RegisterError {
        let why = "Redis answered what this program does not understand; are all parts of one \
                   version?";
        RegisterError::Refused(why.to_owned())
    }

    /// The same of a question that changes nothing.
    pub(super) fn before_any_change(self) -> RegisterError {
        match self {
            RegisterError::Unanswered(why) => {
                RegisterError::Away(format!("{why}; nothing was changed"))
            }
            other => other,
        }
    }
}

impl From<ConnectError> for RegisterError {
    fn from(error: ConnectError) -> RegisterError {
        RegisterError::Away(error.to_string())
    }
}
