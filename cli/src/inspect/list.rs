//! `cloudhosts list`: all roles of the table.

use std::io::{self, IsTerminal};

use cloudhosts_registry::config::Config;
use cloudhosts_table::View;
use serde_json::{Value, json};
use wildmatch::WildMatch;

use super::held;
use super::roles::{self, Role, joined};
use crate::completions;
use crate::local;
use crate::outcome::{Failure, Outcome, Plain, print};

/// What the columns are called on a terminal.
const TITLES: [&str; 5] = ["ROLE", "ADDRESSES", "MEMBERS", "POINTS AT", "HASH"];

/// Most addresses or members of a role that a terminal shows.
const SHOWN: usize = 4;

/// Widest that a column is made for the sake of one long entry.
const WIDEST: usize = 48;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts list 'web*'\n  \
    cloudhosts list --held   # who holds what, until when")]
pub(crate) struct Arguments {
    /// Only roles that match: `*` is any text, `?` any character
    #[arg(value_name = "PATTERN", add = completions::role())]
    pattern: Option<String>,
    /// Who holds them, as Redis has it now: since when, until when, in which term
    #[arg(long)]
    held: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, config: &Config) -> Result<Outcome, Failure> {
    let pattern = pattern(arguments.pattern.as_deref());
    let terminal = io::stdout().is_terminal();
    if arguments.held {
        return list_held(arguments, config, terminal);
    }
    let look = |view: &View<'_>| {
        let hashes = view.hashes();
        let roles = roles::all(*view).filter(|role| pattern.matches(&role.name));
        if arguments.json {
            as_json(view, roles, &hashes)
        } else {
            as_rows(roles, &hashes, terminal)
        }
    };
    let (text, found) = local::table(config, |view| view.settled(|| look(view)))?;
    print(&text)?;
    match (found, &arguments.pattern) {
        (0, Some(pattern)) => {
            eprintln!(
                "cloudhosts: no role in the table matches {}",
                Plain(pattern)
            );
            Ok(Outcome::No)
        }
        _ => Ok(Outcome::Yes),
    }
}

/// Lists who holds them.
fn list_held(arguments: &Arguments, config: &Config, terminal: bool) -> Result<Outcome, Failure> {
    let pattern = pattern(arguments.pattern.as_deref());
    let mut all = held::read(config, None)?;
    all.retain(|one| {
        let role = one.field.split('/').next().unwrap_or_default();
        pattern.matches(role)
    });
    let text = if arguments.json {
        format!("{}\n", json!({ "held": held::as_json(&all) }))
    } else {
        let rows: Vec<_> = all.iter().map(held::cells).collect();
        lined_up(held::TITLES, &rows, terminal)
    };
    print(&text)?;
    match &arguments.pattern {
        Some(pattern) if all.is_empty() => {
            eprintln!("cloudhosts: nobody holds {}", Plain(pattern));
            Ok(Outcome::No)
        }
        _ => Ok(Outcome::Yes),
    }
}

/// What roles, which are in lower case, are matched with.
pub(super) fn pattern(given: Option<&str>) -> WildMatch {
    WildMatch::new(&given.unwrap_or("*").to_ascii_lowercase())
}

fn as_json(
    view: &View<'_>,
    roles: impl Iterator<Item = Role>,
    hashes: &[String],
) -> (String, usize) {
    let roles: Vec<Value> = roles.map(|role| role_json(&role, hashes)).collect();
    let found = roles.len();
    let all = json!({ "generation": view.generation(), "roles": roles });
    (format!("{all}\n"), found)
}

/// One role, as in the manual page.
pub(super) fn role_json(role: &Role, hashes: &[String]) -> Value {
    let answer = role.answer.as_ref();
    json!({
        "role": role.name,
        "addresses": role.addresses(),
        "members": role.members(),
        "points_at": role.pointers(),
        "canonical": role.canonical(),
        "pick": answer.map_or(0, |answer| answer.pick),
        "hash": hashes.get(role.hash()),
        "kept": role.is_kept(),
    })
}

fn as_rows(
    roles: impl Iterator<Item = Role>,
    hashes: &[String],
    terminal: bool,
) -> (String, usize) {
    let most = if terminal { SHOWN } else { usize::MAX };
    let rows: Vec<[String; 5]> = roles
        .map(|role| {
            [
                role.name.clone(),
                few(&role.addresses(), most),
                few(&role.members(), most),
                joined(&role.pointers()),
                hashes.get(role.hash()).cloned().unwrap_or_default(),
            ]
            .map(|text| Plain(&text).to_string())
        })
        .collect();
    (lined_up(TITLES, &rows, terminal), rows.len())
}

/// Rows as a terminal shows them, or as programs read them.
fn lined_up<const N: usize>(titles: [&str; N], rows: &[[String; N]], terminal: bool) -> String {
    if terminal {
        columns(titles, rows)
    } else {
        rows.iter().map(|row| row.join("\t") + "\n").collect()
    }
}

/// The first of them, and how many more there are.
fn few<T: ToString>(all: &[T], most: usize) -> String {
    match all.get(..most) {
        Some(first) if all.len() > most => format!("{} +{}", joined(first), all.len() - most),
        _ => joined(all),
    }
}

fn columns<const N: usize>(titles: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = titles.map(str::len);
    for row in rows {
        for (width, text) in widths.iter_mut().zip(row) {
            *width = (*width).max(text.len().min(WIDEST));
        }
    }
    let line = |cells: [&str; N]| {
        let cells = cells.into_iter().zip(widths);
        let line: String = cells
            .map(|(text, width)| format!("{text:<width$}  "))
            .collect();
        format!("{}\n", line.trim_end())
    };
    let shown = rows.iter().map(|row| {
        let cells = row
            .each_ref()
            .map(|text| if text.is_empty() { "-" } else { text });
        line(cells)
    });
    std::iter::once(line(titles)).chain(shown).collect()
}
