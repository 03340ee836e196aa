//! Why a change was not made.

use crate::connect::ErrorReply;
use crate::connect_error::ConnectError;

/// Why a change was not made. The texts are for the operator; callers decide on the variant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// No Redis could be reached, or it refuses writes for now. Nothing was changed.
    #[error("{0}")]
    Away(String),
    /// Redis refuses. Nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// The condition is not met. Nothing was changed.
    #[error("{0}")]
    Differs(String),
    /// The role has an address, and would have none. Nothing was changed.
    #[error("{0}")]
    Dangling(String),
    /// The connection was lost before the reply arrived: the change may have been made. Making it
    /// again does no harm.
    #[error("{0}; the change may have been made or not, and can be made again")]
    Unanswered(String),
}

impl RegisterError {
    /// Whether trying again may help.
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

    /// A script returned something that this version does not understand.
    pub(super) fn not_understood() -> RegisterError {
        let why = "this program does not understand the reply of a script; are all parts of \
                   cloudhosts of one version?";
        RegisterError::Refused(why.to_owned())
    }

    /// The same for a command that changes nothing.
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
