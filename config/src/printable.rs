//! Text from untrusted sources, made safe for a terminal, a log line and the status.

use std::fmt;

use crate::counted::Counted;

/// Most bytes of untrusted text that one message quotes.
const MOST: usize = 80;

/// Most bytes of a reason that comes from Redis or a library.
const MOST_REASON: usize = 300;

/// Bytes in quotes, with everything but printable ASCII escaped and the end
/// cut off when they are long.
pub struct Quoted<'a>(pub &'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..MOST).unwrap_or(self.0);
        write!(f, "\"{}\"", shown.escape_ascii())?;
        match self.0.len() - shown.len() {
            0 => Ok(()),
            rest => write!(f, "... ({})", Counted::new(rest as u64, "more byte")),
        }
    }
}

/// Bytes as text that can be printed, and read back by [`unescaped`].
#[must_use]
pub fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// The bytes that [`escaped`] made text of; none where it did not.
#[must_use]
pub fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            same => same,
        });
    }
    Some(bytes)
}

/// Untrusted text: all but printable ASCII is escaped, since a terminal interprets
/// more than control characters (some reverse the direction of the line).
pub struct Escaped<'t>(pub &'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| write_escaped(f, c))
    }
}

fn write_escaped(to: &mut impl fmt::Write, c: char) -> fmt::Result {
    if c.is_ascii_graphic() || c == ' ' {
        to.write_char(c)
    } else {
        write!(to, "{}", c.escape_default())
    }
}

/// A reason in somebody else's words: on one line, without control
/// characters, and of bounded length.
#[must_use]
pub fn reason(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars() {
        if line.len() >= MOST_REASON {
            line.push_str("...");
            break;
        }
        let blank = matches!(c, '\n' | '\r' | '\t');
        // Writing to a string cannot fail.
        let _ = write_escaped(&mut line, if blank { ' ' } else { c });
    }
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_reaches_a_terminal_unescaped() {
        assert_eq!(
            Quoted(b"a\x1b[31m\"\xff\0").to_string(),
            "\"a\\x1b[31m\\\"\\xff\\x00\""
        );
        assert_eq!(
            reason("a\x1b]0;x\x07\r\nb\u{202e}"),
            "a\\u{1b}]0;x\\u{7}  b\\u{202e}"
        );
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_read_back(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let text = escaped(&bytes);
            prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text}");
            prop_assert_eq!(unescaped(&text), Some(bytes));
        }
    }

    #[test]
    fn long_text_is_cut() {
        let quoted = Quoted(&[b'a'; 1000]).to_string();
        assert!(quoted.ends_with("\"... (920 more bytes)"), "{quoted}");
        assert!(reason(&"\u{1}".repeat(100_000)).len() < 400);
    }
}
