//! Foreign text, made safe to print.

use std::fmt;

/// Displays text that others wrote. Everything but printable ASCII is escaped, since
/// a terminal obeys more than control characters (some reverse the direction of text).
pub(crate) struct Escaped<'t>(pub(crate) &'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_ascii_graphic() || c == ' ' {
                write!(f, "{c}")?;
            } else {
                write!(f, "{}", c.escape_default())?;
            }
        }
        Ok(())
    }
}

/// Bytes that others wrote, for JSON, which escapes control characters itself: as
/// they are where they are UTF-8, else escaped.
pub(crate) fn utf8_or_escaped(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.escape_ascii().to_string(), str::to_owned)
}
