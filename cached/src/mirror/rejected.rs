//! What in Redis can't be used, for the status file: all of it counted, the
//! first of it named. A million bad fields must not fill the status file.

use cloudhosts_config::status::{Effect, MAX_RAW, Rejected, RejectedCode, RejectedField};
use cloudhosts_registry::record::{Field, MAX_FIELD};

use super::Mirror;
use super::hash::Hash;
use super::normal_name::NormalName;
use super::unusable::Unusable;

/// The follower cuts fields that are longer: none of them may pass for a whole one.
const _: () = assert!(MAX_RAW <= MAX_FIELD);

/// How many are named.
const NAMED: usize = 100;

impl Mirror {
    /// What can't be used: first what is wrong with fields by themselves, in
    /// the order of the hashes, then where roles lead.
    #[must_use]
    pub(crate) fn rejected(&self) -> Rejected {
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
            let spellings = hash.spellings.get(name);
            let raw = spellings.and_then(|spellings| spellings.counting(name));
            let rejected = RejectedField::new(
                hash.key(),
                raw.unwrap_or(name.as_bytes()),
                RejectedCode::Attribute,
                "an attribute in its value is not known; it is ignored".into(),
                Effect::Used,
            );
            std::iter::repeat_n(rejected, count)
        });
        let overruled = hash.spellings.iter().flat_map(move |(name, spellings)| {
            let counting = spellings.counting(name);
            let all = spellings.values.keys().map(AsRef::as_ref);
            let ignored = all.filter(move |&raw| Some(raw) != counting);
            ignored.map(move |raw| {
                RejectedField::new(
                    hash.key(),
                    raw,
                    RejectedCode::Spelling,
                    format!("it is another spelling of {name}, which is there too; it is ignored"),
                    Effect::Used,
                )
            })
        });
        unusable.chain(attributes).chain(overruled)
    }

    fn unusable(&self, number: usize, hash: &Hash, raw: &[u8], why: &Unusable) -> RejectedField {
        let field = Field::parse(raw);
        let reason = match (why, &field) {
            (Unusable::Value(error), _) => Some(error.to_string()),
            (Unusable::Name, Err(error)) => Some(error.to_string()),
            (Unusable::Name, Ok(_)) => None,
        };
        let is_used = field.is_ok_and(|field| {
            let name = NormalName::of(&field);
            self.fields
                .get(name.role(), number, name.member())
                .is_some()
        });
        let code = match why {
            Unusable::Name => RejectedCode::Field,
            Unusable::Value(_) => RejectedCode::Value,
        };
        let effect = if is_used {
            Effect::Retained
        } else {
            Effect::Ignored
        };
        RejectedField::new(hash.key(), raw, code, reason.unwrap_or_default(), effect)
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
            role.faults.iter().map(move |fault| {
                let (field, reason) = (fault.field.as_bytes(), fault.kind.to_string());
                RejectedField::new(hash, field, RejectedCode::Pointer, reason, effect)
            })
        })
    }
}
