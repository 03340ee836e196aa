//! `cloudhosts lint`: the fields in Redis that can't be used, and commands that fix them.

use cloudhosts_config::Config;
use cloudhosts_config::printable::Escaped;
use cloudhosts_config::status::{Effect, RejectedCode, RejectedField, Status};
use cloudhosts_registry::{read_values, record};
use cloudhosts_table::EntrySource;
use serde_json::{Value, json};

use super::fix_command;
use crate::local_daemon;
use crate::outcome::{Failure, Outcome};
use crate::output::print;
use crate::table_roles;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts lint\n  \
    cloudhosts lint --json | jq -r '.fields[].mend'")]
pub(crate) struct LintArgs {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// A rejected field, with what the status does not say.
struct LintedField<'s> {
    field: &'s RejectedField,
    /// What is wrong with it, by its value where that can be read.
    reason: String,
    /// The command that fixes it.
    mend: String,
}

pub(crate) fn run(args: &LintArgs, config: &Config) -> Result<Outcome, Failure> {
    let (_, status) = local_daemon::status(config)?;
    let values = values(&status, config);
    let connected = status.redis.as_ref().map(|redis| redis.endpoint.as_str());
    let endpoint = fix_command::endpoint(connected, config);
    let fields = status.rejected.fields.iter().zip(values);
    let fields: Vec<LintedField<'_>> = fields
        .map(|(field, value)| {
            let good = last_good(field, config);
            LintedField {
                field,
                reason: reason(field, value.as_deref()),
                mend: fix_command::line(field, value.as_deref(), good.as_deref(), &endpoint),
            }
        })
        .collect();
    let count = status.rejected.count;
    let text = if args.json {
        format!("{}\n", as_json(count, &fields))
    } else {
        as_lines(count, &fields)
    };
    print(&text)?;
    if super::status::gone(config).is_some() {
        eprintln!("cloudhosts: the daemon is not running; this is its last status");
    }
    if count == 0 {
        Ok(Outcome::Yes)
    } else {
        Ok(Outcome::No)
    }
}

/// The values of the fields in Redis, which the status does not have. Reports that they
/// can't be read.
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
            "cloudhosts: can't read Redis, so the commands don't correct the values: {}",
            Escaped(&why.to_string())
        );
        unknown()
    })
}

/// What is wrong with a field, in detail where its value is known.
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
    let found = local_daemon::table(config, |view| {
        let hash = view.hashes().iter().position(|key| *key == field.hash)?;
        let role = table_roles::one(*view, &role)?;
        let mut fields = role.fields.iter();
        let same =
            |source: &&EntrySource| source.hash == hash && source.member.as_deref() == member;
        fields.find(same).map(table_roles::value)
    });
    found.ok().flatten()
}

fn as_lines(count: usize, fields: &[LintedField<'_>]) -> String {
    let mut text = String::new();
    for looked in fields {
        text.push_str(&format!(
            "{} in {}: {} ({})\n    {}\n",
            Escaped(&looked.field.field),
            Escaped(&looked.field.hash),
            Escaped(&looked.reason),
            looked.field.effect,
            Escaped(&looked.mend)
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

fn as_json(count: usize, fields: &[LintedField<'_>]) -> Value {
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
