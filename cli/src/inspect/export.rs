//! `cloudhosts export`: the table as a file, for software that reads nothing else.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cloudhosts_registry::config::Config;
use cloudhosts_table::View;

use super::formats::{Format, Text};
use super::newest::Newest;
use crate::local;
use crate::outcome::{Failure, Outcome, print};
use crate::replace;

/// How soon to try again to write a file that could not be written.
const RETRY: Duration = Duration::from_secs(1);

/// How long to sleep at most while nothing changes. Nothing depends on it.
const LONGEST: Duration = Duration::from_secs(3600);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts export --format json | jq .roles\n  \
    cloudhosts export --watch --output /srv/app/etc/hosts")]
pub(crate) struct Arguments {
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Hosts)]
    format: Format,
    /// Into this file, replaced at one stroke, and only when something changed
    /// [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Go on, and write the file after each change
    #[arg(long, requires = "output")]
    watch: bool,
    /// Write into the file as it stands (one that is mounted can't be replaced)
    #[arg(long, requires = "output")]
    in_place: bool,
    /// Write even when no role has an address
    #[arg(long)]
    allow_empty: bool,
}

pub(crate) fn run(arguments: &Arguments, config: &Config) -> Result<Outcome, Failure> {
    if arguments.watch
        && let Some(path) = &arguments.output
    {
        follow(arguments, config, path);
    }
    let text = local::table(config, |view| arguments.format.text(*view))?;
    match &arguments.output {
        None => {
            refuse_empty(&text, arguments)?;
            print(&text.text)?;
        }
        Some(path) => write(&text, arguments, path)?,
    }
    Ok(Outcome::Yes)
}

/// Writes the file after each change. What goes wrong is said, once for each
/// thing, and tried again.
fn follow(arguments: &Arguments, config: &Config, path: &Path) -> ! {
    let mut newest = Newest::new(config);
    let mut unwritten: Option<Text> = None;
    let mut tried = Instant::now();
    let mut told = String::new();
    loop {
        let since = Instant::now();
        let newer = newest.look(|view: View<'_>| arguments.format.text(view));
        let again = unwritten.is_some() && tried.elapsed() >= RETRY;
        let news = newer.is_some();
        unwritten = newer.or(unwritten);
        if (news || again)
            && let Some(text) = &unwritten
        {
            tried = Instant::now();
            match write(text, arguments, path) {
                Ok(()) => {
                    told.clear();
                    unwritten = None;
                }
                Err(failure) => {
                    let why = failure.to_string();
                    if why != told {
                        eprintln!("cloudhosts: {why}");
                        told = why;
                    }
                }
            }
        }
        let most = if unwritten.is_some() { RETRY } else { LONGEST };
        newest.wait(since, most);
    }
}

/// Writes the file unless it holds just this.
fn write(text: &Text, arguments: &Arguments, path: &Path) -> Result<(), Failure> {
    refuse_empty(text, arguments)?;
    let bytes = text.text.as_bytes();
    if replace::read(path).is_ok_and(|there| there.as_deref() == Some(bytes)) {
        return Ok(());
    }
    let written = match arguments.in_place {
        true => replace::overwrite(path, bytes),
        false => replace::replace(path, bytes),
    };
    written.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::ResourceBusy => "; it is mounted there, so use --in-place",
            _ => "",
        };
        Failure::Failed(format!("can't write {}: {error}{hint}", path.display()))
    })
}

fn refuse_empty(text: &Text, arguments: &Arguments) -> Result<(), Failure> {
    if text.roles > 0 || arguments.allow_empty {
        return Ok(());
    }
    let kept = match &arguments.output {
        Some(path) => format!("; {} stays as it is", path.display()),
        None => String::new(),
    };
    Err(Failure::Failed(format!(
        "no role in the table has an address{kept} (--allow-empty writes it all the same)"
    )))
}
