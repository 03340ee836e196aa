//! What in Redis can't be used, for the status file: all of it counted, the
//! first of it named. A million bad fields shall not fill the status file.

use cloudhosts_config::status::{Effect, Rejected, RejectedCode, RejectedField};
use cloudhosts_registry::record::Field as FieldName;

use super::Mirror;
use super::hash::Hash;
use super::spelled::Spelled;
use super::unusable::Unusable;

/// How many are named.
const NAMED: usize = 100;

/// Bytes of a field that are shown.
const SHOWN: usize = 120;

impl Mirror {
    /// What can't be used: first what is wrong with fields by themselves, in
    /// the order of the hashes, then where roles lead.
    #[must_use]
    pub fn rejected(&self) -> Rejected {
        let hashes = self.hashes.iter().enumerate();
        let fields = hashes.flat_map(|(number, hash)| self.of_hash(number, hash));
        Rejected {
            count: self.hashes.iter().map(Hash::problems).sum::<usize>() + self.faults.count(),
            fields: fields.chain(self.of_roles()).take(NAMED).collect(),
        }
    }

    /// What is wrong with fields of one hash.
    fn of_hash<'m>(
        &'m self,
        number: usize,
        hash: &'m Hash,
    ) -> impl Iterator<Item = RejectedField> + 'm {
        let unusable = hash.unusable.iter();
        let unusable = unusable.map(move |(raw, why)| self.unusable(number, hash, raw, why));
        let attributes = hash.attributes.iter();
        let attributes = attributes.flat_map(move |(name, &count)| {
            std::iter::repeat_n(name, count).map(move |name| RejectedField {
                hash: hash.key().into(),
                field: printable(name.as_bytes()),
                code: RejectedCode::Attribute,
                reason: "an attribute in its value is not known; it is ignored".into(),
                effect: Effect::Used,
            })
        });
        let overruled = hash.spellings.iter().flat_map(move |(name, spellings)| {
            std::iter::repeat_n(name, spellings.overruled()).map(move |name| RejectedField {
                hash: hash.key().into(),
                field: printable(name.as_bytes()),
                code: RejectedCode::Spelling,
                reason: "it is there in another spelling too (upper case, or a dot at the end), \
                         which is ignored"
                    .into(),
                effect: Effect::Used,
            })
        });
        unusable.chain(attributes).chain(overruled)
    }

    fn unusable(&self, number: usize, hash: &Hash, raw: &[u8], why: &Unusable) -> RejectedField {
        let field = FieldName::parse(raw);
        let reason = match (why, &field) {
            (Unusable::Value(error), _) => Some(error.to_string()),
            (Unusable::Name, Err(error)) => Some(error.to_string()),
            (Unusable::Name, Ok(_)) => None,
        };
        let is_used = field.is_ok_and(|field| {
            let name = Spelled::of(&field);
            self.fields
                .get(name.role(), number, name.member())
                .is_some()
        });
        RejectedField {
            hash: hash.key().into(),
            field: printable(raw),
            code: match why {
                Unusable::Name => RejectedCode::Field,
                Unusable::Value(_) => RejectedCode::Value,
            },
            reason: reason.unwrap_or_default(),
            effect: if is_used {
                Effect::Retained
            } else {
                Effect::Ignored
            },
        }
    }

    /// What is wrong with where roles lead.
    fn of_roles(&self) -> impl Iterator<Item = RejectedField> {
        self.faults.roles().flat_map(|role| {
            let hash = self.hashes.get(role.hash).map_or("", Hash::key);
            let effect = if role.answered {
                Effect::Used
            } else {
                Effect::Ignored
            };
            role.faults.iter().map(move |fault| RejectedField {
                hash: hash.into(),
                field: printable(fault.field.as_bytes()),
                code: RejectedCode::Pointer,
                reason: fault.kind.to_string(),
                effect,
            })
        })
    }
}

/// A field as it can be shown on a terminal, cut when it is long.
fn printable(field: &[u8]) -> String {
    match field.get(..SHOWN) {
        Some(start) if field.len() > SHOWN => format!("{}...", start.escape_ascii()),
        _ => field.escape_ascii().to_string(),
    }
}
