//! Error replies of Redis: what they mean, and what the operator can do.

use std::fmt;

use cloudhosts_config::Secret;
use cloudhosts_config::printable::reason;
use cloudhosts_config::status::UnreadableCode;
use redis::ServerError;

use super::redirect::Redirect;
use crate::fault::{Fault, FaultCode};

/// What to do where a right is missing.
const RIGHTS: &str = "grant the Redis user the ACL rules that `cloudhosts acl` prints";

/// An error reply: `NOPERM this user has no permissions ...`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} {text}{}", Advice(*kind))]
pub(crate) struct ErrorReply {
    pub(crate) kind: ErrorKind,
    /// The node of the cluster that has the key.
    pub(crate) redirect: Option<Redirect>,
    code: String,
    text: String,
}

/// What an error reply says. Everything is decided by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// A code of Redis, or an error that means nothing special here.
    Other,
    NoAuth,
    WrongPass,
    NoPerm,
    /// A script may not run one of its commands (before Redis 7).
    ScriptNoPerm,
    WrongType,
    /// MOVED or ASK.
    Moved,
    CrossSlot,
    /// Protected mode (DENIED).
    Protected,
    Loading,
    Busy,
    OutOfMemory,
    ReadOnly,
    MasterDown,
    ClusterDown,
    /// MISCONF or NOREPLICAS.
    NotNow,
    /// The slot of several keys is being moved, and some of them are at its new node.
    TryAgain,
    NoScript,
    /// A transaction was discarded; because of a missing right or not.
    ExecAbort {
        no_perm: bool,
    },
    NoProto,
    UnknownCommand,
    Syntax,
    TooManyClients,
    /// AUTH, where the user has no password.
    NoPasswordSet,
    /// SELECT of a database that does not exist.
    NoDatabase,
}

impl ErrorKind {
    /// Reads the code, and the text where Redis has no code. Nothing else looks at the words of
    /// Redis.
    fn of(code: &str, text: &str) -> ErrorKind {
        match code {
            "NOAUTH" => ErrorKind::NoAuth,
            "WRONGPASS" => ErrorKind::WrongPass,
            "NOPERM" => ErrorKind::NoPerm,
            "WRONGTYPE" => ErrorKind::WrongType,
            "MOVED" | "ASK" => ErrorKind::Moved,
            "CROSSSLOT" => ErrorKind::CrossSlot,
            "DENIED" => ErrorKind::Protected,
            "LOADING" => ErrorKind::Loading,
            "BUSY" => ErrorKind::Busy,
            "OOM" => ErrorKind::OutOfMemory,
            "READONLY" => ErrorKind::ReadOnly,
            "MASTERDOWN" => ErrorKind::MasterDown,
            "CLUSTERDOWN" => ErrorKind::ClusterDown,
            "MISCONF" | "NOREPLICAS" => ErrorKind::NotNow,
            "TRYAGAIN" => ErrorKind::TryAgain,
            "NOSCRIPT" => ErrorKind::NoScript,
            "NOPROTO" => ErrorKind::NoProto,
            "EXECABORT" => ErrorKind::ExecAbort {
                no_perm: text.contains("NOPERM"),
            },
            "ERR" => ErrorKind::of_text(text),
            _ => ErrorKind::Other,
        }
    }

    /// What has no code but ERR.
    fn of_text(text: &str) -> ErrorKind {
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("unknown ") {
            ErrorKind::UnknownCommand
        } else if lower == "syntax error" {
            ErrorKind::Syntax
        } else if text.contains("max number of clients") {
            ErrorKind::TooManyClients
        } else if text.contains("without any password configured") {
            ErrorKind::NoPasswordSet
        } else if text.contains("can't run this command") || text.contains("NOPERM") {
            ErrorKind::ScriptNoPerm
        } else if text.contains("DB index") {
            ErrorKind::NoDatabase
        } else {
            ErrorKind::Other
        }
    }
}

impl ErrorReply {
    pub(crate) fn new(code: &str, text: &str) -> ErrorReply {
        ErrorReply {
            kind: ErrorKind::of(code, text),
            redirect: Redirect::parse(code, text),
            code: reason(code),
            // Redis quotes the arguments of a command it does not know, and
            // with HELLO and AUTH these are the password.
            text: reason(text.split(", with args").next().unwrap_or_default()),
        }
    }

    /// Whether Redis does not know the command at all, or not this form of it.
    pub(crate) fn is_unknown_command(&self) -> bool {
        matches!(self.kind, ErrorKind::NoProto | ErrorKind::UnknownCommand)
    }

    /// Whether this reply to HELLO means that the server does not support RESP3.
    pub(super) fn is_without_resp3(&self) -> bool {
        self.kind == ErrorKind::NoProto
            || self.code == "ERR" && self.kind != ErrorKind::TooManyClients
    }

    /// Why this one hash can't be read, where the connection can go on.
    pub(crate) fn unreadable(&self) -> Option<UnreadableCode> {
        match self.kind {
            ErrorKind::Moved | ErrorKind::CrossSlot => Some(UnreadableCode::Moved),
            ErrorKind::NoPerm => Some(UnreadableCode::NoPerm),
            ErrorKind::WrongType => Some(UnreadableCode::WrongType),
            _ => None,
        }
    }

    /// Whether a transaction was discarded.
    pub(crate) fn is_exec_abort(&self) -> bool {
        matches!(self.kind, ErrorKind::ExecAbort { .. })
    }

    /// Whether the same command may succeed later.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Loading
                | ErrorKind::Busy
                | ErrorKind::OutOfMemory
                | ErrorKind::ReadOnly
                | ErrorKind::MasterDown
                | ErrorKind::ClusterDown
                | ErrorKind::NotNow
                | ErrorKind::TryAgain
        )
    }

    /// The same, with the password struck out wherever it is quoted.
    pub(crate) fn without(mut self, secret: Option<&Secret>) -> ErrorReply {
        if let Some(secret) = secret {
            self.text = self.text.replace(secret.reveal(), "(password)");
        }
        self
    }

    /// The same as the reason for which there is no connection.
    pub(crate) fn fault(&self) -> Fault {
        let code = match self.kind {
            ErrorKind::NoAuth => FaultCode::LoginWanted,
            ErrorKind::WrongPass | ErrorKind::NoPasswordSet => FaultCode::LoginRefused,
            ErrorKind::NoPerm => FaultCode::Denied,
            ErrorKind::Protected => FaultCode::Protected,
            ErrorKind::Loading => FaultCode::Loading,
            ErrorKind::TooManyClients => FaultCode::TooManyClients,
            _ => FaultCode::ErrorReply,
        };
        Fault::new(code, self.to_string())
    }
}

/// What the operator can do about it, in parentheses.
struct Advice(ErrorKind);

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let advice = match self.0 {
            ErrorKind::NoAuth => {
                "Redis wants a password: set password_file or password_command (and username)"
            }
            ErrorKind::WrongPass => {
                "Redis refused the user or the password: check username, and password_file or \
                 password_command"
            }
            ErrorKind::NoPerm
            | ErrorKind::ScriptNoPerm
            | ErrorKind::ExecAbort { no_perm: true } => RIGHTS,
            ErrorKind::WrongType => "the key is not a hash: DEL it, or name another in `hashes`",
            ErrorKind::Loading => "Redis is still loading its data",
            ErrorKind::Moved => {
                "the key lives on another node of this Redis Cluster, which can't be reached, or \
                 which has none of the other hashes: put the same braces into the names of all, as in \
                 `hashes = [\"{cloudhosts}:private\", \"{cloudhosts}\"]`"
            }
            ErrorKind::TryAgain => "the slot of the keys is being moved to another node",
            ErrorKind::CrossSlot => {
                "the keys of a hash must live together in a Redis Cluster: put braces around its \
                 name, as in `hashes = [\"{cloudhosts}\"]`"
            }
            ErrorKind::ClusterDown => "the Redis Cluster is down",
            ErrorKind::MasterDown => "this replica has lost its master and may not answer",
            ErrorKind::ReadOnly => "this is a replica; name the master in urls",
            ErrorKind::OutOfMemory => "Redis is out of memory",
            ErrorKind::Busy => "a script keeps Redis from answering",
            ErrorKind::Protected => {
                "Redis answers its own machine only: set a password there, or `protected-mode no`"
            }
            ErrorKind::TooManyClients => "raise maxclients in Redis",
            ErrorKind::UnknownCommand => "this Redis has the command renamed or disabled",
            ErrorKind::NoPasswordSet => {
                "this Redis has no password for the user: remove password_file or password_command"
            }
            ErrorKind::NoDatabase => "this Redis has fewer databases",
            ErrorKind::NoScript
            | ErrorKind::NoProto
            | ErrorKind::NotNow
            | ErrorKind::Syntax
            | ErrorKind::ExecAbort { no_perm: false }
            | ErrorKind::Other => return Ok(()),
        };
        write!(f, " ({advice})")
    }
}

impl From<&ServerError> for ErrorReply {
    fn from(error: &ServerError) -> ErrorReply {
        ErrorReply::new(error.code(), error.details().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_decides_and_the_text_where_there_is_none() {
        for (code, text, kind, fault) in [
            (
                "WRONGPASS",
                "invalid",
                ErrorKind::WrongPass,
                FaultCode::LoginRefused,
            ),
            (
                "NOAUTH",
                "max number of clients",
                ErrorKind::NoAuth,
                FaultCode::LoginWanted,
            ),
            (
                "DENIED",
                "protected mode",
                ErrorKind::Protected,
                FaultCode::Protected,
            ),
            ("ASK", "1 h:1", ErrorKind::Moved, FaultCode::ErrorReply),
            (
                "ERR",
                "max number of clients reached",
                ErrorKind::TooManyClients,
                FaultCode::TooManyClients,
            ),
            (
                "ERR",
                "AUTH called without any password configured",
                ErrorKind::NoPasswordSet,
                FaultCode::LoginRefused,
            ),
            (
                "ERR",
                "unknown command",
                ErrorKind::UnknownCommand,
                FaultCode::ErrorReply,
            ),
            (
                "ERR",
                "Syntax error",
                ErrorKind::Syntax,
                FaultCode::ErrorReply,
            ),
            ("ERR", "WRONGPASS", ErrorKind::Other, FaultCode::ErrorReply),
        ] {
            let reply = ErrorReply::new(code, text);
            assert_eq!((reply.kind, reply.fault().code), (kind, fault), "{reply}");
        }
        let aborted = ErrorReply::new("EXECABORT", "discarded because of: NOPERM");
        assert!(aborted.is_exec_abort() && aborted.to_string().contains(RIGHTS));
    }

    #[test]
    fn a_password_that_redis_quotes_is_not_shown() {
        let args = "unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'u' 'hunter2' ";
        let reply = ErrorReply::new("ERR", args);
        assert!(reply.is_unknown_command());
        assert!(!reply.to_string().contains("hunter2"), "{reply}");
        let secret = Secret::new("hunter2".into());
        let reply = ErrorReply::new("ERR", "bad word hunter2").without(Some(&secret));
        assert_eq!(reply.to_string(), "ERR bad word (password)");
    }

    #[test]
    fn advice_is_given_and_text_is_printable() {
        let reply = ErrorReply::new("NOAUTH", "Authentication \x1b[31mrequired.");
        let shown = reply.to_string();
        assert!(
            shown.contains("password_file") && !shown.contains('\x1b'),
            "{shown}"
        );
        let wrong_type = ErrorReply::new("WRONGTYPE", "x").unreadable();
        assert_eq!(wrong_type, Some(UnreadableCode::WrongType));
        assert_eq!(ErrorReply::new("LOADING", "x").unreadable(), None);
    }
}
