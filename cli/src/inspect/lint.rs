//! `cloudhosts lint`: what in Redis can't be used, and how to mend it.

use cloudhosts_registry::config::Config;
use cloudhosts_registry::status::{RejectedField, Status};
use serde_json::{Value, json};

use super::{mending, roles};
use crate::local;
use crate::outcome::{Failure, Outcome, Plain, print};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, config: &Config) -> Result<Outcome, Failure> {
    let (_, status) = local::status(config)?;
    let mended: Vec<String> = {
        let connected = status.redis.as_ref().map(|redis| redis.endpoint.as_str());
        let endpoint = mending::endpoint(connected, config);
        let lines = status.rejected.fields.iter().map(|field| {
            let good = last_good(field, config);
            mending::line(field, good.as_deref(), &endpoint)
        });
        lines.collect()
    };
    let text = match arguments.json {
        true => format!("{}\n", as_json(&status, &mended)),
        false => as_lines(&status, &mended),
    };
    print(&text)?;
    if super::status::gone(config).is_some() {
        eprintln!("cloudhosts: the daemon does not run; this is what it said last");
    }
    match status.rejected.count {
        0 => Ok(Outcome::Yes),
        _ => Ok(Outcome::No),
    }
}

/// The value that is used in place of a bad one.
fn last_good(field: &RejectedField, config: &Config) -> Option<Vec<u8>> {
    let parsed = cloudhosts_registry::Field::parse(field.field.as_bytes()).ok()?;
    let (role, member) = (parsed.role.to_string(), parsed.member);
    let found = local::table(config, |view| {
        let hash = view.hashes().position(|key| key == field.hash);
        let role = roles::one(*view, &role)?;
        let same = |source: &&cloudhosts_table::Source<'_>| {
            Some(source.hash) == hash && source.member == member
        };
        role.fields
            .iter()
            .find(same)
            .map(|source| source.value.to_vec())
    });
    found.ok().flatten()
}

fn as_lines(status: &Status, mended: &[String]) -> String {
    let mut text = String::new();
    for (field, mended) in status.rejected.fields.iter().zip(mended) {
        text.push_str(&format!(
            "{} in {}: {} ({})\n    {}\n",
            Plain(&field.field),
            Plain(&field.hash),
            Plain(&field.reason),
            field.effect,
            Plain(mended)
        ));
    }
    match status.rejected.count.saturating_sub(mended.len()) {
        0 => {}
        more => text.push_str(&format!(
            "and {more} more; the daemon names the first 100\n"
        )),
    }
    text
}

fn as_json(status: &Status, mended: &[String]) -> Value {
    let fields = status.rejected.fields.iter().zip(mended);
    let fields: Vec<Value> = fields
        .map(|(field, mended)| {
            json!({
                "hash": field.hash,
                "field": field.field,
                "value": field.value,
                "reason": field.reason,
                "effect": field.effect,
                "mend": mended,
            })
        })
        .collect();
    json!({ "count": status.rejected.count, "fields": fields })
}
