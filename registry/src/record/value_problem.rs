//! What is wrong with a value, without quoting it.

use super::ValueError;
use super::value::{MAX_ADDRESSES, MAX_VALUE};

/// What is wrong with a value. Unlike a [`ValueError`] it quotes nothing, so that it can be shown to
/// people who may not read Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueProblem {
    /// Neither an address nor a name.
    #[error("the value holds neither an address nor a name; to remove a role, HDEL its field")]
    Empty,
    /// Too many bytes.
    #[error("the value is longer than {MAX_VALUE} bytes")]
    TooLong,
    /// Too many addresses.
    #[error("the value holds more than {MAX_ADDRESSES} addresses")]
    TooManyAddresses,
    /// Names and addresses in one value.
    #[error(
        "the value mixes a name with addresses; a role either points at one name or is at addresses"
    )]
    Mixed,
    /// More than one name.
    #[error(
        "the value holds two names; a role can point at one only (for several machines write their \
         addresses, or use members)"
    )]
    TwoNames,
    /// More than one `pick=`.
    #[error("pick= is given twice")]
    TwoPicks,
    /// A `pick=` that is no number from 1 to 65535.
    #[error("pick needs a whole number from 1 to 65535")]
    Pick,
    /// Neither an address nor a name.
    #[error("the value holds something that is neither an address nor a name")]
    Name,
    /// An address at which no machine can be, and why.
    #[error("the value holds an address that {0}")]
    Special(&'static str),
    /// Two zones.
    #[error("zone= is given twice")]
    TwoZones,
    /// A zone that cannot be one.
    #[error("zone= is invalid")]
    Zone,
    /// An address with a port.
    #[error("the value holds a port; names stand for addresses only")]
    Port,
    /// An address with a prefix length.
    #[error("the value holds a network; write the machine's address without the prefix")]
    Prefix,
    /// An address with a scope.
    #[error("the value holds an address with a scope, which means something on one machine only")]
    Scope,
    /// An address in brackets.
    #[error("the value holds an address in brackets; write it without them")]
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
        }
    }
}
