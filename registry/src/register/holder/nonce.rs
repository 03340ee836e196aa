//! The number that identifies a holder.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::register::script::nonce;

/// How many digits it has.
const DIGITS: usize = 16;

/// Identifies a holder: 16 lower-case hexadecimal digits. A lease belongs to the holder with its nonce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct HolderNonce(String);

impl HolderNonce {
    /// One for a new holder.
    #[must_use]
    pub fn random() -> HolderNonce {
        HolderNonce(nonce())
    }

    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HolderNonce {
    type Error = HolderNonceError;

    fn try_from(text: String) -> Result<HolderNonce, HolderNonceError> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == DIGITS && text.bytes().all(digit) {
            Ok(HolderNonce(text))
        } else {
            Err(HolderNonceError)
        }
    }
}

impl fmt::Display for HolderNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not the nonce of a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a nonce is {DIGITS} hexadecimal digits in lower case")]
pub struct HolderNonceError;
