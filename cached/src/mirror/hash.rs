//! One Redis hash: what was read last, what is believed of it, and what is
//! kept when Redis seems to have lost it.

use cloudhosts_registry::Unreadable;
use cloudhosts_registry::config::Allow;
use cloudhosts_registry::follow::Trust;
use cloudhosts_registry::pairs::Pairs;
use cloudhosts_registry::record::{Field, Value};
use cloudhosts_registry::status::{Effect, HashStatus};

use tracing::{info, warn};

use super::again::Again;
use super::fields::{FieldRef, Fields};
use super::problems::Problems;

/// The state of one hash.
#[derive(Debug, Clone, Default)]
pub struct Hash {
    key: String,
    fields: Fields,
    problems: Problems,
    /// Fields that Redis lost, of those in use.
    kept: usize,
    unreadable: Option<Unreadable>,
}

impl Hash {
    /// A hash of which nothing is known yet.
    #[must_use]
    pub fn new(key: &str) -> Hash {
        Hash {
            key: key.into(),
            ..Hash::default()
        }
    }

    /// A hash as a table of before says it was.
    #[must_use]
    pub fn restored(key: &str, mut fields: Fields) -> Hash {
        fields.arrange();
        let kept = fields.iter().filter(|field| field.kept).count();
        Hash {
            fields,
            kept,
            ..Hash::new(key)
        }
    }

    /// Takes in what was read; true when the fields in use have changed.
    ///
    /// A hash that is empty after a connection was lost, one read after a flush,
    /// or at a Redis with other data than before, is that of a Redis that lost
    /// some. What is missing is kept, each field until it is named again or the
    /// operator says to accept.
    pub fn read(&mut self, pairs: &Pairs, trust: Trust, allow: &Allow) -> bool {
        if self.unreadable.take().is_some() {
            info!("the hash {} can be read again", self.key);
        }
        let before = std::mem::take(&mut self.fields);
        let mut again = Again::new(&before);
        let read = self.usable(pairs, allow, &mut again);
        let lost = |field: &FieldRef<'_>| match trust {
            Trust::Flushed | Trust::Replaced => true,
            Trust::Reconnected => pairs.is_empty() || field.kept,
            Trust::Live => field.kept,
            Trust::Accepted => false,
        };
        let fields = keep(read, again.others().filter(lost));
        self.kept = fields.iter().filter(|field| field.kept).count();
        // That a field is kept is part of the table too: the next daemon must know.
        let changed = fields != before;
        self.fields = fields;
        changed
    }

    /// Notes that it can't be read. What it held stays in use.
    pub fn unreadable(&mut self, unreadable: Unreadable) {
        if self.unreadable.as_ref() != Some(&unreadable) {
            warn!(
                "the hash {} can't be read, what it held stays: {unreadable}",
                self.key
            );
        }
        self.unreadable = Some(unreadable);
    }

    /// The pairs that can be used; where a value can't, the last one that
    /// could. Makes the list of problems anew.
    fn usable(&mut self, pairs: &Pairs, allow: &Allow, again: &mut Again<'_>) -> Fields {
        let mut fields = Fields::default();
        let mut problems = Problems::default();
        // Of `web` and `Web`, which are the same role, the one in normal form
        // counts: so the others are added last.
        let mut folded = Fields::default();
        for (raw, value) in pairs.iter() {
            if again.is_as_before(raw, value) {
                continue;
            }
            let field = match Field::parse(raw) {
                Ok(field) => field,
                Err(error) => {
                    problems.add(&self.key, raw, None, || error.to_string(), Effect::Ignored);
                    continue;
                }
            };
            let name = Spelled::of(&field);
            if !allow.allows(name.role()) {
                continue;
            }
            let to = match name.is_spelling(raw) {
                true => &mut fields,
                false => &mut folded,
            };
            self.take(to, &mut problems, again.before(), &name, raw, value);
        }
        for field in folded.iter() {
            fields.push(field);
        }
        let mut twice = fields.arrange();
        let (fields, also) = Fields::merged(again.same(), &fields);
        twice.extend(also);
        for twice in twice {
            let reason = || {
                "it is there in another spelling too (upper case, or a dot at the end), \
                 which is ignored"
                    .into()
            };
            problems.add(&self.key, twice.as_bytes(), None, reason, Effect::Used);
        }
        self.problems = problems;
        fields
    }

    /// Takes one field in, if its value or its last good value can be used.
    fn take(
        &self,
        fields: &mut Fields,
        problems: &mut Problems,
        before: &Fields,
        name: &Spelled<'_>,
        raw: &[u8],
        value: &[u8],
    ) {
        let mut used = FieldRef {
            role: name.role(),
            member: name.member,
            value,
            kept: false,
        };
        match Value::parse(value) {
            Ok(parsed) => {
                for attribute in parsed.unknown {
                    let reason = || format!("unknown attribute {attribute}; it is ignored");
                    problems.add(&self.key, raw, Some(value), reason, Effect::Used);
                }
            }
            Err(error) => {
                let last = before.find(used.role, used.member);
                let effect = match last {
                    Some(_) => Effect::Kept,
                    None => Effect::Ignored,
                };
                problems.add(&self.key, raw, Some(value), || error.to_string(), effect);
                let Some(last) = last else { return };
                used.value = last.value;
            }
        }
        if !fields.push(used) {
            let reason = || "the fields of this hash are larger than 4 GiB".into();
            problems.add(&self.key, raw, None, reason, Effect::Ignored);
        }
    }

    /// Its key in Redis.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The fields in use.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// What in it can't be used.
    #[must_use]
    pub fn problems(&self) -> &Problems {
        &self.problems
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> HashStatus {
        HashStatus {
            key: self.key.clone(),
            fields: self.fields.len(),
            kept: self.kept,
            unreadable: self.unreadable.as_ref().map(ToString::to_string),
            unreadable_code: self.unreadable.as_ref().map(|why| why.code),
        }
    }
}

/// What was read, and with it those of the `lost` fields that it does not name.
fn keep<'f>(read: Fields, lost: impl Iterator<Item = FieldRef<'f>>) -> Fields {
    let mut kept = Fields::default();
    for field in lost.filter(|field| read.find(field.role, field.member).is_none()) {
        kept.push(FieldRef {
            kept: true,
            ..field
        });
    }
    match kept.is_empty() {
        true => read,
        false => Fields::merged(read.iter(), &kept).0,
    }
}

/// A field's name in normal form, without allocating.
struct Spelled<'a> {
    role: [u8; cloudhosts_table::name::MAX_NAME],
    len: usize,
    member: &'a str,
}

impl<'a> Spelled<'a> {
    fn of(field: &Field<'a>) -> Spelled<'a> {
        let star: &[u8] = if field.role.is_wildcard() { b"*." } else { b"" };
        let name = field.role.name().as_bytes();
        let mut role = [0; cloudhosts_table::name::MAX_NAME];
        for (to, from) in role.iter_mut().zip(star.iter().chain(name)) {
            *to = *from;
        }
        Spelled {
            role,
            len: star.len() + name.len(),
            member: field.member.unwrap_or_default(),
        }
    }

    fn role(&self) -> &str {
        let role = self.role.get(..self.len).unwrap_or_default();
        std::str::from_utf8(role).unwrap_or_default()
    }

    /// Whether these bytes spell it in just this form.
    fn is_spelling(&self, raw: &[u8]) -> bool {
        let rest = raw.strip_prefix(self.role().as_bytes());
        rest.is_some_and(|rest| match self.member {
            "" => rest.is_empty(),
            member => rest.strip_prefix(b"/") == Some(member.as_bytes()),
        })
    }
}
