//! Accepting a loss for all machines.

use super::author::Author;
use super::change::logged;
use super::error::RegisterError;
use super::registrar::Registrar;
use super::role::Role;
use super::script::{Call, Script};
use crate::log::MAX_OPERATIONS;

/// The verb in the log.
const VERB: &str = "accept";

/// What daemons retain of roles that Redis has lost is no longer wanted. No hash is changed: the
/// daemons read this in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// The keys of the hashes. At least one.
    pub hashes: Vec<String>,
    /// The roles, with their members. Empty means all roles.
    pub roles: Vec<Role>,
}

impl Accept {
    /// The most roles of one call.
    pub const MAX_ROLES: usize = MAX_OPERATIONS;

    /// Writes it to the log of each hash, atomically.
    ///
    /// # Errors
    /// Redis cannot be reached, or refuses.
    pub async fn run(&self, registrar: &mut Registrar) -> Result<(), RegisterError> {
        let call = self.call(registrar.author());
        registrar.run(&call).await.map(drop)
    }

    fn call(&self, author: &Author) -> Call {
        let scopes = self.scopes();
        let arguments: Vec<&[u8]> = scopes.iter().map(|scope| scope.as_bytes()).collect();
        let hashes = self.hashes.iter().map(String::as_str);
        Script::Accept.plain(hashes, &arguments, VERB, author)
    }

    /// The same as lines for `redis-cli`.
    #[must_use]
    pub fn spelled(&self) -> Vec<String> {
        let scopes = self.scopes();
        let drops: Vec<(&str, &str)> = scopes.iter().map(|scope| (".drop", *scope)).collect();
        let mut lines = vec!["# in one step, by a script:".to_owned()];
        lines.extend(self.hashes.iter().map(|hash| logged(hash, VERB, &drops)));
        lines
    }

    fn scopes(&self) -> Vec<&str> {
        if self.roles.is_empty() {
            return vec!["*"];
        }
        self.roles.iter().map(Role::name).collect()
    }
}
