//! What is wrong with a value, told without a word of the value.

use std::fmt;

use super::ValueError;
use super::value::{MAX_ADDRESSES, MAX_VALUE};

/// What is wrong with a value. Unlike a [`ValueError`] it quotes nothing, so
/// that it can be told to people who may not read Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueProblem {
    /// Neither an address nor a name.
    Empty,
    /// Too many bytes.
    TooLong,
    /// Too many addresses.
    TooManyAddresses,
    /// Names and addresses in one value.
    Mixed,
    /// More than one name.
    TwoNames,
    /// More than one `pick=`.
    TwoPicks,
    /// A `pick=` that is no number from 1 to 65535.
    Pick,
    /// Neither an address nor a name.
    Name,
    /// An address at which no machine can be, and why.
    Special(&'static str),
    /// Two zones.
    TwoZones,
    /// A zone that cannot be one.
    Zone,
    /// An address with a port.
    Port,
    /// An address with a prefix length.
    Prefix,
    /// An address with a scope.
    Scope,
    /// An address in brackets.
    Brackets,
}

impl ValueError {
    /// The same without what it quotes.
    #[must_use]
    pub fn problem(&self) -> ValueProblem {
        match self {
            ValueError::Empty => ValueProblem::Empty,
            ValueError::TooLong => ValueProblem::TooLong,
            ValueError::TooManyAddresses => ValueProblem::TooManyAddresses,
            ValueError::Mixed => ValueProblem::Mixed,
            ValueError::TwoNames => ValueProblem::TwoNames,
            ValueError::TwoPicks => ValueProblem::TwoPicks,
            ValueError::Pick(_) => ValueProblem::Pick,
            ValueError::TwoZones => ValueProblem::TwoZones,
            ValueError::Zone(_) => ValueProblem::Zone,
            ValueError::Name(..) => ValueProblem::Name,
            ValueError::Special(_, why) => ValueProblem::Special(why),
            ValueError::Port(_) => ValueProblem::Port,
            ValueError::Prefix(_) => ValueProblem::Prefix,
            ValueError::Scope(_) => ValueProblem::Scope,
            ValueError::Brackets(_) => ValueProblem::Brackets,
        }
    }
}

impl fmt::Display for ValueProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueProblem::TooLong => write!(f, "the value is longer than {MAX_VALUE} bytes"),
            ValueProblem::TooManyAddresses => {
                write!(f, "the value holds more than {MAX_ADDRESSES} addresses")
            }
            ValueProblem::Special(why) => write!(f, "the value holds an address that {why}"),
            problem => f.write_str(problem.text()),
        }
    }
}

impl ValueProblem {
    fn text(self) -> &'static str {
        match self {
            ValueProblem::Empty => {
                "the value holds neither an address nor a name; to remove a role, HDEL its field"
            }
            ValueProblem::Mixed => {
                "the value mixes a name with addresses; a role either points at one name or is \
                 at addresses"
            }
            ValueProblem::TwoNames => {
                "the value holds two names; a role can point at one only (for several machines \
                 write their addresses, or use members)"
            }
            ValueProblem::TwoPicks => "pick= is given twice",
            ValueProblem::Pick => "pick needs a whole number from 1 to 65535",
            ValueProblem::TwoZones => "zone= is given twice",
            ValueProblem::Zone => "what zone= says is no name of a zone",
            ValueProblem::Name => "the value holds what is neither an address nor a name",
            ValueProblem::Port => "the value holds a port; names stand for addresses only",
            ValueProblem::Prefix => {
                "the value holds a network; write the machine's address without the prefix"
            }
            ValueProblem::Scope => {
                "the value holds an address with a scope, which means something on one machine only"
            }
            ValueProblem::Brackets => {
                "the value holds an address in brackets; write it without them"
            }
            // These have a number or a reason in them.
            ValueProblem::TooLong | ValueProblem::TooManyAddresses | ValueProblem::Special(_) => {
                "the value can't be used"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::record::Value;

    #[test]
    fn nothing_of_the_value_is_told() {
        for secret in [
            "s3cret!",
            "10.0.0.5:s3cret",
            "10.77.7.7:80",
            "10.77.7.7/24",
            "fe80::7777%s3cret",
            "[10.77.7.7]",
            "10.0.0.5 s3cret",
            "s3cret other",
            "pick=s3cret 10.0.0.5",
            "255.255.255.255",
            "s3cret..x",
        ] {
            let Err(error) = Value::parse(secret.as_bytes()) else {
                continue;
            };
            let told = error.problem().to_string();
            assert!(!told.contains("s3cret") && !told.contains("77"), "{told}");
            assert!(!told.contains("255.255"), "{told}");
            assert_ne!(told, "the value can't be used");
        }
    }
}
