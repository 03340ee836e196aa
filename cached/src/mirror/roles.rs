//! The roles as they are to stand in the table: what each answers, and the
//! fields that it came from.

use cloudhosts_table::{Role, RoleAnswer, Source, SourceValue};

use super::fields::FieldRef;
use super::parsed::Location;
use super::resolve::{Answer, Resolver};
use super::{Mirror, by_role, deciding};

/// Gives roles, as long as no field changes. What several of them lead to is
/// worked out once.
#[derive(Debug)]
pub(crate) struct Roles<'m> {
    resolver: Resolver<'m>,
}

impl Mirror {
    /// Its roles, one by one.
    #[must_use]
    pub(crate) fn roles(&self) -> Roles<'_> {
        Roles {
            resolver: self.resolver(),
        }
    }
}

impl Roles<'_> {
    /// One role; none where there is no field of it.
    pub(crate) fn one<R>(&mut self, name: &str, look: impl FnOnce(Option<&Role<'_>>) -> R) -> R {
        let fields: Vec<FieldRef<'_>> = self.resolver.directory.fields.of_role(name).collect();
        match fields.first() {
            Some(first) => give(&mut self.resolver, first.role, &fields, |role| {
                look(Some(role))
            }),
            None => look(None),
        }
    }

    /// All of them, in the order of their names, until the first error.
    ///
    /// # Errors
    /// What `each` fails with.
    pub(crate) fn all<E>(
        &mut self,
        mut each: impl FnMut(&Role<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut outcome = Ok(());
        by_role(self.resolver.directory.fields.iter(), |name, fields| {
            if outcome.is_ok() {
                outcome = give(&mut self.resolver, name, fields, &mut each);
            }
        });
        outcome
    }
}

/// Gives the role of these fields.
fn give<R>(
    resolver: &mut Resolver<'_>,
    name: &str,
    fields: &[FieldRef<'_>],
    look: impl FnOnce(&Role<'_>) -> R,
) -> R {
    let sources: Vec<Source<'_>> = fields.iter().map(source).collect();
    if let [only] = deciding(fields)
        && let Location::Addresses { v4, v6 } = only.field.value.location()
    {
        // Nearly all roles: there is nothing to add up.
        let canonical = None;
        return look(&Role {
            name,
            answer: Some(RoleAnswer::Addresses { v4, v6, canonical }),
            pick: only.field.value.pick(),
            sources: &sources,
        });
    }
    let answer = resolver.resolve(name).answer;
    look(&Role {
        name,
        answer: answer.as_ref().map(role_answer),
        pick: answer.as_ref().map_or(0, |answer| answer.pick),
        sources: &sources,
    })
}

/// What a role answers: where it is an alias of an entry, a link to that, whose
/// addresses stand there once.
fn role_answer(answer: &Answer) -> RoleAnswer<'_> {
    match &answer.end {
        Some(end) if end.entry => RoleAnswer::Alias { target: &end.name },
        end => RoleAnswer::Addresses {
            v4: &answer.addresses.v4,
            v6: &answer.addresses.v6,
            canonical: end.as_ref().map(|end| &*end.name),
        },
    }
}

fn source<'s>(at: &FieldRef<'s>) -> Source<'s> {
    let value = &at.field.value;
    let said = match value.location() {
        Location::Addresses { v4, v6 } => SourceValue {
            v4,
            v6,
            target: None,
            pick: value.pick(),
        },
        Location::Pointer(name) => SourceValue {
            target: Some(name),
            pick: value.pick(),
            ..SourceValue::default()
        },
    };
    Source {
        hash: at.hash,
        member: (!at.member.is_empty()).then_some(at.member),
        retained: at.field.retained,
        value: said,
    }
}
