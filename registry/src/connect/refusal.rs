//! Error replies of Redis, in words that say what to do.

use super::endpoint::Secret;
use crate::fault::{Fault, FaultCode};
use crate::printable::reason;
use crate::unreadable::UnreadableCode;
use redis::ServerError;
use std::fmt;

/// What to do where the user may not do what we do.
const RIGHTS: &str = "grant the Redis user the ACL rules that `cloudhosts acl` prints";

/// An error reply: `NOPERM this user has no permissions ...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    code: String,
    text: String,
}

impl Refusal {
    pub(crate) fn new(code: &str, text: &str) -> Refusal {
        Refusal {
            code: reason(code),
            // Redis quotes the arguments of a command it does not know, and
            // with HELLO and AUTH these are the password.
            text: reason(text.split(", with args").next().unwrap_or_default()),
        }
    }

    /// The first word, as `WRONGTYPE`.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// Whether Redis does not know the command at all, or not this form of it.
    pub(crate) fn is_unknown(&self) -> bool {
        let text = self.text.to_ascii_lowercase();
        self.code == "NOPROTO" || self.code == "ERR" && text.starts_with("unknown ")
    }

    /// Why this one hash can't be read, where the connection can go on.
    pub(crate) fn unreadable(&self) -> Option<UnreadableCode> {
        match self.code.as_str() {
            "MOVED" | "ASK" | "CROSSSLOT" => Some(UnreadableCode::Moved),
            "NOPERM" => Some(UnreadableCode::NoPerm),
            "WRONGTYPE" => Some(UnreadableCode::WrongType),
            _ => None,
        }
    }

    /// Whether Redis knows the command, but not with these arguments.
    pub(crate) fn is_syntax(&self) -> bool {
        self.code == "ERR" && self.text.eq_ignore_ascii_case("syntax error")
    }

    /// Whether the user may not do this, or not with this key.
    pub(crate) fn is_denial(&self) -> bool {
        self.code == "NOPERM"
    }

    /// Whether Redis has no memory left for it.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        self.code == "OOM"
    }

    /// Whether a transaction was given up.
    pub(crate) fn is_aborted(&self) -> bool {
        self.code == "EXECABORT"
    }

    /// The same, with the password struck out wherever it is quoted.
    pub(crate) fn without(mut self, secret: Option<&Secret>) -> Refusal {
        if let Some(secret) = secret {
            self.text = self.text.replace(secret.reveal(), "(password)");
        }
        self
    }

    /// The same as the reason for which there is no connection.
    pub(crate) fn fault(&self) -> Fault {
        let code = match self.code.as_str() {
            "NOAUTH" => FaultCode::LoginWanted,
            "WRONGPASS" => FaultCode::LoginRefused,
            // So says a Redis where a user has no password to compare with.
            "ERR" if self.is_without_password() => FaultCode::LoginRefused,
            "NOPERM" => FaultCode::Denied,
            "DENIED" => FaultCode::Protected,
            "LOADING" => FaultCode::Loading,
            "ERR" if self.is_one_too_many() => FaultCode::TooManyClients,
            _ => FaultCode::Lost,
        };
        Fault::new(code, self.to_string())
    }

    /// Whether Redis has as many clients as it may have, for which it has no code.
    pub(super) fn is_one_too_many(&self) -> bool {
        self.text.contains("max number of clients")
    }

    /// Whether Redis knows of no password, for which it has no code.
    fn is_without_password(&self) -> bool {
        self.text.contains("without any password configured")
    }

    /// What the operator can do about it.
    fn advice(&self) -> Option<&'static str> {
        Some(match self.code.as_str() {
            "NOAUTH" => "Redis wants a password: set password_file (and username)",
            "WRONGPASS" => {
                "Redis refused the user or the password: check username and password_file"
            }
            "NOPERM" => RIGHTS,
            // within a script, and within a transaction
            "ERR" if self.text.contains("can't run this command") => RIGHTS,
            "ERR" | "EXECABORT" if self.text.contains("NOPERM") => RIGHTS,
            "WRONGTYPE" => "the key is not a hash: DEL it, or name another in `hashes`",
            "LOADING" => "Redis is still loading its data",
            "MOVED" | "ASK" => {
                "the key lives on another node of this Redis Cluster: \
                 name that node in urls"
            }
            "CROSSSLOT" => {
                "the keys of a hash must live together in a Redis Cluster: put braces around \
                 its name, as in `hashes = [\"{cloudhosts}\"]`"
            }
            "CLUSTERDOWN" => "the Redis Cluster is down",
            "MASTERDOWN" => "this replica has lost its master and may not answer",
            "READONLY" => "this is a replica; name the master in urls",
            "OOM" => "Redis is out of memory",
            "BUSY" => "a script keeps Redis from answering",
            "DENIED" => {
                "Redis answers only its own machine: set a password there, \
                 or `protected-mode no`"
            }
            "ERR" if self.is_one_too_many() => "raise maxclients in Redis",
            "ERR" if self.is_unknown() => "this Redis has the command renamed or disabled",
            "ERR" if self.is_without_password() => {
                "this Redis has no password for the user: remove password_file"
            }
            "ERR" if self.text.contains("DB index") => "this Redis has fewer databases",
            _ => return None,
        })
    }
}

impl From<&ServerError> for Refusal {
    fn from(error: &ServerError) -> Refusal {
        Refusal::new(error.code(), error.details().unwrap_or_default())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)?;
        match self.advice() {
            Some(advice) => write!(f, " ({advice})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_redis_quotes_is_not_shown() {
        let args = "unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'u' 'hunter2' ";
        let refusal = Refusal::new("ERR", args);
        assert!(refusal.is_unknown());
        assert!(!refusal.to_string().contains("hunter2"), "{refusal}");
        let secret = Secret::new("hunter2".into());
        let refusal = Refusal::new("ERR", "bad word hunter2").without(Some(&secret));
        assert_eq!(refusal.to_string(), "ERR bad word (password)");
    }

    #[test]
    fn advice_is_given_and_text_is_printable() {
        let refusal = Refusal::new("NOAUTH", "Authentication \x1b[31mrequired.");
        let shown = refusal.to_string();
        assert!(
            shown.contains("password_file") && !shown.contains('\x1b'),
            "{shown}"
        );
        let wrong_type = Refusal::new("WRONGTYPE", "x").unreadable();
        assert_eq!(wrong_type, Some(UnreadableCode::WrongType));
        assert_eq!(Refusal::new("LOADING", "x").unreadable(), None);
    }
}
