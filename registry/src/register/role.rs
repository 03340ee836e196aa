//! Roles and values that are to be written, checked by the grammar of reading.

use std::fmt;
use std::net::IpAddr;

use cloudhosts_config::Zone;
use cloudhosts_config::printable::Quoted;

use serde::{Deserialize, Serialize};

use crate::record::{Field, FieldError, Target, Value, ValueError};

/// A role in its normal form, and the member if one is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    name: String,
    member: Option<String>,
}

impl Role {
    /// Reads a role.
    ///
    /// # Errors
    /// It is invalid, or has a member.
    pub fn parse(name: &str) -> Result<Role, RoleError> {
        let field = Field::parse(name.as_bytes());
        let field =
            field.map_err(|why| RoleError::Role(Quoted(name.as_bytes()).to_string(), why))?;
        match field.member {
            None => Ok(Role {
                name: field.role.to_string(),
                member: None,
            }),
            Some(_) => Err(RoleError::Member(Quoted(name.as_bytes()).to_string())),
        }
    }

    /// The same role with a member.
    ///
    /// # Errors
    /// The member is invalid.
    pub fn with_member(self, member: &str) -> Result<Role, RoleError> {
        let field = format!("{}/{member}", self.name);
        Field::parse(field.as_bytes())
            .map_err(|why| RoleError::Role(Quoted(member.as_bytes()).to_string(), why))?;
        Ok(Role {
            name: self.name,
            member: Some(member.to_owned()),
        })
    }

    /// The role, without the member.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The member, if one is meant.
    #[must_use]
    pub fn member(&self) -> Option<&str> {
        self.member.as_deref()
    }
}

impl fmt::Display for Role {
    /// The field of the hash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.member {
            Some(member) => write!(f, "/{member}"),
            None => Ok(()),
        }
    }
}

/// Why a role is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// The text, quoted, and what is wrong.
    #[error("{0}: {1}")]
    Role(String, FieldError),
    /// The text, quoted, has a member.
    #[error("{0}: write the role alone, and the member as --member")]
    Member(String),
}

/// The value of a field that is to be written, in its normal form. From JSON only addresses are read,
/// never a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Where(String);

impl TryFrom<String> for Where {
    type Error = WhereError;

    fn try_from(text: String) -> Result<Where, WhereError> {
        Where::addresses(&text)
    }
}

impl Where {
    /// Reads addresses, perhaps with attributes.
    ///
    /// # Errors
    /// It is invalid, or a name.
    pub fn addresses(text: &str) -> Result<Where, WhereError> {
        let value = Value::parse(text.as_bytes())?;
        match value.target {
            Target::Addresses { .. } => Where::known(&value),
            Target::Pointer(name) => Err(WhereError::Pointer(name.to_string())),
        }
    }

    /// Reads the name of another entry.
    ///
    /// # Errors
    /// It is invalid, or an address.
    pub fn pointer(text: &str) -> Result<Where, WhereError> {
        let value = Value::parse(text.as_bytes())?;
        match value.target {
            Target::Pointer(_) => Where::known(&value),
            Target::Addresses { .. } => Err(WhereError::Addresses),
        }
    }

    /// An unknown attribute is ignored when reading, and an error when writing.
    fn known(value: &Value) -> Result<Where, WhereError> {
        match value.unknown.first() {
            Some(attribute) => Err(WhereError::Attribute(attribute.clone())),
            None => Ok(Where(value.to_string())),
        }
    }

    /// Adds a zone, unless it has one.
    #[must_use]
    pub fn in_zone(self, zone: &Zone) -> Where {
        match Value::parse(self.0.as_bytes()) {
            Ok(value) if value.zone.is_none() => Where(format!("{self} zone={zone}")),
            _ => self,
        }
    }

    /// The same without a zone, as tables have it.
    #[must_use]
    pub fn without_zone(&self) -> Where {
        match Value::parse(self.0.as_bytes()) {
            Ok(value) => Where(
                Value {
                    zone: None,
                    ..value
                }
                .to_string(),
            ),
            Err(_) => self.clone(),
        }
    }

    /// The zone.
    #[must_use]
    pub fn zone(&self) -> Option<Zone> {
        Value::parse(self.0.as_bytes()).ok()?.zone
    }

    /// The addresses. Empty for a pointer.
    #[must_use]
    pub fn to_addresses(&self) -> Vec<IpAddr> {
        let words = self.0.split(' ');
        words.filter_map(|word| word.parse().ok()).collect()
    }

    /// The value of the field.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a value cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhereError {
    /// It is invalid.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A name instead of addresses.
    #[error("{0} is a name, not an address; `cloudhosts point` lets a role point at one")]
    Pointer(String),
    /// Addresses instead of a name.
    #[error("a role points at a name; `cloudhosts claim` puts it at addresses")]
    Addresses,
    /// An unknown attribute, quoted.
    #[error("unknown attribute {0}; there are pick=N and zone=ZONE")]
    Attribute(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_written_in_its_normal_form() {
        let role = Role::parse("Web.").unwrap();
        assert_eq!(role.to_string(), "web");
        assert_eq!(role.with_member("I-1").unwrap().to_string(), "web/I-1");
        assert!(
            Role::parse("web/i")
                .unwrap_err()
                .to_string()
                .contains("--member")
        );
        assert!(Role::parse("localhost").is_err() && Role::parse("10.0.0.5").is_err());
        let bad = Role::parse("web").unwrap().with_member("a b");
        assert!(bad.unwrap_err().to_string().starts_with("\"a b\": "));
    }

    #[test]
    fn a_place_is_written_in_its_normal_form() {
        let shown = |text: &str| Where::addresses(text).map(|at| at.to_string());
        assert_eq!(
            shown("10.0.0.5,FD00::5 pick=1"),
            Ok("10.0.0.5 fd00::5 pick=1".into())
        );
        for bad in ["", "web", "10.0.0.5:80", "10.0.0.5 weight=2", "0.0.0.0"] {
            assert!(shown(bad).is_err(), "{bad}");
        }
        let zone = Zone::parse(b"b").unwrap();
        let in_zone = |text: &str| Where::addresses(text).unwrap().in_zone(&zone).to_string();
        assert_eq!(in_zone("10.0.0.5 pick=1"), "10.0.0.5 pick=1 zone=b");
        assert_eq!(in_zone("10.0.0.5 zone=a"), "10.0.0.5 zone=a");
        let at = Where::addresses("10.0.0.5 zone=a pick=1").unwrap();
        assert_eq!(at.without_zone().as_str(), "10.0.0.5 pick=1");
        assert_eq!(Where::pointer("DB-3.").unwrap().as_str(), "db-3");
        assert_eq!(Where::pointer("10.0.0.5"), Err(WhereError::Addresses));
    }
}
