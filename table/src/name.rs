//! Names: what a role may be called, and the normal form in which names are
//! compared.
//!
//! The same rules apply to the fields of the Redis hash and to the names that
//! programs look up, so every name that can be registered can be found.

use core::fmt;

/// Most bytes of a name, without a trailing dot (RFC 1035, section 2.3.4).
pub const MAX_NAME: usize = 253;

/// Most bytes of one label of a name (RFC 1035, section 2.3.4).
pub const MAX_LABEL: usize = 63;

/// Each byte of a name in lower case; 0 for a byte that names can't have.
const FOLDED: [u8; 256] = {
    let mut folded = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        if matches!(byte as u8, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.') {
            folded[byte] = (byte as u8).to_ascii_lowercase();
        }
        byte += 1;
    }
    folded
};

/// A host name in normal form: lower case, no trailing dot.
///
/// It is on the stack, because each lookup makes one and must not allocate.
#[derive(Clone, Copy)]
// Aligned, because it is compared word by word.
#[repr(C, align(8))]
pub struct Name {
    bytes: [u8; MAX_NAME],
    len: u8,
}

impl Name {
    /// Reads a name: labels of letters, digits, `-` and `_`. ASCII case is
    /// folded and one trailing dot is dropped.
    ///
    /// # Errors
    /// The rule that the name breaks. `localhost`, the names below it and
    /// anything that `inet_aton(3)` reads as an address are refused, because
    /// their meaning is fixed (RFC 6761, section 6.3).
    #[inline]
    pub fn parse(raw: &[u8]) -> Result<Name, NameError> {
        let mut name = Name::EMPTY;
        name.read(raw)?;
        Ok(name)
    }

    /// No name, for [`Name::read`].
    pub const EMPTY: Name = Name {
        bytes: [0; MAX_NAME],
        len: 0,
    };

    /// Replaces this name as [`Name::parse`] does, without copying it, which
    /// would cost a noticeable part of a lookup. After an error it is empty.
    ///
    /// # Errors
    /// The rule that the name breaks.
    pub fn read(&mut self, raw: &[u8]) -> Result<(), NameError> {
        self.len = 0;
        let raw = raw.strip_suffix(b".").unwrap_or(raw);
        if raw.is_empty() {
            return Err(NameError::Empty);
        }
        if raw.len() > MAX_NAME {
            return Err(NameError::TooLong);
        }
        let mut label = 0;
        for (at, (to, &byte)) in self.bytes.iter_mut().zip(raw).enumerate() {
            let folded = FOLDED[usize::from(byte)];
            *to = folded;
            // Nearly all bytes are letters, digits and `_`, which are above the
            // dot.
            if folded <= b'.' {
                match folded {
                    0 => return Err(NameError::Character(byte)),
                    b'.' => {
                        check_label(at - label)?;
                        label = at + 1;
                    }
                    _ => {}
                }
            }
        }
        check_label(raw.len() - label)?;
        let (name, _) = self.bytes.split_at(raw.len());
        if reads_as_address(name) {
            return Err(NameError::ReadsAsAddress);
        }
        if is_localhost(name) {
            return Err(NameError::Localhost);
        }
        self.len = raw.len() as u8;
        Ok(())
    }

    /// The name in a record, which may be damaged or hostile; none if it has
    /// other characters than names have, or is too long.
    pub(crate) fn of_record(bytes: &[u8]) -> Option<Name> {
        let mut name = Name::EMPTY;
        name.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        name.len = bytes.len() as u8;
        (!bytes.is_empty() && crate::format::is_name(bytes)).then_some(name)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever stored, so this cannot fail.
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The name as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Name {}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Checks the length of a label.
fn check_label(len: usize) -> Result<(), NameError> {
    match len {
        0 => Err(NameError::EmptyLabel),
        1..=MAX_LABEL => Ok(()),
        _ => Err(NameError::LabelTooLong),
    }
}

/// Whether `inet_aton(3)` reads it as an address: one to four numbers, decimal,
/// octal or hexadecimal, with dots between them.
fn reads_as_address(name: &[u8]) -> bool {
    // All of these numbers begin with a digit, and hardly any name does.
    if !name.first().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let is_number = |label: &[u8]| match label.strip_prefix(b"0x") {
        Some(hex) => hex.iter().all(u8::is_ascii_hexdigit),
        None => label.iter().all(u8::is_ascii_digit),
    };
    let mut labels = 0;
    name.split(|&byte| byte == b'.').all(|label| {
        labels += 1;
        is_number(label)
    }) && labels <= 4
}

/// Whether it is `localhost` or a name below it.
fn is_localhost(name: &[u8]) -> bool {
    name.strip_suffix(b"localhost")
        .is_some_and(|rest| rest.is_empty() || rest.ends_with(b"."))
}

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// Nothing, or only a dot.
    Empty,
    /// More than [`MAX_NAME`] bytes.
    TooLong,
    /// Two dots in a row, or one at the start.
    EmptyLabel,
    /// A label of more than [`MAX_LABEL`] bytes.
    LabelTooLong,
    /// A byte that names can't have.
    Character(u8),
    /// It reads as an IP address.
    ReadsAsAddress,
    /// `localhost`, or a name below it.
    Localhost,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => f.write_str("the name is empty"),
            NameError::TooLong => write!(f, "the name is longer than {MAX_NAME} bytes"),
            NameError::EmptyLabel => f.write_str("the name has an empty label (one dot too many)"),
            NameError::LabelTooLong => {
                write!(f, "a label of the name is longer than {MAX_LABEL} bytes")
            }
            NameError::Character(byte) => write!(
                f,
                "the name contains '{}'; names consist of letters, digits, '-', '_' and dots",
                byte.escape_ascii()
            ),
            NameError::ReadsAsAddress => f.write_str("the name reads as an IP address"),
            NameError::Localhost => {
                f.write_str("localhost and the names below it always mean the local machine")
            }
        }
    }
}

impl core::error::Error for NameError {}

/// What a field of the hash can name: one name, or with `*.` in front all names
/// below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    wildcard: bool,
    name: Name,
}

impl Pattern {
    /// Reads a name, or `*.` and a name.
    ///
    /// # Errors
    /// As [`Name::parse`]. `*` is refused anywhere else.
    pub fn parse(raw: &[u8]) -> Result<Pattern, NameError> {
        let (wildcard, name) = match raw.strip_prefix(b"*.") {
            Some(rest) => (true, rest),
            None => (false, raw),
        };
        let name = Name::parse(name)?;
        if wildcard && name.as_bytes().len() + 2 > MAX_NAME {
            return Err(NameError::TooLong);
        }
        Ok(Pattern { wildcard, name })
    }

    /// A name, or the wildcard for all names below it.
    pub(crate) fn new(name: Name, wildcard: bool) -> Pattern {
        Pattern { wildcard, name }
    }

    /// Whether it stands for all names below [`Pattern::name`].
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// The name, without the `*.` of a wildcard.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wildcard {
            f.write_str("*.")?;
        }
        f.write_str(self.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &str) -> Result<String, NameError> {
        Name::parse(raw.as_bytes()).map(|name| name.to_string())
    }

    #[test]
    fn case_and_one_trailing_dot_are_folded() {
        assert_eq!(parse("DB-Master.Example."), Ok("db-master.example".into()));
        assert_eq!(parse("_srv.x_y"), Ok("_srv.x_y".into()));
    }

    #[test]
    fn reading_a_name_replaces_the_old_one() {
        let mut name = Name::EMPTY;
        assert_eq!(name.read(b"db-master.internal"), Ok(()));
        assert_eq!(name.read(b"Web"), Ok(()));
        assert_eq!(name.as_str(), "web");
        assert_eq!(name.read(b"we b"), Err(NameError::Character(b' ')));
        assert_eq!(name.as_str(), "");
    }

    #[test]
    fn each_rule_has_its_own_reason() {
        assert_eq!(parse(""), Err(NameError::Empty));
        assert_eq!(parse("."), Err(NameError::Empty));
        assert_eq!(parse("web.."), Err(NameError::EmptyLabel));
        assert_eq!(parse(".web"), Err(NameError::EmptyLabel));
        assert_eq!(parse("a..b"), Err(NameError::EmptyLabel));
        assert_eq!(parse("we b"), Err(NameError::Character(b' ')));
        assert_eq!(parse("w\u{e9}b"), Err(NameError::Character(0xc3)));
        assert_eq!(parse("web\0"), Err(NameError::Character(0)));
        assert_eq!(parse("LocalHost."), Err(NameError::Localhost));
        assert_eq!(parse("a.localhost"), Err(NameError::Localhost));
        assert_eq!(parse("mylocalhost"), Ok("mylocalhost".into()));
    }

    #[test]
    fn what_inet_aton_reads_is_not_a_name() {
        for address in ["10.0.0.5", "10", "127.1", "0x7f.1", "0x7f000001", "1.2.3"] {
            assert_eq!(parse(address), Err(NameError::ReadsAsAddress), "{address}");
        }
        for name in ["1.2.3.4.5", "10a", "web.1", "0xg"] {
            assert_eq!(parse(name), Ok(name.into()));
        }
    }

    #[test]
    fn lengths_are_exact() {
        let label = "a".repeat(MAX_LABEL);
        assert!(parse(&label).is_ok());
        assert_eq!(parse(&format!("{label}a")), Err(NameError::LabelTooLong));
        let longest = format!("{label}.{label}.{label}.{}", "b".repeat(61));
        assert_eq!(longest.len(), MAX_NAME);
        assert!(parse(&longest).is_ok());
        assert!(parse(&format!("{longest}.")).is_ok());
        assert_eq!(parse(&format!("{longest}b")), Err(NameError::TooLong));
    }

    #[test]
    fn a_wildcard_is_the_leftmost_whole_label() {
        let pattern = Pattern::parse(b"*.Apps.Internal").unwrap();
        assert!(pattern.is_wildcard());
        assert_eq!(pattern.to_string(), "*.apps.internal");
        assert_eq!(Pattern::parse(b"*"), Err(NameError::Character(b'*')));
        assert_eq!(Pattern::parse(b"a.*.b"), Err(NameError::Character(b'*')));
        assert_eq!(Pattern::parse(b"*."), Err(NameError::Empty));
    }
}
