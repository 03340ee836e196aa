//! What an import has to change, found out before it does.

use super::{Import, PORTION};
use crate::log::MAX_OPERATIONS;
use crate::register::error::RegisterError;
use crate::register::registrar::Registrar;
use crate::register::reply::{bytes, items};
use redis::{Value, cmd};
use std::collections::BTreeMap;

/// What is to be changed: few enough fields for one entry of the log.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Fields with their sign, as in the log, and their values.
    operations: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Difference {
    /// Compares what is to be imported with the hash, step by step, so that
    /// Redis serves others meanwhile. None if too much differs to be listed.
    ///
    /// # Errors
    /// Redis cannot be reached, or says no.
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

    /// Fields with their sign, each followed by its value.
    pub(super) fn words(&self) -> impl Iterator<Item = &[u8]> {
        let words = |(field, value)| [field, value];
        self.operations.iter().flat_map(words).map(Vec::as_slice)
    }

    fn is_too_large(&self) -> bool {
        self.operations.len() > MAX_OPERATIONS
    }

    /// Adds those of these roles that the hash has not, or with another value.
    async fn compare(
        &mut self,
        import: &Import,
        roles: impl Iterator<Item = (&str, &str)> + Clone,
        registrar: &mut Registrar,
    ) -> Result<(), RegisterError> {
        let mut question = cmd("HMGET");
        question.arg(&import.hash);
        for (role, _) in roles.clone() {
            question.arg(role);
        }
        let answer = registrar.ask(&question).await?;
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

    /// Adds the fields of the hash that are not imported, as such that go.
    async fn find_others(
        &mut self,
        import: &Import,
        registrar: &mut Registrar,
    ) -> Result<(), RegisterError> {
        let mut cursor = b"0".to_vec();
        loop {
            let mut question = cmd("HSCAN");
            question.arg(&import.hash).arg(cursor);
            question.arg("COUNT").arg(PORTION);
            let answer = registrar.ask(&question).await?;
            let next = items(&answer).first().and_then(bytes);
            let page = items(&answer).get(1).map(items).unwrap_or_default();
            let fields = page.iter().step_by(2).filter_map(bytes);
            for field in fields.filter(|field| !import.roles.contains(field)) {
                self.operations.insert([b"-", field].concat(), Vec::new());
            }
            match next {
                Some(next) if next != b"0" && !self.is_too_large() => cursor = next.to_vec(),
                _ => return Ok(()),
            }
        }
    }
}
