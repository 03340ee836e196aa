//! What an import has to change.

use std::collections::BTreeMap;

use redis::{Value, cmd};

use super::{Import, PORTION};
use crate::log::MAX_OPERATIONS;
use crate::register::error::RegisterError;
use crate::register::registrar::Registrar;
use crate::reply::{bytes, hscan_page, items};

/// The changes, few enough for one entry of the log.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Fields with a sign, as in the log, and their values.
    operations: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Difference {
    /// Compares the imported roles with the hash, in steps. None if too much differs to be listed.
    ///
    /// # Errors
    /// Redis cannot be reached, or refuses.
    pub(super) async fn find(
        import: &Import,
        registrar: &mut Registrar,
    ) -> Result<Option<Difference>, RegisterError> {
        let mut difference = Difference::default();
        for roles in import.roles.portions(PORTION) {
            difference.compare(import, roles, registrar).await?;
            if difference.is_too_large() {
                return Ok(None);
            }
        }
        if import.replace {
            difference.find_others(import, registrar).await?;
        }
        Ok((!difference.is_too_large()).then_some(difference))
    }

    /// The fields with their signs, each followed by its value.
    pub(super) fn words(&self) -> impl Iterator<Item = &[u8]> {
        let words = |(field, value)| [field, value];
        self.operations.iter().flat_map(words).map(Vec::as_slice)
    }

    fn is_too_large(&self) -> bool {
        self.operations.len() > MAX_OPERATIONS
    }

    /// Adds those roles that are not in the hash, or have another value.
    async fn compare(
        &mut self,
        import: &Import,
        roles: impl Iterator<Item = (&str, &str)> + Clone,
        registrar: &mut Registrar,
    ) -> Result<(), RegisterError> {
        let mut command = cmd("HMGET");
        command.arg(&import.hash);
        for (role, _) in roles.clone() {
            command.arg(role);
        }
        let answer = registrar.send(&command).await?;
        let mut were = items(&answer).iter();
        for (role, at) in roles {
            let is = |value: &Value| bytes(value) == Some(at.as_bytes());
            if !were.next().is_some_and(is) {
                let field = format!("+{role}").into_bytes();
                self.operations.insert(field, at.into());
            }
        }
        Ok(())
    }

    /// Adds the removal of all other fields of the hash.
    async fn find_others(
        &mut self,
        import: &Import,
        registrar: &mut Registrar,
    ) -> Result<(), RegisterError> {
        let mut cursor = b"0".to_vec();
        loop {
            let mut command = cmd("HSCAN");
            command.arg(&import.hash).arg(cursor);
            command.arg("COUNT").arg(PORTION);
            let answer = registrar.send(&command).await?;
            let (next, strings) = hscan_page(&answer);
            let fields = strings.into_iter().step_by(2);
            for field in fields.filter(|field| !import.roles.contains(field)) {
                self.operations.insert([b"-", field].concat(), Vec::new());
            }
            match next {
                Some(next) if !self.is_too_large() => cursor = next,
                _ => return Ok(()),
            }
        }
    }
}
