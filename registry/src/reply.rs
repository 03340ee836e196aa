//! Parsing of replies.

use redis::Value;

/// The elements of an array, without the attributes that RESP3 may put before it. Empty for anything
/// else.
pub(crate) fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        Value::Attribute { data, .. } => items(data),
        _ => &[],
    }
}

/// The bytes of a string.
pub(crate) fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.as_bytes()),
        _ => None,
    }
}

/// A text. If it is not UTF-8 it is escaped.
pub(crate) fn text(value: &Value) -> Option<String> {
    let bytes = bytes(value)?;
    Some(match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.escape_ascii().to_string(),
    })
}

/// A list of texts.
pub(crate) fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(texts) => texts.iter().map(text).collect(),
        _ => None,
    }
}

/// A number that is not negative, in any encoding.
pub(crate) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Value::Double(number) if *number >= 0.0 => Some(*number as u64),
        value => std::str::from_utf8(bytes(value)?).ok()?.parse().ok(),
    }
}

/// A reply to HSCAN: the next cursor, if the scan goes on, and the strings of this page.
pub(crate) fn hscan_page(reply: &Value) -> (Option<Vec<u8>>, Vec<&[u8]>) {
    let [cursor, page, ..] = items(reply) else {
        return (None, Vec::new());
    };
    let next = bytes(cursor).filter(|cursor| *cursor != b"0");
    let strings = items(page).iter().filter_map(bytes).collect();
    (next.map(<[u8]>::to_vec), strings)
}
