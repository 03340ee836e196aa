//! `cloudhosts list`: the roles of the table.

use std::io::{self, IsTerminal, Write};

use cloudhosts_config::Config;
use cloudhosts_config::printable::Escaped;
use serde_json::{Value, json};
use wildmatch::WildMatch;

use super::holdings;
use crate::completions;
use crate::local_daemon;
use crate::outcome::{Failure, Outcome};
use crate::output::print_by;
use crate::table_roles::{SortedRoles, TableRole, joined};

/// The titles of the columns on a terminal.
const TITLES: [&str; 6] = ["ROLE", "ADDRESSES", "MEMBERS", "POINTS AT", "HASH", "STATE"];

/// Most addresses or members of a role that a terminal shows.
const MAX_SHOWN: usize = 4;

/// Widest that a column gets for a long entry.
const MAX_WIDTH: usize = 48;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts list 'web*'\n  \
    cloudhosts list --held   # who holds what, until when")]
pub(crate) struct ListArgs {
    /// Only roles that match; `*` matches any text, `?` any character
    #[arg(value_name = "PATTERN", add = completions::role())]
    pattern: Option<String>,
    /// List the holders according to Redis: since when, until when, in which term
    #[arg(long)]
    held: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ListArgs, config: &Config) -> Result<Outcome, Failure> {
    let pattern = pattern(args.pattern.as_deref());
    let terminal = io::stdout().is_terminal();
    if args.held {
        return list_held(args, config, terminal);
    }
    let found = local_daemon::table(config, |view| -> Result<usize, Failure> {
        let roles = SortedRoles::of(*view, |role| pattern.matches(role))?;
        print_by(|out| {
            if args.json {
                write_json(out, &roles)
            } else {
                write_rows(out, &roles, terminal)
            }
        })?;
        Ok(roles.count())
    })??;
    match (found, &args.pattern) {
        (0, Some(pattern)) => {
            eprintln!(
                "cloudhosts: no role in the table matches {}",
                Escaped(pattern)
            );
            Ok(Outcome::No)
        }
        _ => Ok(Outcome::Yes),
    }
}

/// Lists the holders.
fn list_held(args: &ListArgs, config: &Config, terminal: bool) -> Result<Outcome, Failure> {
    let pattern = pattern(args.pattern.as_deref());
    let mut all = holdings::read(config, None)?;
    all.retain(|one| {
        let role = one.field.split('/').next().unwrap_or_default();
        pattern.matches(role)
    });
    print_by(|out| {
        if args.json {
            writeln!(out, "{}", json!({ "held": holdings::as_json(&all) }))
        } else {
            write_aligned(
                out,
                holdings::TITLES,
                || all.iter().map(holdings::cells),
                terminal,
            )
        }
    })?;
    match &args.pattern {
        Some(pattern) if all.is_empty() => {
            eprintln!("cloudhosts: nobody holds {}", Escaped(pattern));
            Ok(Outcome::No)
        }
        _ => Ok(Outcome::Yes),
    }
}

/// The pattern that role names, which are in lower case, are matched with.
pub(super) fn pattern(given: Option<&str>) -> WildMatch {
    WildMatch::new(&given.unwrap_or("*").to_ascii_lowercase())
}

fn write_json(out: &mut dyn Write, roles: &SortedRoles<'_>) -> io::Result<()> {
    write!(out, "{{\"generation\":{},\"roles\":", roles.generation())?;
    write_roles(out, roles.iter(), &roles.hashes())?;
    out.write_all(b"}\n")
}

/// Writes a JSON array of roles.
pub(super) fn write_roles(
    out: &mut dyn Write,
    roles: impl Iterator<Item = TableRole>,
    hashes: &[String],
) -> io::Result<()> {
    let mut before = "[";
    for role in roles {
        write!(out, "{before}{}", role_json(&role, hashes))?;
        before = ",";
    }
    match before {
        "[" => out.write_all(b"[]"),
        _ => out.write_all(b"]"),
    }
}

/// A role, as in the man page.
pub(super) fn role_json(role: &TableRole, hashes: &[String]) -> Value {
    let answer = role.answer.as_ref();
    json!({
        "role": role.name,
        "addresses": role.addresses(),
        "members": role.members(),
        "points_at": role.pointers(),
        "canonical": role.canonical(),
        "pick": answer.map_or(0, |answer| answer.pick),
        "hash": hashes.get(role.hash()),
        "retained": role.is_retained(),
    })
}

fn write_rows(out: &mut dyn Write, roles: &SortedRoles<'_>, terminal: bool) -> io::Result<()> {
    let most = if terminal { MAX_SHOWN } else { usize::MAX };
    let hashes = roles.hashes();
    let row = |role: TableRole| {
        [
            role.name.clone(),
            few(&role.addresses(), most),
            few(&role.members(), most),
            joined(&role.pointers()),
            hashes.get(role.hash()).cloned().unwrap_or_default(),
            if role.is_retained() { "retained" } else { "" }.to_owned(),
        ]
        .map(|text| Escaped(&text).to_string())
    };
    write_aligned(out, TITLES, || roles.iter().map(row), terminal)
}

/// Writes rows aligned for a terminal, for which `rows` is iterated twice, or separated by
/// tabs.
fn write_aligned<const N: usize, R: Iterator<Item = [String; N]>>(
    out: &mut dyn Write,
    titles: [&str; N],
    rows: impl Fn() -> R,
    terminal: bool,
) -> io::Result<()> {
    if !terminal {
        return rows().try_for_each(|row| writeln!(out, "{}", row.join("\t")));
    }
    let mut widths = titles.map(str::len);
    for row in rows() {
        for (width, text) in widths.iter_mut().zip(&row) {
            *width = (*width).max(text.len().min(MAX_WIDTH));
        }
    }
    let line = |cells: [&str; N]| {
        let cells = cells.into_iter().zip(widths);
        let line: String = cells
            .map(|(text, width)| format!("{text:<width$}  "))
            .collect();
        line.trim_end().to_owned()
    };
    writeln!(out, "{}", line(titles))?;
    rows().try_for_each(|row| {
        let cells = row.each_ref();
        let cells = cells.map(|text| if text.is_empty() { "-" } else { text });
        writeln!(out, "{}", line(cells))
    })
}

/// The first few, and how many more there are.
fn few<T: ToString>(all: &[T], most: usize) -> String {
    match all.get(..most) {
        Some(first) if all.len() > most => format!("{} +{}", joined(first), all.len() - most),
        _ => joined(all),
    }
}
