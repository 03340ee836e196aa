//! One field of a role, explained.

use std::net::IpAddr;

use cloudhosts_config::printable::Escaped;
use cloudhosts_registry::register::{Holding, HoldingState};
use serde_json::{Value, json};

use crate::outcome::Failure;
use crate::output::LabelledLines;
use crate::table_roles::{self, TableRole};

/// One field of a role.
#[derive(Debug)]
pub(super) struct ExplainedField {
    pub(super) hash: String,
    pub(super) field: String,
    /// Its value in normal form.
    pub(super) value: String,
    /// Its addresses; empty if it is a pointer.
    pub(super) addresses: Vec<IpAddr>,
    /// Redis has lost it.
    pub(super) retained: bool,
    /// An earlier hash has the role.
    pub(super) overruled: bool,
    /// It is left out, because this machine's zone has members.
    pub(super) other_zone: bool,
    /// Whether it is held; none if Redis can't be reached.
    pub(super) held: Option<bool>,
}

/// The fields of a role, those of the deciding hash first.
pub(super) fn fields(role: &TableRole, hashes: &[String]) -> Vec<ExplainedField> {
    let fields = role.fields.iter().map(|source| ExplainedField {
        hash: hashes.get(source.hash).cloned().unwrap_or_default(),
        field: match &source.member {
            Some(member) => format!("{}/{member}", role.name),
            None => role.name.clone(),
        },
        value: table_roles::value(source),
        addresses: table_roles::joint(&source.v4, &source.v6),
        retained: source.retained,
        overruled: source.hash != role.hash(),
        other_zone: false,
        held: None,
    });
    fields.collect()
}

impl ExplainedField {
    /// Sets whether it is held.
    pub(super) fn set_held(&mut self, held: &Result<Vec<Holding>, Failure>) {
        let is_it = |one: &Holding| {
            let holds = matches!(one.state, HoldingState::Member | HoldingState::Holder);
            holds && one.hash == self.hash && one.field == self.field
        };
        self.held = held.as_ref().ok().map(|all| all.iter().any(is_it));
    }

    /// For people.
    pub(super) fn add_to(&self, lines: &mut LabelledLines) {
        let marks: Vec<&str> = [
            (self.overruled, "an earlier hash has the role"),
            (self.other_zone, "this machine's zone has members"),
            (self.retained, "retained: Redis has lost it"),
            (self.held == Some(true), "held"),
        ]
        .into_iter()
        .filter_map(|(is_so, mark)| is_so.then_some(mark))
        .collect();
        let marks = if marks.is_empty() {
            String::new()
        } else {
            format!(" ({})", marks.join("; "))
        };
        let (hash, field, value) = (Escaped(&self.hash), Escaped(&self.field), &self.value);
        lines.add(
            "field",
            format_args!("{field} in {hash} = \"{value}\"{marks}"),
        );
    }

    /// For programs.
    pub(super) fn as_json(&self) -> Value {
        json!({
            "hash": self.hash,
            "field": self.field,
            "value": self.value,
            "retained": self.retained,
            "held": self.held,
            "overruled": self.overruled,
            "other_zone": self.other_zone,
        })
    }
}
