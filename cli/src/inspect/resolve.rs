//! `cloudhosts resolve`: asks the table, as the NSS module does.

use std::net::IpAddr;

use cloudhosts_config::Config;
use cloudhosts_table::{Name, View};
use serde_json::{Value, json};

use super::roles::{add_addresses, addresses};
use super::status::ago;
use crate::completions;
use crate::local;
use crate::outcome::{Failure, Lines, Outcome, Plain, print};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts resolve db-master\n  \
    cloudhosts resolve 10.0.0.5 --json")]
pub(crate) struct Arguments {
    /// The name, or the address, to look up
    #[arg(value_name = "NAME|ADDRESS", add = completions::name())]
    what: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What is looked up.
enum Asked {
    Address(IpAddr),
    Name(Box<Name>),
}

/// What the table says.
struct Answer {
    name: String,
    aliases: Vec<String>,
    addresses: Vec<IpAddr>,
    pick: u16,
}

pub(crate) fn run(arguments: &Arguments, config: &Config) -> Result<Outcome, Failure> {
    let what = arguments.what.as_str();
    let asked = Asked::parse(what)?;
    let (answer, generation, published) = local::table(config, |view| {
        let answer = match &asked {
            Asked::Address(address) => by_address(view, *address),
            Asked::Name(name) => by_name(view, name),
        };
        (answer, view.generation(), view.published())
    })?;
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => {
            eprintln!("cloudhosts: {}: {why}", Plain(what));
            return Ok(Outcome::No);
        }
    };
    if arguments.json {
        let age = published.elapsed().unwrap_or_default().as_secs_f64();
        print(&format!("{}\n", as_json(&answer, generation, age)))?;
    } else {
        let published = ago(published);
        print(&as_lines(&answer, generation, &published))?;
    }
    Ok(Outcome::Yes)
}

impl Asked {
    /// Reads it.
    ///
    /// # Errors
    /// It is neither; as in `explain`, that is no question.
    fn parse(what: &str) -> Result<Asked, Failure> {
        if let Ok(address) = what.parse() {
            return Ok(Asked::Address(address));
        }
        let name = Name::parse(what.as_bytes());
        let name = name.map_err(|why| Failure::Usage(format!("{}: {why}", Plain(what))))?;
        Ok(Asked::Name(Box::new(name)))
    }
}

fn by_name(view: &View<'_>, name: &Name) -> Result<Answer, &'static str> {
    let answer = View::lookup(view, name).ok_or("no such name in the table")?;
    let canonical = answer.canonical().as_ref().to_owned();
    let other = (answer.asked() != canonical).then(|| answer.asked().to_owned());
    Ok(Answer {
        name: canonical,
        aliases: other.into_iter().collect(),
        addresses: addresses(&answer),
        pick: answer.pick(),
    })
}

fn by_address(view: &View<'_>, address: IpAddr) -> Result<Answer, &'static str> {
    let names = view
        .reverse(address)
        .ok_or("no name in the table has this address")?;
    Ok(Answer {
        name: names.canonical().into(),
        aliases: names.aliases().map(|name| name.to_string()).collect(),
        addresses: vec![address],
        pick: 0,
    })
}

fn as_lines(answer: &Answer, generation: u64, published: &str) -> String {
    let mut lines = Lines::default();
    lines.add("name", &answer.name);
    for alias in &answer.aliases {
        lines.add("alias", alias);
    }
    add_addresses(&mut lines, &answer.addresses, answer.pick);
    lines.add(
        "generation",
        format_args!("{generation}, published {published}"),
    );
    lines.0
}

fn as_json(answer: &Answer, generation: u64, age: f64) -> Value {
    json!({
        "name": answer.name,
        "aliases": answer.aliases,
        "addresses": answer.addresses,
        "pick": answer.pick,
        "generation": generation,
        "age_s": age,
    })
}
