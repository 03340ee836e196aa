//! Who holds which roles, according to Redis: since when, until when, in which term.

use std::time::SystemTime;

use cloudhosts_config::Config;
use cloudhosts_config::printable::Escaped;
use cloudhosts_registry::register::{Holding, Role, holdings};
use serde_json::{Value, json};

use crate::outcome::Failure;
use crate::output::LabelledLines;
use crate::runtime::block_on;

/// The holders of these roles, or of all.
///
/// # Errors
/// Redis can't be reached, or refuses.
pub(super) fn read(config: &Config, roles: Option<&[Role]>) -> Result<Vec<Holding>, Failure> {
    block_on(async {
        let all = holdings(config.clone(), roles).await;
        all.map_err(|trouble| Failure::Unreachable(trouble.to_string()))
    })
}

/// Adds a line for each, or why they are not known.
pub(super) fn add_to(lines: &mut LabelledLines, held: &Result<Vec<Holding>, Failure>) {
    match held {
        Ok(all) => {
            for one in all {
                lines.add("held by", line(one));
            }
        }
        Err(failure) => lines.add("held by", format_args!("not known: {}", reason(failure))),
    }
}

fn line(one: &Holding) -> String {
    let [field, state, value, by, since, until, term, hash] = cells(one);
    let until = match until.as_str() {
        "" => ", until somebody holds the role".to_owned(),
        until => format!(", until {until}"),
    };
    let term = match term.as_str() {
        "" => String::new(),
        term => format!(", term {term}"),
    };
    format!("{field} in {hash} ({state}): {value}, by {by}, since {since}{until}{term}")
}

/// The titles of the columns of [`cells`].
pub(super) const TITLES: [&str; 8] = [
    "MEMBER", "STATE", "VALUE", "BY", "SINCE", "UNTIL", "TERM", "HASH",
];

/// A holder, in columns, escaped.
pub(super) fn cells(one: &Holding) -> [String; 8] {
    [
        one.field.clone(),
        one.state.name().to_owned(),
        one.value.clone(),
        one.by.clone(),
        time(one.since),
        one.until.map(time).unwrap_or_default(),
        one.term.map(|term| term.to_string()).unwrap_or_default(),
        one.hash.clone(),
    ]
    .map(|text| Escaped(&text).to_string())
}

/// The holders in JSON, as in the man page.
pub(super) fn as_json(all: &[Holding]) -> Value {
    let all = all.iter().map(|one| {
        json!({
            "hash": one.hash,
            "field": one.field,
            "state": one.state.name(),
            "value": one.value,
            "by": one.by,
            "since": time(one.since),
            "until": one.until.map(time),
            "term": one.term,
        })
    });
    all.collect()
}

/// Adds them to an object, or why they are not known.
pub(super) fn add_to_json(object: &mut Value, held: &Result<Vec<Holding>, Failure>) {
    if let Some(object) = object.as_object_mut() {
        let held = held.as_ref();
        object.insert("held".into(), held.ok().map(|all| as_json(all)).into());
        object.insert("held_unknown".into(), held.err().map(reason).into());
    }
}

/// Why the holders are not known.
fn reason(failure: &Failure) -> String {
    Escaped(&failure.to_string()).to_string()
}

fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
