//! An entry of the change log, as a line or a JSON object.

use std::time::{Duration, UNIX_EPOCH};

use cloudhosts_config::printable::Escaped;
use cloudhosts_registry::Field;
use cloudhosts_registry::log::{DropScope, EntryId, LogEntry, Operation};
use serde_json::{Map, Value, json};

/// Most operations that a terminal shows.
const MAX_OPERATIONS: usize = 8;

/// Most bytes of a value that a terminal shows.
const MAX_VALUE: usize = 200;

/// The first moment that RFC 3339 has no year for, in ms since 1970.
const YEAR_10000: u64 = 253_402_300_800_000;

/// Bytes for JSON, which escapes control characters itself: as they are where they are UTF-8,
/// else escaped.
fn utf8_or_escaped(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.escape_ascii().to_string(), str::to_owned)
}

/// The part of an entry that is shown.
#[derive(Debug)]
pub(super) struct EntryView<'e> {
    hash: &'e str,
    entry: &'e LogEntry,
    /// Its operations, or those on one role.
    operations: Vec<&'e Operation>,
}

impl<'e> EntryView<'e> {
    /// The part that concerns a role, if there is any; or everything.
    pub(super) fn of(
        hash: &'e str,
        entry: &'e LogEntry,
        role: Option<&str>,
    ) -> Option<EntryView<'e>> {
        let concerns = |operation: &&Operation| role.is_none_or(|role| concerns(operation, role));
        let operations: Vec<&Operation> = entry.operations.iter().filter(concerns).collect();
        (role.is_none() || !operations.is_empty()).then_some(EntryView {
            hash,
            entry,
            operations,
        })
    }

    /// As a line: when, who, what was done, to what; shortened for a terminal.
    pub(super) fn line(&self, name_hash: bool, terminal: bool) -> String {
        let word = |text: &Option<String>| match text {
            Some(text) => Escaped(text).to_string(),
            None => "-".to_owned(),
        };
        let (by, verb) = (word(&self.entry.by), word(&self.entry.verb));
        let what = self.what(if terminal { MAX_OPERATIONS } else { usize::MAX }, terminal);
        let mut line = format!("{}  {by}  {verb}  {what}", time(self.entry.id));
        if name_hash {
            line.push_str(&format!(" in {}", Escaped(self.hash)));
        }
        line
    }

    /// What was done, with at most so many operations.
    fn what(&self, most: usize, terminal: bool) -> String {
        let (mut set, mut removed) = (Vec::new(), Vec::new());
        let (mut dropped, mut dropped_all, mut reset) = (Vec::new(), false, false);
        for operation in &self.operations {
            match operation {
                Operation::Set { field, value } => {
                    let shown = value.get(..MAX_VALUE).filter(|_| terminal);
                    let cut = if shown.is_some() { "..." } else { "" };
                    let value = shown.unwrap_or(value).escape_ascii();
                    set.push(format!("{} = {value}{cut}", field.escape_ascii()));
                }
                Operation::Delete { field } => removed.push(field.escape_ascii().to_string()),
                Operation::Drop(DropScope::Role(role)) => dropped.push(role.as_str()),
                Operation::Drop(DropScope::All) => dropped_all = true,
                Operation::Reset => reset = true,
            }
        }
        let left = most.saturating_sub(set.len());
        if reset {
            "more fields than the log lists".to_owned()
        } else if !set.is_empty() && !removed.is_empty() {
            let (set, removed) = (listed(&set, most), listed(&removed, left));
            format!("{set} (removed {removed})")
        } else if !set.is_empty() {
            listed(&set, most)
        } else if !removed.is_empty() {
            format!("removed {}", listed(&removed, most))
        } else if dropped_all {
            "nothing that was lost is retained any longer".to_owned()
        } else if !dropped.is_empty() {
            let dropped = listed(&dropped, most);
            format!("nothing that was lost of {dropped} is retained any longer")
        } else {
            "nothing".to_owned()
        }
    }

    /// As a JSON object, complete, as in the man page.
    pub(super) fn json(&self) -> String {
        let (mut set, mut removed) = (Map::new(), Vec::new());
        let (mut dropped, mut reset) = (Vec::new(), false);
        for operation in &self.operations {
            match operation {
                Operation::Set { field, value } => {
                    set.insert(utf8_or_escaped(field), Value::from(utf8_or_escaped(value)));
                }
                Operation::Delete { field } => removed.push(utf8_or_escaped(field)),
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

/// The first of these, at least one, and how many more there are.
fn listed(all: &[impl AsRef<str>], most: usize) -> String {
    let most = most.max(1);
    let words: Vec<&str> = all.iter().map(AsRef::as_ref).collect();
    match words.split_at_checked(most) {
        // A single one is shown rather than counted.
        Some((shown, rest)) if rest.len() > 1 => {
            format!("{} and {} more", shown.join(", "), rest.len())
        }
        _ => words.join(", "),
    }
}

/// The time of an entry, by the clock of Redis; its ID where that is not a time.
fn time(id: EntryId) -> String {
    let time = UNIX_EPOCH.checked_add(Duration::from_millis(id.ms));
    match time.filter(|_| id.ms < YEAR_10000) {
        Some(time) => humantime::format_rfc3339_millis(time).to_string(),
        None => id.to_string(),
    }
}

#[cfg(test)]
mod tests {
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
        let shown = EntryView::of("cloudhosts", &entry, role)?;
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
