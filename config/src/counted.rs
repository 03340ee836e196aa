//! Counts with their noun.

use std::fmt;

/// A count with its noun: "1 name", "2 names", "0 addresses".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted<'n> {
    /// How many there are.
    count: u64,
    /// The noun, in the singular.
    noun: &'n str,
}

impl<'n> Counted<'n> {
    /// A count; `noun` is the singular.
    #[must_use]
    pub const fn new(count: u64, noun: &'n str) -> Counted<'n> {
        Counted { count, noun }
    }
}

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ending = match self.noun.chars().next_back() {
            _ if self.count == 1 => "",
            Some('s' | 'h') => "es",
            _ => "s",
        };
        write!(f, "{} {}{ending}", self.count, self.noun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_anything_else_is_several() {
        let said = |count, noun| Counted::new(count, noun).to_string();
        assert_eq!(said(1, "name"), "1 name");
        assert_eq!(said(0, "field"), "0 fields");
        assert_eq!(said(2, "address"), "2 addresses");
        assert_eq!(said(1, "address"), "1 address");
        assert_eq!(said(3, "hash"), "3 hashes");
    }
}
