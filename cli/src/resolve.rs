//! `cloudhosts resolve`: asks the table, as the NSS module does.

use std::ffi::CString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use cloudhosts_registry::config::Config;
use cloudhosts_table::client::LAST_GOOD_NAME;
use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Client, Name, Paths, View};
use serde_json::{Value, json};

use crate::outcome::{Failure, Lines, Outcome, Plain, print};
use crate::status::ago;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The name, or the address, to look up
    #[arg(value_name = "NAME|ADDRESS")]
    what: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
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
    let client = Client::new();
    let paths = || paths(config);
    let looked_up = client.with(paths, monotonic(), |view| {
        let answer = match what.parse() {
            Ok(address) => by_address(view, address),
            Err(_) => by_name(view, what),
        };
        (answer, view.generation(), view.published())
    });
    let (answer, generation, published) = looked_up.map_err(|error| {
        Failure::Unreachable(format!(
            "there is no table to ask: {error}; is cloudhosts-cached running? \
             (cloudhosts status)"
        ))
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

/// The daemon's socket and file, by the configuration; the environment's
/// `CLOUDHOSTS_SOCKET` wins, as it does in the module.
pub(crate) fn paths(config: &Config) -> Option<Paths> {
    let socket = std::env::var_os("CLOUDHOSTS_SOCKET").filter(|socket| !socket.is_empty());
    let socket = match socket {
        Some(socket) => socket.into_vec(),
        None => config.socket.as_os_str().as_bytes().into(),
    };
    let last_good = config.state_dir.join(LAST_GOOD_NAME);
    // Asked once in the life of this program.
    let last_good: &'static Path = Box::leak(last_good.into_boxed_path());
    Some(Paths::at(&CString::new(socket).ok()?)?.with_last_good(last_good))
}

fn by_name(view: &View<'_>, name: &str) -> Result<Answer, String> {
    let name = Name::parse(name.as_bytes()).map_err(|error| error.to_string())?;
    let answer = View::lookup(view, &name).ok_or("no such name in the table")?;
    let v4 = answer.v4.iter().map(|v4| Ipv4Addr::from(*v4).into());
    let v6 = answer.v6.iter().map(|v6| Ipv6Addr::from(*v6).into());
    let other = (answer.asked != answer.canonical).then(|| answer.asked.into());
    Ok(Answer {
        name: answer.canonical.into(),
        aliases: other.into_iter().collect(),
        addresses: v4.chain(v6).collect(),
        pick: answer.pick,
    })
}

fn by_address(view: &View<'_>, address: IpAddr) -> Result<Answer, String> {
    let names = view
        .reverse(address)
        .ok_or("no name in the table has this address")?;
    Ok(Answer {
        name: names.canonical().into(),
        aliases: names.aliases().map(Into::into).collect(),
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
    for address in &answer.addresses {
        lines.add("address", address);
    }
    if answer.pick > 0 {
        let pick = answer.pick;
        lines.add(
            "pick",
            format_args!("{pick} of each family, chosen anew each time"),
        );
    }
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
