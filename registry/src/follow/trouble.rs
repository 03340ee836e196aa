//! Why a hash was not read.

use crate::connect::{Failure, Refusal};
use crate::unreadable::Unreadable;

/// Why a hash was not read.
#[derive(Debug)]
pub(super) enum Trouble {
    /// This hash cannot be read; the connection is as good as before.
    Hash(Unreadable),
    /// The connection is of no more use.
    Lost(String),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        match failure {
            Failure::Refused(refusal) => Trouble::from(refusal),
            Failure::Lost(fault) => Trouble::Lost(fault.why),
        }
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Trouble {
        let why = refusal.to_string();
        match refusal.unreadable() {
            Some(code) => Trouble::Hash(Unreadable { code, why }),
            None => Trouble::Lost(why),
        }
    }
}

/// An answer that is not what Redis answers to this command.
pub(super) fn strange(command: &str) -> Trouble {
    Trouble::Lost(format!("the answer to {command} is not what Redis answers"))
}
