//! `cloudhosts resolve`: a lookup in the table, as the NSS module does it.

use std::net::IpAddr;

use cloudhosts_config::Config;
use cloudhosts_config::printable::Escaped;
use cloudhosts_table::{Name, View};
use serde_json::{Value, json};

use super::status::ago;
use crate::completions;
use crate::local_daemon;
use crate::outcome::{Failure, Outcome};
use crate::output::{LabelledLines, print};
use crate::table_roles::{add_addresses, addresses};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts resolve db-master\n  \
    cloudhosts resolve 10.0.0.5 --json")]
pub(crate) struct ResolveArgs {
    /// Name or address to look up
    #[arg(value_name = "NAME|ADDRESS", add = completions::name())]
    what: String,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What is looked up.
enum Query {
    Address(IpAddr),
    Name(Box<Name>),
}

/// The result of a lookup.
struct LookupResult {
    name: String,
    aliases: Vec<String>,
    addresses: Vec<IpAddr>,
    pick: u16,
}

pub(crate) fn run(args: &ResolveArgs, config: &Config) -> Result<Outcome, Failure> {
    let what = args.what.as_str();
    let query = Query::parse(what)?;
    let (answer, generation, published) = local_daemon::table(config, |view| {
        let answer = match &query {
            Query::Address(address) => by_address(view, *address),
            Query::Name(name) => by_name(view, name),
        };
        (answer, view.generation(), view.published())
    })?;
    let found = match answer {
        Ok(found) => found,
        Err(not_found) => {
            eprintln!("cloudhosts: {}: {not_found}", Escaped(what));
            return Ok(Outcome::No);
        }
    };
    if args.json {
        let age = published.elapsed().unwrap_or_default().as_secs_f64();
        print(&format!("{}\n", as_json(&found, generation, age)))?;
    } else {
        let published = ago(published);
        print(&as_lines(&found, generation, &published))?;
    }
    Ok(Outcome::Yes)
}

impl Query {
    /// Parses it.
    ///
    /// # Errors
    /// It is neither a name nor an address.
    fn parse(what: &str) -> Result<Query, Failure> {
        if let Ok(address) = what.parse() {
            return Ok(Query::Address(address));
        }
        let name = Name::parse(what.as_bytes());
        let name = name.map_err(|why| Failure::Usage(format!("{}: {why}", Escaped(what))))?;
        Ok(Query::Name(Box::new(name)))
    }
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum NotFound {
    #[error("no such name in the table")]
    Name,
    #[error("no name in the table has this address")]
    Address,
}

fn by_name(view: &View<'_>, name: &Name) -> Result<LookupResult, NotFound> {
    let answer = View::lookup(view, name).ok_or(NotFound::Name)?;
    let canonical = answer.canonical().as_str().to_owned();
    let asked = String::from_utf8_lossy(answer.asked());
    let other = (asked != canonical).then(|| asked.into_owned());
    Ok(LookupResult {
        name: canonical,
        aliases: other.into_iter().collect(),
        addresses: addresses(&answer),
        pick: answer.pick(),
    })
}

fn by_address(view: &View<'_>, address: IpAddr) -> Result<LookupResult, NotFound> {
    let names = view.reverse(address).ok_or(NotFound::Address)?;
    Ok(LookupResult {
        name: names.canonical().into(),
        aliases: names.aliases().map(|name| name.to_string()).collect(),
        addresses: vec![address],
        pick: 0,
    })
}

fn as_lines(found: &LookupResult, generation: u64, published: &str) -> String {
    let mut lines = LabelledLines::default();
    lines.add("name", &found.name);
    for alias in &found.aliases {
        lines.add("alias", alias);
    }
    add_addresses(&mut lines, &found.addresses, found.pick);
    lines.add(
        "generation",
        format_args!("{generation}, published {published}"),
    );
    lines.0
}

fn as_json(found: &LookupResult, generation: u64, age: f64) -> Value {
    json!({
        "name": found.name,
        "aliases": found.aliases,
        "addresses": found.addresses,
        "pick": found.pick,
        "generation": generation,
        "age_s": age,
    })
}
