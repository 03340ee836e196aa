//! One entry of the change log, as a line or an object.

use std::time::{Duration, UNIX_EPOCH};

use cloudhosts_registry::Field;
use cloudhosts_registry::log::{DropScope, EntryId, LogEntry, Operation};
use serde_json::{Map, Value, json};

use crate::outcome::Plain;

/// Most operations, and most bytes of a value, that a terminal shows.
const MOST: usize = 8;
const MOST_BYTES: usize = 200;

/// The first moment that RFC 3339 has no year for, in ms since 1970.
const YEAR_10000: u64 = 253_402_300_800_000;

/// What is shown of an entry.
#[derive(Debug)]
pub(super) struct Shown<'e> {
    hash: &'e str,
    entry: &'e LogEntry,
    /// The operations, or those of the role that is asked for.
    operations: Vec<&'e Operation>,
}

impl<'e> Shown<'e> {
    /// What concerns that role, or everything; none if nothing does.
    pub(super) fn of(hash: &'e str, entry: &'e LogEntry, role: Option<&str>) -> Option<Shown<'e>> {
        let concerns = |operation: &&Operation| role.is_none_or(|role| concerns(operation, role));
        let operations: Vec<&Operation> = entry.operations.iter().filter(concerns).collect();
        (role.is_none() || !operations.is_empty()).then_some(Shown {
            hash,
            entry,
            operations,
        })
    }

    /// For people: when, who, what was done, to what; on a terminal shortened.
    pub(super) fn line(&self, name_hash: bool, terminal: bool) -> String {
        let word = |text: &Option<String>| match text {
            Some(text) => Plain(text).to_string(),
            None => "-".to_owned(),
        };
        let (by, verb) = (word(&self.entry.by), word(&self.entry.verb));
        let what = self.what(if terminal { MOST } else { usize::MAX }, terminal);
        let mut line = format!("{}  {by}  {verb}  {what}", time(self.entry.id));
        if name_hash {
            line.push_str(&format!(" in {}", Plain(self.hash)));
        }
        line
    }

    /// What was done, in at most so many operations.
    fn what(&self, most: usize, terminal: bool) -> String {
        let (mut set, mut removed) = (Vec::new(), Vec::new());
        let (mut dropped, mut reset) = (Vec::new(), false);
        for operation in &self.operations {
            match operation {
                Operation::Set { field, value } => {
                    let shown = value.get(..MOST_BYTES).filter(|_| terminal);
                    let cut = if shown.is_some() { "..." } else { "" };
                    let value = shown.unwrap_or(value).escape_ascii();
                    set.push(format!("{} = {value}{cut}", field.escape_ascii()));
                }
                Operation::Delete { field } => removed.push(field.escape_ascii().to_string()),
                Operation::Drop(DropScope::Role(role)) => dropped.push(role.as_str()),
                Operation::Drop(DropScope::All) => dropped.push("*"),
                Operation::Reset => reset = true,
            }
        }
        let left = most.saturating_sub(set.len());
        match (reset, set.is_empty(), removed.is_empty()) {
            (true, ..) => "more fields than the log lists".to_owned(),
            (false, false, true) => listed(&set, most),
            (false, false, false) => {
                format!(
                    "{} (removed {})",
                    listed(&set, most),
                    listed(&removed, left)
                )
            }
            (false, true, false) => format!("removed {}", listed(&removed, most)),
            (false, true, true) if dropped.contains(&"*") => {
                "nothing that was lost is retained any longer".to_owned()
            }
            (false, true, true) if !dropped.is_empty() => {
                format!(
                    "nothing that was lost of {} is retained any longer",
                    listed(&dropped, most)
                )
            }
            (false, true, true) => "nothing".to_owned(),
        }
    }

    /// For scripts: everything, as in the manual page.
    pub(super) fn json(&self) -> String {
        let (mut set, mut removed) = (Map::new(), Vec::new());
        let (mut dropped, mut reset) = (Vec::new(), false);
        for operation in &self.operations {
            match operation {
                Operation::Set { field, value } => {
                    set.insert(text(field), Value::from(text(value)));
                }
                Operation::Delete { field } => removed.push(text(field)),
                Operation::Drop(DropScope::Role(role)) => dropped.push(role.as_str()),
                Operation::Drop(DropScope::All) => dropped.push("*"),
                Operation::Reset => reset = true,
            }
        }
        json!({
            "time": time(self.entry.id),
            "id": self.entry.id.to_string(),
            "hash": self.hash,
            "by": self.entry.by,
            "verb": self.entry.verb,
            "set": set,
            "removed": removed,
            "dropped": dropped,
            "reset": reset,
            "length": self.entry.len,
            "tx": self.entry.tx,
        })
        .to_string()
    }
}

/// Whether an operation is about a role.
fn concerns(operation: &Operation, role: &str) -> bool {
    match operation {
        Operation::Set { field, .. } | Operation::Delete { field } => {
            Field::parse(field).is_ok_and(|field| field.role.to_string() == role)
        }
        Operation::Drop(DropScope::Role(dropped)) => dropped == role,
        Operation::Drop(DropScope::All) | Operation::Reset => true,
    }
}

/// About so many of these, one at least, and how many more there are.
fn listed(all: &[impl AsRef<str>], most: usize) -> String {
    let most = most.max(1);
    let words: Vec<&str> = all.iter().map(AsRef::as_ref).collect();
    match words.split_at_checked(most) {
        // To say that there is one more is no shorter than that one.
        Some((shown, rest)) if rest.len() > 1 => {
            format!("{} and {} more", shown.join(", "), rest.len())
        }
        _ => words.join(", "),
    }
}

/// The bytes of a stranger for JSON, which escapes control characters itself;
/// what is not UTF-8 is escaped.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}

/// When an entry was appended, by the clock of Redis; its id where that is no
/// time.
fn time(id: EntryId) -> String {
    let time = UNIX_EPOCH.checked_add(Duration::from_millis(id.ms));
    match time.filter(|_| id.ms < YEAR_10000) {
        Some(time) => humantime::format_rfc3339_millis(time).to_string(),
        None => id.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn set(field: &str, value: &str) -> Operation {
        Operation::Set {
            field: field.into(),
            value: value.into(),
        }
    }

    fn delete(field: &str) -> Operation {
        Operation::Delete {
            field: field.into(),
        }
    }

    fn entry(operations: Vec<Operation>) -> LogEntry {
        LogEntry {
            id: "1700000000000-0".parse().unwrap(),
            nonce: String::new(),
            verb: Some("claim".into()),
            by: Some("alice@web-1".into()),
            len: Some(7),
            tx: None,
            operations,
        }
    }

    fn line(operations: Vec<Operation>, role: Option<&str>, terminal: bool) -> Option<String> {
        let entry = entry(operations);
        let shown = Shown::of("cloudhosts", &entry, role)?;
        let line = shown.line(false, terminal);
        let what = line.strip_prefix("2023-11-14T22:13:20.000Z  alice@web-1  claim  ");
        Some(what.unwrap().to_owned())
    }

    #[test]
    fn a_line_says_what_was_done() {
        let dropped = |role: &str| Operation::Drop(DropScope::Role(role.into()));
        let claim = vec![
            dropped("db"),
            set("db", "10.0.0.9"),
            delete("db/a"),
            delete("db/b"),
        ];
        for (operations, said) in [
            (claim, "db = 10.0.0.9 (removed db/a, db/b)"),
            (vec![delete("db/a")], "removed db/a"),
            (vec![set("\u{1b}[31m", "\n")], "\\x1b[31m = \\n"),
            (
                vec![dropped("db")],
                "nothing that was lost of db is retained any longer",
            ),
            (vec![Operation::Reset], "more fields than the log lists"),
            (vec![], "nothing"),
        ] {
            assert_eq!(line(operations, None, false).unwrap(), said);
        }
    }

    #[test]
    fn of_a_role_everything_is_shown_and_nothing_else() {
        let operations = || {
            vec![
                set("Web.", "10.0.0.1"),
                set("web/a", "10.0.0.2"),
                set("web2", "10.0.0.3"),
            ]
        };
        assert_eq!(
            line(operations(), Some("web"), false).unwrap(),
            "Web. = 10.0.0.1, web/a = 10.0.0.2"
        );
        assert_eq!(line(operations(), Some("db"), false), None);
        for all in [Operation::Reset, Operation::Drop(DropScope::All)] {
            assert!(line(vec![all], Some("db"), false).is_some());
        }
    }

    #[test]
    fn a_terminal_is_not_flooded() {
        let many: Vec<Operation> = (0..1000).map(|n| delete(&format!("web/{n}"))).collect();
        let said = line(many.clone(), None, true).unwrap();
        assert!(said.ends_with("web/7 and 992 more"), "{said}");
        assert!(line(many, None, false).unwrap().ends_with("web/999"));
        let long = vec![set("web", &"x".repeat(1_000_000))];
        assert!(line(long, None, true).unwrap().len() < 300);
    }

    #[test]
    fn an_id_that_is_no_time_is_shown_as_it_is() {
        assert_eq!(time("18446744073709551615-1".parse().unwrap()).len(), 22);
        assert_eq!(time("1-1".parse().unwrap()), "1970-01-01T00:00:00.001Z");
    }
}
