//! `cloudhosts export`: the table as a file, for software that reads nothing else.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cloudhosts_config::Config;
use cloudhosts_table::View;

use super::formats::Format;
use super::newest::Newest;
use super::own_lines::OwnLines;
use super::roles::Sorted;
use crate::local;
use crate::outcome::{Failure, Outcome, print_by};
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
    /// Keep the lines that name this machine, or the host NAME: those that a container's
    /// runtime has written for it
    #[arg(
        long,
        value_name = "NAME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        requires = "output"
    )]
    keep_own: Option<String>,
    /// Write even when no role has an address
    #[arg(long)]
    allow_empty: bool,
}

pub(crate) fn run(arguments: &Arguments, config: &Config) -> Result<Outcome, Failure> {
    if arguments.keep_own.is_some() && arguments.format != Format::Hosts {
        return Err(Failure::Usage(
            "--keep-own is about lines of hosts(5); with another --format leave it out".into(),
        ));
    }
    if arguments.watch && arguments.output.is_some() {
        follow(arguments, config);
    }
    local::table(config, |view| arguments.write(*view))??;
    Ok(Outcome::Yes)
}

/// Writes the file after each change. What goes wrong is said, once for each
/// thing, and tried again.
fn follow(arguments: &Arguments, config: &Config) -> ! {
    let mut newest = Newest::new(config);
    let mut told: Option<String> = None;
    let mut tried = Instant::now();
    loop {
        let since = Instant::now();
        if told.is_some() && tried.elapsed() >= RETRY {
            newest.look_again();
        }
        match newest.look(|view| arguments.write(view)) {
            None => {}
            Some(Ok(())) => told = None,
            Some(Err(failure)) => {
                tried = Instant::now();
                let why = failure.to_string();
                if told.as_ref() != Some(&why) {
                    eprintln!("cloudhosts: {why}");
                }
                told = Some(why);
            }
        }
        newest.wait(since, if told.is_some() { RETRY } else { LONGEST });
    }
}

impl Arguments {
    /// Writes a table to where it goes: into a file only if that does not hold just
    /// this.
    fn write(&self, view: View<'_>) -> Result<(), Failure> {
        let roles = Sorted::of(view, |_| true)?;
        self.refuse_empty(&roles)?;
        let Some(path) = &self.output else {
            return print_by(|out| self.format.write(out, &roles, None));
        };
        let own = self.own_lines(path)?;
        let write = |out: &mut dyn Write| self.format.write(out, &roles, own.as_ref());
        if replace::holds(path, write) {
            return Ok(());
        }
        let written = if self.in_place {
            replace::overwrite_by(path, write)
        } else {
            replace::replace_by(path, write)
        };
        written.map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::ResourceBusy => "; it is mounted there, so use --in-place",
                _ => "",
            };
            Failure::Failed(format!("can't write {}: {error}{hint}", path.display()))
        })
    }

    /// The lines of the file that are to be kept.
    fn own_lines(&self, path: &Path) -> Result<Option<OwnLines>, Failure> {
        let Some(host) = &self.keep_own else {
            return Ok(None);
        };
        let own = if host.is_empty() {
            let uname = rustix::system::uname();
            OwnLines::read(path, &uname.nodename().to_string_lossy())
        } else {
            OwnLines::read(path, host)
        };
        own.map(Some).map_err(|error| {
            Failure::Failed(format!(
                "can't read {}, of which --keep-own is to keep lines: {error}",
                path.display()
            ))
        })
    }

    fn refuse_empty(&self, roles: &Sorted<'_>) -> Result<(), Failure> {
        if roles.count_answered() > 0 || self.allow_empty {
            return Ok(());
        }
        let kept = match &self.output {
            Some(path) => format!("; {} stays as it is", path.display()),
            None => String::new(),
        };
        Err(Failure::Failed(format!(
            "no role in the table has an address{kept} (--allow-empty writes it all the same)"
        )))
    }
}
