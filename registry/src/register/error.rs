//! Why a change was not made.

use std::fmt;

use serde::{Deserialize, Serialize};

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

/// The variants of [`RegisterError`], for documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegisterErrorCode {
    /// [`RegisterError::Away`].
    RedisAway,
    /// [`RegisterError::Refused`].
    Refused,
    /// [`RegisterError::Differs`].
    Differs,
    /// [`RegisterError::Dangling`].
    Dangling,
    /// [`RegisterError::Unanswered`].
    Unanswered,
}

impl RegisterErrorCode {
    /// Its name in documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RegisterErrorCode::RedisAway => "redis_away",
            RegisterErrorCode::Refused => "refused",
            RegisterErrorCode::Differs => "differs",
            RegisterErrorCode::Dangling => "dangling",
            RegisterErrorCode::Unanswered => "unanswered",
        }
    }
}

impl fmt::Display for RegisterErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl RegisterError {
    /// The error with this code. The text is without what the code adds to it.
    #[must_use]
    pub fn new(code: RegisterErrorCode, why: String) -> RegisterError {
        match code {
            RegisterErrorCode::RedisAway => RegisterError::Away(why),
            RegisterErrorCode::Refused => RegisterError::Refused(why),
            RegisterErrorCode::Differs => RegisterError::Differs(why),
            RegisterErrorCode::Dangling => RegisterError::Dangling(why),
            RegisterErrorCode::Unanswered => RegisterError::Unanswered(why),
        }
    }

    /// Its code.
    #[must_use]
    pub fn code(&self) -> RegisterErrorCode {
        match self {
            RegisterError::Away(_) => RegisterErrorCode::RedisAway,
            RegisterError::Refused(_) => RegisterErrorCode::Refused,
            RegisterError::Differs(_) => RegisterErrorCode::Differs,
            RegisterError::Dangling(_) => RegisterErrorCode::Dangling,
            RegisterError::Unanswered(_) => RegisterErrorCode::Unanswered,
        }
    }

    /// What happened, without what the code adds to it.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            RegisterError::Away(why)
            | RegisterError::Refused(why)
            | RegisterError::Differs(why)
            | RegisterError::Dangling(why)
            | RegisterError::Unanswered(why) => why,
        }
    }

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
