//! The table that follows from the mirror.

use std::time::SystemTime;

use cloudhosts_table::{BuildError, Builder, Role, Source};

use super::fields::FieldRef;
use super::parsed::Location;
use super::resolve::{Answer, Resolver};
use super::{Mirror, by_role, deciding};

impl Mirror {
    /// Makes the table of the next generation.
    ///
    /// # Errors
    /// It would be larger than a table can be.
    pub fn table(&mut self, now: SystemTime) -> Result<Vec<u8>, BuildError> {
        self.settings.generation += 1;
        self.settings.published = now;
        let mut builder = Builder::new(self.settings.clone())?;
        let mut resolver = self.resolver();
        let mut added = Ok(());
        by_role(self.fields.iter(), |role, fields| {
            if added.is_ok() {
                added = add_role(&mut builder, &mut resolver, role, fields);
            }
            for field in fields {
                builder.source(&source(field, &field.field.value.raw()));
            }
        });
        added?;
        builder.build()
    }
}

fn add_role(
    builder: &mut Builder,
    resolver: &mut Resolver<'_>,
    name: &str,
    fields: &[FieldRef<'_>],
) -> Result<(), BuildError> {
    if let [only] = deciding(fields)
        && let Location::Addresses { v4, v6 } = only.field.value.location()
    {
        // Nearly all roles: there is nothing to add up.
        return builder.role(Role {
            name,
            canonical: None,
            v4,
            v6,
            pick: only.field.value.pick(),
        });
    }
    match resolver.resolve(name).answer {
        Some(answer) => builder.role(role(name, &answer)),
        None => Ok(()),
    }
}

/// A role as it stands in the table: where it is an alias of an entry, by a
/// link to that, whose addresses stand there once.
fn role<'r>(name: &'r str, answer: &'r Answer) -> Role<'r> {
    Role {
        name,
        canonical: answer.end.as_ref().map(|end| &*end.name),
        v4: &answer.addresses.v4,
        v6: &answer.addresses.v6,
        pick: answer.pick,
    }
}

fn source<'s>(at: &FieldRef<'s>, value: &'s [u8]) -> Source<'s> {
    Source {
        hash: at.hash,
        role: at.role,
        member: (!at.member.is_empty()).then_some(at.member),
        value,
        kept: at.field.retained,
    }
}
