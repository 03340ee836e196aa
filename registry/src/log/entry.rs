//! One entry of the log.

use redis::Value;

use super::{DropScope, EntryId, Operation, Position};
use crate::record::Field;
use crate::reply::{bytes, items};

/// The longest `.nonce`, `.verb`, `.by` or `.tx` that is read, in bytes. They are stored in the state
/// of the daemon and shown to people.
const MAX_TEXT: usize = 256;

/// One entry of the change log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its ID, which includes the time.
    pub id: EntryId,
    /// A random number. Empty if it has none.
    pub nonce: String,
    /// What was done, as `claim`.
    pub verb: Option<String>,
    /// Who did it, as `alice@web-1`.
    pub by: Option<String>,
    /// How many fields the hash had afterwards.
    pub len: Option<u64>,
    /// A number that is the same in all logs to which one change was written.
    pub tx: Option<String>,
    /// What it did, in the order of application.
    pub operations: Vec<Operation>,
}

impl LogEntry {
    /// Reads the reply to XRANGE or XREVRANGE, in RESP2 or RESP3. What is not an entry is skipped.
    #[must_use]
    pub fn list(answer: &Value) -> Vec<LogEntry> {
        items(answer).iter().filter_map(LogEntry::parse).collect()
    }

    /// Reads one element of such a reply: the ID, and a flat list of fields and values. None if it has
    /// no ID. Invalid parts of the entry are skipped.
    #[must_use]
    pub fn parse(element: &Value) -> Option<LogEntry> {
        let [id, fields] = items(element) else {
            return None;
        };
        let id = std::str::from_utf8(bytes(id)?).ok()?.parse().ok()?;
        let mut entry = LogEntry {
            id,
            nonce: String::new(),
            verb: None,
            by: None,
            len: None,
            tx: None,
            operations: Vec::new(),
        };
        match fields {
            Value::Map(pairs) => {
                for (field, value) in pairs {
                    entry.take(field, value);
                }
            }
            flat => {
                for pair in items(flat).chunks_exact(2) {
                    if let [field, value] = pair {
                        entry.take(field, value);
                    }
                }
            }
        }
        Some(entry)
    }

    /// The position of a reader after this entry.
    #[must_use]
    pub fn position(&self) -> Position {
        Position {
            id: self.id,
            nonce: self.nonce.clone(),
        }
    }

    fn take(&mut self, field: &Value, value: &Value) {
        let (Some(field), Some(value)) = (bytes(field), bytes(value)) else {
            return;
        };
        match (field, field.split_first()) {
            (_, Some((b'+', field))) => self.operations.push(Operation::Set {
                field: field.to_vec(),
                value: value.to_vec(),
            }),
            (_, Some((b'-', field))) => self.operations.push(Operation::Delete {
                field: field.to_vec(),
            }),
            (b".drop", _) => self
                .operations
                .extend(drop_scope(value).map(Operation::Drop)),
            (b".reset", _) => self.operations.push(Operation::Reset),
            (b".nonce", _) => self.nonce = text(value).unwrap_or_default(),
            (b".verb", _) => self.verb = text(value),
            (b".by", _) => self.by = text(value),
            (b".tx", _) => self.tx = text(value),
            (b".len", _) => self.len = text(value).and_then(|digits| digits.parse().ok()),
            _ => {}
        }
    }
}

fn drop_scope(value: &[u8]) -> Option<DropScope> {
    if value == b"*" {
        return Some(DropScope::All);
    }
    let Field { role, member } = Field::parse(value).ok()?;
    member.is_none().then(|| DropScope::Role(role.to_string()))
}

fn text(value: &[u8]) -> Option<String> {
    if value.len() > MAX_TEXT {
        return None;
    }
    Some(String::from_utf8_lossy(value).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bulk(text: impl AsRef<[u8]>) -> Value {
        Value::BulkString(text.as_ref().to_vec())
    }

    fn element(id: &str, pairs: &[(&[u8], &[u8])]) -> Value {
        let fields = pairs
            .iter()
            .flat_map(|&(field, value)| [bulk(field), bulk(value)]);
        Value::Array(vec![bulk(id), Value::Array(fields.collect())])
    }

    const ALL: [(&[u8], &[u8]); 12] = [
        (b".verb", b"claim"),
        (b".by", b"alice@web-1"),
        (b".nonce", b"0123456789abcdef"),
        (b".len", b"7"),
        (b".tx", b"fedcba9876543210"),
        (b".drop", b"DB-Master."),
        (b".drop", b"*"),
        (b".reset", b""),
        (b"-web/i-1", b""),
        (b"+web", b"10.0.0.5 pick=1"),
        (b".later", b"x"),
        (b"web", b"10.0.0.6"),
    ];

    fn expected() -> LogEntry {
        LogEntry {
            id: "5-1".parse().unwrap(),
            nonce: "0123456789abcdef".into(),
            verb: Some("claim".into()),
            by: Some("alice@web-1".into()),
            len: Some(7),
            tx: Some("fedcba9876543210".into()),
            operations: vec![
                Operation::Drop(DropScope::Role("db-master".into())),
                Operation::Drop(DropScope::All),
                Operation::Reset,
                Operation::Delete {
                    field: b"web/i-1".to_vec(),
                },
                Operation::Set {
                    field: b"web".to_vec(),
                    value: b"10.0.0.5 pick=1".to_vec(),
                },
            ],
        }
    }

    #[test]
    fn every_field_is_read_in_every_form_of_the_protocol() {
        let flat = element("5-1", &ALL);
        assert_eq!(LogEntry::parse(&flat), Some(expected()));
        let pairs = ALL.map(|(field, value)| (bulk(field), bulk(value)));
        let map = Value::Array(vec![
            Value::SimpleString("5-1".into()),
            Value::Map(pairs.into()),
        ]);
        assert_eq!(LogEntry::parse(&map), Some(expected()));
        let answer = Value::Attribute {
            data: Box::new(Value::Array(vec![flat, map])),
            attributes: Vec::new(),
        };
        assert_eq!(LogEntry::list(&answer), [expected(), expected()]);
        assert_eq!(expected().position().nonce, "0123456789abcdef");
    }

    #[test]
    fn a_users_entry_needs_no_more_than_an_operation() {
        let entry = LogEntry::parse(&element("5-0", &[(b"+web", b"10.0.0.5")])).unwrap();
        assert_eq!(
            (entry.nonce.as_str(), entry.len, entry.verb),
            ("", None, None)
        );
        assert_eq!(entry.operations.len(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_skipped() {
        let long = [b'x'; MAX_TEXT + 1];
        let entry = LogEntry::parse(&element(
            "5-0",
            &[
                (b"", b""),
                (b".", b""),
                (b".len", b"-1"),
                (b".len", b"99999999999999999999"),
                (b".by", b"\xff"),
                (b".verb", &long),
                (b".drop", b"not a role"),
                (b".drop", b"web/i-1"),
                (b".drop", b"\xff"),
                (b"-\xff\x00", b""),
            ],
        ))
        .unwrap();
        assert_eq!((entry.len, &entry.verb), (None, &None));
        assert_eq!(entry.by.as_deref(), Some("\u{fffd}"));
        assert_eq!(
            entry.operations,
            [Operation::Delete {
                field: b"\xff\0".to_vec()
            }]
        );
        for junk in [
            Value::Nil,
            Value::Array(vec![]),
            Value::Array(vec![bulk("5-0")]),
            Value::Array(vec![bulk("x"), Value::Array(vec![])]),
            Value::Array(vec![Value::Int(5), Value::Array(vec![])]),
        ] {
            assert_eq!(LogEntry::parse(&junk), None, "{junk:?}");
        }
        // XREADGROUP gives the fields of a deleted entry as nil.
        let bare = LogEntry::parse(&Value::Array(vec![bulk("5-0"), Value::Nil])).unwrap();
        assert!(bare.operations.is_empty());
        let odd = Value::Array(vec![bulk("+a"), bulk("1"), bulk("+b")]);
        let odd = LogEntry::parse(&Value::Array(vec![bulk("5-0"), odd])).unwrap();
        assert_eq!(odd.operations.len(), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(pairs in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..20), prop::collection::vec(any::<u8>(), 0..20)),
            0..20,
        )) {
            let pairs: Vec<(&[u8], &[u8])> =
                pairs.iter().map(|(field, value)| (&field[..], &value[..])).collect();
            let entry = LogEntry::parse(&element("1-0", &pairs)).unwrap();
            prop_assert!(entry.operations.len() <= pairs.len());
        }
    }
}
