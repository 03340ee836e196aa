//! Parsing of replies.

use redis::Value;

/// The elements of an array. Empty for anything else.
pub(super) fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        _ => &[],
    }
}

/// The bytes of a string.
pub(super) fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

/// A text. If it is not UTF-8 it is escaped.
pub(super) fn text(value: &Value) -> Option<String> {
    let bytes = bytes(value)?;
    Some(match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.escape_ascii().to_string(),
    })
}

/// A list of texts.
pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(texts) => texts.iter().map(text).collect(),
        _ => None,
    }
}

/// A number that is not negative, in any encoding.
pub(super) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Value::Double(number) if *number >= 0.0 => Some(*number as u64),
        value => std::str::from_utf8(bytes(value)?).ok()?.parse().ok(),
    }
}
