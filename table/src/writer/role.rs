//! A role, as the daemon passes it to the writer.

use super::{WriteError, split};
use crate::format::{
    ALIAS, CANONICAL, RecordFields, SOURCES, SourceHead, UNANSWERED, WILDCARD, encode_record,
    encode_source, is_name,
};
use crate::name::MAX_NAME;
use crate::roles::MAX_HASHES;

/// A resolved role: its pointers are followed, and its members put together.
#[derive(Debug, Clone, Copy)]
pub struct Role<'a> {
    /// In normal form; `*.` in front makes it a wildcard.
    pub name: &'a str,
    /// Its answer; none if its fields lead to no address. Then the role is in the
    /// table only to be shown.
    pub answer: Option<RoleAnswer<'a>>,
    /// How many addresses of each family one lookup returns; 0 is all.
    pub pick: u16,
    /// The fields it was made from, the deciding ones first.
    pub sources: &'a [Source<'a>],
}

/// The answer of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleAnswer<'a> {
    /// Addresses of its own, at least one.
    Addresses {
        /// IPv4 addresses.
        v4: &'a [[u8; 4]],
        /// IPv6 addresses.
        v6: &'a [[u8; 16]],
        /// The canonical name, if it is not the role's own. It may be one that
        /// only a wildcard covers.
        canonical: Option<&'a str>,
    },
    /// The addresses of another role, which is neither an alias nor a wildcard.
    Alias {
        /// Its name.
        target: &'a str,
    },
}

/// A field that a role was made from, with the last value that was accepted.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The number of its Redis hash in
    /// [`Settings::hashes`](super::Settings::hashes).
    pub hash: usize,
    /// The member of the role (`i-0abc` of `web/i-0abc`).
    pub member: Option<&'a str>,
    /// Whether Redis has lost the field, whose last value is retained.
    pub retained: bool,
    /// Its value.
    pub value: SourceValue<'a>,
}

/// The value of a field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceValue<'a> {
    /// IPv4 addresses.
    pub v4: &'a [[u8; 4]],
    /// IPv6 addresses.
    pub v6: &'a [[u8; 16]],
    /// The name it points at, if it has no addresses.
    pub target: Option<&'a str>,
    /// How many addresses of each family one lookup returns; 0 is all.
    pub pick: u16,
}

/// The most addresses of one family.
const MAX_ADDRESSES: usize = u16::MAX as usize;

impl Role<'_> {
    /// Checks that it can be written.
    pub(super) fn check(&self) -> Result<(), WriteError> {
        let (name, wildcard) = split(self.name);
        let room = MAX_NAME - if wildcard { 2 } else { 0 };
        is_role_name(name, room)?;
        match self.answer {
            Some(RoleAnswer::Alias { target }) => is_role_name(target, MAX_NAME)?,
            Some(RoleAnswer::Addresses { v4, v6, canonical }) => {
                if v4.is_empty() && v6.is_empty() || v4.len().max(v6.len()) > MAX_ADDRESSES {
                    return Err(WriteError::Answer(self.name.into()));
                }
                if let Some(canonical) = canonical {
                    is_role_name(canonical, MAX_NAME)?;
                }
            }
            None => {}
        }
        let fits = |source: &Source<'_>| {
            let Source {
                hash,
                member,
                value,
                ..
            } = source;
            let texts = [*member, value.target].into_iter().flatten();
            *hash < MAX_HASHES
                && texts.map(str::len).all(|len| len <= usize::from(u8::MAX))
                && value.v4.len().max(value.v6.len()) <= MAX_ADDRESSES
        };
        if self.sources.iter().all(fits) {
            Ok(())
        } else {
            Err(WriteError::Source(self.name.into()))
        }
    }

    /// Encodes its record.
    pub(super) fn encode(&self, record: &mut Vec<u8>) {
        let (name, wildcard) = split(self.name);
        let mut fields = RecordFields {
            flags: if wildcard { WILDCARD } else { 0 },
            name,
            pick: self.pick,
            ..RecordFields::default()
        };
        match self.answer {
            None => fields.flags |= UNANSWERED,
            Some(RoleAnswer::Alias { target }) => {
                fields.flags |= ALIAS;
                fields.target = target;
            }
            Some(RoleAnswer::Addresses { v4, v6, canonical }) => {
                (fields.v4, fields.v6) = (v4, v6);
                if let Some(canonical) = canonical {
                    fields.flags |= CANONICAL;
                    fields.target = canonical;
                }
            }
        }
        let mut sources = Vec::new();
        if !self.is_plain() {
            fields.flags |= SOURCES;
            for source in self.sources {
                source.encode(&mut sources);
            }
            fields.sources = &sources;
        }
        encode_record(record, &fields);
    }

    /// Whether it was made from one field of the first hash, without a member, that
    /// has the same value. A record without sources means that.
    fn is_plain(&self) -> bool {
        let [source] = self.sources else {
            return false;
        };
        let says = match self.answer {
            Some(RoleAnswer::Addresses {
                v4,
                v6,
                canonical: None,
            }) => SourceValue {
                v4,
                v6,
                target: None,
                pick: self.pick,
            },
            Some(RoleAnswer::Alias { target }) => SourceValue {
                target: Some(target),
                pick: self.pick,
                ..SourceValue::default()
            },
            _ => return false,
        };
        source.hash == 0 && source.member.is_none() && !source.retained && source.value == says
    }
}

impl Source<'_> {
    fn encode(&self, bytes: &mut Vec<u8>) {
        let member = self.member.unwrap_or_default();
        let SourceValue {
            v4,
            v6,
            target,
            pick,
        } = self.value;
        let target = target.unwrap_or_default();
        let head = SourceHead {
            hash: self.hash as u8,
            flags: if self.retained {
                SourceHead::RETAINED
            } else {
                0
            },
            member_len: member.len() as u8,
            target_len: target.len() as u8,
            pick: pick.into(),
            v4: (v4.len() as u16).into(),
            v6: (v6.len() as u16).into(),
        };
        encode_source(bytes, head, member, target, v4, v6);
    }
}

fn is_role_name(name: &str, room: usize) -> Result<(), WriteError> {
    let star = name.contains('*');
    let right = !name.is_empty() && !star && name.len() <= room && is_name(name.as_bytes());
    if right {
        Ok(())
    } else {
        Err(WriteError::Name(name.into()))
    }
}
