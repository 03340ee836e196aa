//! Which role a raw field belongs to.

use std::borrow::Cow;

use crate::log::DropScope;

/// The role of a raw field, so that fields of one role compare equal: the part before the slash, in
/// lower case and without a final dot. It is defined for invalid fields too.
pub(super) fn role_of(field: &[u8]) -> Cow<'_, [u8]> {
    let role = field.split(|&byte| byte == b'/').next().unwrap_or_default();
    let role = match role.split_last() {
        Some((b'.', name)) if !name.is_empty() => name,
        _ => role,
    };
    if role.iter().any(u8::is_ascii_uppercase) {
        Cow::Owned(role.to_ascii_lowercase())
    } else {
        Cow::Borrowed(role)
    }
}

/// Whether what is retained of a field is no longer wanted.
pub(super) fn drops(scope: &DropScope, field: &[u8]) -> bool {
    match scope {
        DropScope::All => true,
        DropScope::Role(role) => *role_of(field) == *role.as_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Field;

    #[test]
    fn a_role_is_what_the_grammar_calls_one() {
        for raw in [
            "web",
            "Web",
            "WEB.",
            "web/i-1",
            "Web./I-1",
            "*.Apps.internal/a",
            "db-master.eu.example.com",
        ] {
            let parsed = Field::parse(raw.as_bytes()).unwrap();
            assert_eq!(
                *role_of(raw.as_bytes()),
                *parsed.role.to_string().as_bytes()
            );
        }
        for junk in ["", "/", ".", "./x", "//", "\u{1}/x"] {
            let _ = role_of(junk.as_bytes());
        }
    }

    #[test]
    fn a_drop_is_of_one_role_or_of_all() {
        let scope = DropScope::Role("web".into());
        assert!(drops(&scope, b"Web./i-1") && drops(&scope, b"web"));
        assert!(!drops(&scope, b"webs") && !drops(&scope, b"*.web"));
        assert!(drops(&DropScope::All, b"anything"));
    }
}
