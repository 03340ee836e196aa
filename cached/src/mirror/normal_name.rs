//! The name of a field in its normal form.

use cloudhosts_registry::record::Field;
use cloudhosts_table::name::MAX_NAME;

/// A field's name in its normal form, made without allocating.
pub(super) struct NormalName<'a> {
    role: [u8; MAX_NAME],
    len: usize,
    member: &'a str,
}

impl<'a> NormalName<'a> {
    /// The normal form of a field.
    pub(super) fn of(field: &Field<'a>) -> NormalName<'a> {
        let star: &[u8] = if field.role.is_wildcard() { b"*." } else { b"" };
        let name = field.role.name().as_bytes();
        let mut role = [0; MAX_NAME];
        for (to, from) in role.iter_mut().zip(star.iter().chain(name)) {
            *to = *from;
        }
        NormalName {
            role,
            len: star.len() + name.len(),
            member: field.member.unwrap_or_default(),
        }
    }

    /// `web`, or `*.apps.internal`.
    pub(super) fn role(&self) -> &str {
        let role = self.role.get(..self.len).unwrap_or_default();
        std::str::from_utf8(role).unwrap_or_default()
    }

    /// `i-0abc` of `web/i-0abc`; empty for the plain field.
    pub(super) fn member(&self) -> &'a str {
        self.member
    }

    /// Whether these bytes spell it in just this form.
    pub(super) fn is_spelling(&self, raw: &[u8]) -> bool {
        let rest = raw.strip_prefix(self.role().as_bytes());
        rest.is_some_and(|rest| match self.member {
            "" => rest.is_empty(),
            member => rest.strip_prefix(b"/") == Some(member.as_bytes()),
        })
    }
}

impl std::fmt::Display for NormalName<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_field(f, self.role(), self.member)
    }
}

/// Writes `role` or `role/member`.
pub(super) fn write_field(
    to: &mut impl std::fmt::Write,
    role: &str,
    member: &str,
) -> std::fmt::Result {
    to.write_str(role)?;
    if member.is_empty() {
        return Ok(());
    }
    write!(to, "/{member}")
}
