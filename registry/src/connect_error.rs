//! Why none of the configured Redis could be used.

use crate::connect::CommandError;
use crate::fault::{Fault, FaultCode};

/// None of the configured Redis could be connected to, or the one that was did not do what was
/// asked of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.each())]
pub struct ConnectError {
    /// Each Redis that was tried, by its URL without a password, and what happened there.
    pub faults: Vec<(String, Fault)>,
}

impl ConnectError {
    /// That one Redis was tried.
    pub(crate) fn new(endpoint: String, fault: Fault) -> ConnectError {
        let faults = vec![(endpoint, fault)];
        ConnectError { faults }
    }

    /// A command failed on a connection to this endpoint.
    pub(crate) fn of_command(endpoint: &str, error: CommandError) -> ConnectError {
        ConnectError::new(endpoint.to_owned(), error.into())
    }

    /// What was tried, as one line.
    pub(crate) fn endpoint(&self) -> String {
        let urls: Vec<&str> = self.faults.iter().map(|(url, _)| url.as_str()).collect();
        urls.join(", ")
    }

    /// The same as the end of one connection: what happened at each URL, under the code of the
    /// first.
    pub(crate) fn into_fault(mut self) -> Fault {
        if self.faults.len() == 1 {
            self.faults.remove(0).1
        } else {
            let why = self.each();
            let code = self.faults.first().map(|(_, fault)| fault.code);
            Fault::new(code.unwrap_or(FaultCode::Lost), why)
        }
    }

    fn each(&self) -> String {
        let each = |(url, fault): &(String, Fault)| format!("{url}: {fault}");
        self.faults.iter().map(each).collect::<Vec<_>>().join("; ")
    }
}
