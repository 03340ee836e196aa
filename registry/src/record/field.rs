//! A field of the hash: a role, or one member of a role.

use std::fmt;

use cloudhosts_table::name::MAX_NAME;
use cloudhosts_table::{NameError, Pattern};

/// Most bytes of a member.
pub const MAX_MEMBER: usize = 64;

/// Most bytes of a valid field: a role (`*.`, a name, a final dot), a slash, and a member.
pub const MAX_FIELD: usize = 2 + MAX_NAME + 1 + 1 + MAX_MEMBER;

/// What a field names: `web`, `web/i-0abc`, `*.apps.internal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The role.
    pub role: Pattern,
    /// The member. Its case is significant.
    pub member: Option<&'a str>,
}

impl<'a> Field<'a> {
    /// Reads a field.
    ///
    /// # Errors
    /// What is wrong with the role or with the member.
    pub fn parse(raw: &'a [u8]) -> Result<Field<'a>, FieldError> {
        let (role, member) = match raw.iter().position(|&byte| byte == b'/') {
            Some(slash) => {
                let (role, rest) = raw.split_at(slash);
                (role, rest.get(1..))
            }
            None => (raw, None),
        };
        let role = parse_role(role)?;
        let member = member.map(parse_member).transpose()?;
        Ok(Field { role, member })
    }
}

/// The role, with the reasons that only a wildcard gives.
fn parse_role(raw: &[u8]) -> Result<Pattern, FieldError> {
    Pattern::parse(raw).map_err(|error| match error {
        NameError::Character(b'*') if matches!(raw, b"*" | b"*.") => FieldError::BareWildcard,
        NameError::Empty if raw == b"*." => FieldError::BareWildcard,
        NameError::Character(b'*') => FieldError::WildcardInside,
        error => FieldError::Role(error),
    })
}

fn parse_member(raw: &[u8]) -> Result<&str, FieldError> {
    if raw.is_empty() {
        return Err(FieldError::MemberEmpty);
    }
    if raw.len() > MAX_MEMBER {
        return Err(FieldError::MemberTooLong);
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    if let Some(&byte) = raw.iter().find(|&&byte| !fits(byte)) {
        return Err(FieldError::MemberCharacter(byte));
    }
    std::str::from_utf8(raw).map_err(|_| FieldError::MemberCharacter(0x80))
}

impl fmt::Display for Field<'_> {
    /// The field in its one normal form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.role.fmt(f)?;
        match self.member {
            Some(member) => write!(f, "/{member}"),
            None => Ok(()),
        }
    }
}

/// Why a field cannot be used. The text is safe to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The role is no name.
    #[error("{0}")]
    Role(NameError),
    /// `*` alone: it would answer every name there is.
    #[error(
        "a wildcard needs a name to stand below, as in *.apps.internal; alone it would answer every \
         name there is"
    )]
    BareWildcard,
    /// A `*` that is not the whole leftmost label.
    #[error("a '*' can only be the whole leftmost label of the name, as in *.apps.internal")]
    WildcardInside,
    /// `web/` with nothing after it.
    #[error("the member after '/' is empty; leave the '/' out or name the member")]
    MemberEmpty,
    /// More than [`MAX_MEMBER`] bytes.
    #[error("the member after '/' is longer than {MAX_MEMBER} bytes")]
    MemberTooLong,
    /// A byte that no member may hold.
    #[error(
        "the member after '/' holds '{}'; members are made of letters, digits, '.', '_', ':' and '-'",
        .0.escape_ascii()
    )]
    MemberCharacter(u8),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(raw: &str) -> Result<String, FieldError> {
        Field::parse(raw.as_bytes()).map(|field| field.to_string())
    }

    #[test]
    fn every_form_of_the_contract_is_read() {
        assert_eq!(parse("Web."), Ok("web".into()));
        assert_eq!(parse("web/I-0abc"), Ok("web/I-0abc".into()));
        assert_eq!(parse("*.Apps.internal"), Ok("*.apps.internal".into()));
        assert_eq!(
            parse("*.apps.internal/fe80::1"),
            Ok("*.apps.internal/fe80::1".into())
        );
    }

    #[test]
    fn each_refusal_has_its_own_reason() {
        assert_eq!(parse(""), Err(FieldError::Role(NameError::Empty)));
        assert_eq!(parse("/i-1"), Err(FieldError::Role(NameError::Empty)));
        assert_eq!(
            parse("localhost/i"),
            Err(FieldError::Role(NameError::Localhost))
        );
        assert_eq!(
            parse("10.0.0.5"),
            Err(FieldError::Role(NameError::ReadsAsAddress))
        );
        assert_eq!(parse("web.."), Err(FieldError::Role(NameError::EmptyLabel)));
        assert_eq!(parse("*"), Err(FieldError::BareWildcard));
        assert_eq!(parse("*."), Err(FieldError::BareWildcard));
        assert_eq!(parse("*/m"), Err(FieldError::BareWildcard));
        assert_eq!(parse("a.*.b"), Err(FieldError::WildcardInside));
        assert_eq!(parse("a*.b"), Err(FieldError::WildcardInside));
        assert_eq!(parse("*.*.b"), Err(FieldError::WildcardInside));
        assert_eq!(parse("web/"), Err(FieldError::MemberEmpty));
        assert_eq!(parse("web/a/b"), Err(FieldError::MemberCharacter(b'/')));
        assert_eq!(parse("web/a b"), Err(FieldError::MemberCharacter(b' ')));
        assert!(parse(&format!("web/{}", "m".repeat(64))).is_ok());
        assert_eq!(
            parse(&format!("web/{}", "m".repeat(65))),
            Err(FieldError::MemberTooLong)
        );
        assert_eq!(
            Field::parse(b"web/\xff"),
            Err(FieldError::MemberCharacter(0xff))
        );
        assert_eq!(
            Field::parse(b"web/\x1b")
                .unwrap_err()
                .to_string()
                .find('\x1b'),
            None
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_reasons_are_printable(raw in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Err(error) = Field::parse(&raw) {
                prop_assert!(error.to_string().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            }
        }

        #[test]
        fn the_normal_form_reads_back(raw in "(\\*\\.)?[a-zA-Z][a-zA-Z0-9_-]{0,10}(\\.[a-z]{1,9}){0,3}\\.?(/[A-Za-z0-9._:-]{1,64})?") {
            let field = Field::parse(raw.as_bytes()).unwrap();
            let shown = field.to_string();
            prop_assert_eq!(Field::parse(shown.as_bytes()).unwrap(), field);
        }
    }
}
