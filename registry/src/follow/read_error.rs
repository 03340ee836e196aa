//! Why a hash was not read.

use crate::connect::{CommandError, ErrorReply};
use crate::fault::{Fault, FaultCode};
use crate::unreadable::Unreadable;

/// Why a hash was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// This hash cannot be read; the connection is as good as before.
    #[error("{0}")]
    Hash(Unreadable),
    /// The connection is of no more use.
    #[error(transparent)]
    Lost(#[from] Fault),
}

impl ReadError {
    /// A reply that is not what Redis sends to this command.
    pub(super) fn unexpected_reply(command: &str) -> ReadError {
        ReadError::Lost(Fault::unexpected_reply(command))
    }

    /// The same where the connection cannot go on in either case.
    pub(super) fn into_fault(self) -> Fault {
        match self {
            ReadError::Lost(fault) => fault,
            ReadError::Hash(unreadable) => Fault::new(FaultCode::ErrorReply, unreadable.why),
        }
    }
}

impl From<CommandError> for ReadError {
    fn from(error: CommandError) -> ReadError {
        match error {
            CommandError::ErrorReply(reply) => ReadError::from(reply),
            CommandError::Lost(fault) => ReadError::Lost(fault),
        }
    }
}

impl From<ErrorReply> for ReadError {
    fn from(reply: ErrorReply) -> ReadError {
        match reply.unreadable() {
            Some(code) => {
                let why = reply.to_string();
                ReadError::Hash(Unreadable { code, why })
            }
            None => ReadError::Lost(reply.fault()),
        }
    }
}
