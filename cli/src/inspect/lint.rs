//! `cloudhosts lint`: what in Redis can't be used, and how to mend it.

use cloudhosts_config::Config;
use cloudhosts_config::status::{Effect, RejectedCode, RejectedField, Status};
use cloudhosts_registry::{read_values, record};
use cloudhosts_table::EntrySource;
use serde_json::{Value, json};

use super::{mending, roles};
use crate::local;
use crate::outcome::{Failure, Outcome, Plain, print};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts lint\n  \
    cloudhosts lint --json | jq -r '.fields[].mend'")]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A field, and what is known of it beyond the status.
struct Looked<'s> {
    field: &'s RejectedField,
    /// What is wrong with it, with its value where that can be read.
    reason: String,
    /// The line that mends it.
    mend: String,
}

pub(crate) fn run(arguments: &Arguments, config: &Config) -> Result<Outcome, Failure> {
    let (_, status) = local::status(config)?;
    let values = values(&status, config);
    let connected = status.redis.as_ref().map(|redis| redis.endpoint.as_str());
    let endpoint = mending::endpoint(connected, config);
    let fields = status.rejected.fields.iter().zip(values);
    let fields: Vec<Looked<'_>> = fields
        .map(|(field, value)| {
            let good = last_good(field, config);
            Looked {
                field,
                reason: reason(field, value.as_deref()),
                mend: mending::line(field, value.as_deref(), good.as_deref(), &endpoint),
            }
        })
        .collect();
    let count = status.rejected.count;
    let text = if arguments.json {
        format!("{}\n", as_json(count, &fields))
    } else {
        as_lines(count, &fields)
    };
    print(&text)?;
    if super::status::gone(config).is_some() {
        eprintln!("cloudhosts: the daemon does not run; this is what it said last");
    }
    if count == 0 {
        Ok(Outcome::Yes)
    } else {
        Ok(Outcome::No)
    }
}

/// The values of the fields in Redis, which the status does not tell. Whoever may
/// not read them is told so.
fn values(status: &Status, config: &Config) -> Vec<Option<Vec<u8>>> {
    let fields = &status.rejected.fields;
    let of_value = |field: &&RejectedField| {
        matches!(field.code, RejectedCode::Value | RejectedCode::Attribute)
    };
    let unknown = || vec![None; fields.len()];
    if !fields.iter().any(|field| of_value(&field)) {
        return unknown();
    }
    let wanted = fields.iter().map(|field| {
        let name = field.name().filter(|_| of_value(&field));
        name.map(|name| (field.hash.clone(), name))
    });
    read_values(config, &wanted.collect::<Vec<_>>()).unwrap_or_else(|why| {
        eprintln!(
            "cloudhosts: can't read Redis, so the lines don't say what was meant: {}",
            Plain(&why.to_string())
        );
        unknown()
    })
}

/// What is wrong with a field: more exactly where its value is known.
fn reason(field: &RejectedField, value: Option<&[u8]>) -> String {
    let error = value.and_then(|value| record::Value::parse(value).err());
    error.map_or_else(|| field.reason.clone(), |error| error.to_string())
}

/// The value that is used in place of a bad one.
fn last_good(field: &RejectedField, config: &Config) -> Option<String> {
    if field.effect != Effect::Retained {
        return None;
    }
    let name = field.name()?;
    let parsed = cloudhosts_registry::Field::parse(&name).ok()?;
    let (role, member) = (parsed.role.to_string(), parsed.member);
    let found = local::table(config, |view| {
        let hash = view.hashes().iter().position(|key| *key == field.hash)?;
        let role = roles::one(*view, &role)?;
        let mut fields = role.fields.iter();
        let same =
            |source: &&EntrySource| source.hash == hash && source.member.as_deref() == member;
        fields.find(same).map(roles::value)
    });
    found.ok().flatten()
}

fn as_lines(count: usize, fields: &[Looked<'_>]) -> String {
    let mut text = String::new();
    for looked in fields {
        text.push_str(&format!(
            "{} in {}: {} ({})\n    {}\n",
            Plain(&looked.field.field),
            Plain(&looked.field.hash),
            Plain(&looked.reason),
            looked.field.effect,
            Plain(&looked.mend)
        ));
    }
    match count.saturating_sub(fields.len()) {
        0 => {}
        more => text.push_str(&format!(
            "and {more} more; the daemon names the first 100\n"
        )),
    }
    text
}

fn as_json(count: usize, fields: &[Looked<'_>]) -> Value {
    let fields = fields.iter().map(|looked| {
        json!({
            "hash": looked.field.hash,
            "field": looked.field.field,
            "raw": looked.field.raw,
            "length": looked.field.length,
            "code": looked.field.code,
            "reason": looked.reason,
            "effect": looked.field.effect,
            "mend": looked.mend,
        })
    });
    json!({ "count": count, "fields": fields.collect::<Vec<Value>>() })
}
