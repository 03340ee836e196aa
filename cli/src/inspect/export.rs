//! `cloudhosts export`: writes the table to a file, for software that only reads files.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cloudhosts_config::Config;
use cloudhosts_table::View;

use super::formats::Format;
use super::preserved_lines::PreservedLines;
use super::table_watcher::TableWatcher;
use crate::local_daemon;
use crate::outcome::{Failure, Outcome};
use crate::output::print_by;
use crate::replace_file;
use crate::table_roles::SortedRoles;

/// Time between attempts to write a file that could not be written.
const RETRY: Duration = Duration::from_secs(1);

/// How long to sleep at most while nothing changes. Any long time would do.
const MAX_SLEEP: Duration = Duration::from_secs(3600);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts export --format json | jq .roles\n  \
    cloudhosts export --watch --output /srv/app/etc/hosts")]
pub(crate) struct ExportArgs {
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Hosts)]
    format: Format,
    /// Output file, replaced atomically, and only if its content changes [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Keep running, and write the file after each change
    #[arg(long, requires = "output")]
    watch: bool,
    /// Overwrite the file instead of replacing it (a bind-mounted file can't be replaced)
    #[arg(long, requires = "output")]
    in_place: bool,
    /// Keep the lines that name this machine, or the host NAME, as a container runtime writes
    /// them
    #[arg(
        long,
        value_name = "NAME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        requires = "output"
    )]
    keep_own: Option<String>,
    /// Write the file even if no role has an address
    #[arg(long)]
    allow_empty: bool,
}

pub(crate) fn run(args: &ExportArgs, config: &Config) -> Result<Outcome, Failure> {
    if args.keep_own.is_some() && args.format != Format::Hosts {
        return Err(Failure::Usage(
            "--keep-own works with --format hosts only".into(),
        ));
    }
    if args.watch && args.output.is_some() {
        follow(args, config);
    }
    local_daemon::table(config, |view| args.write(*view))??;
    Ok(Outcome::Yes)
}

/// Writes the file after each change. An error is reported once, and the write retried.
fn follow(args: &ExportArgs, config: &Config) -> ! {
    let mut watcher = TableWatcher::new(config);
    let mut told: Option<String> = None;
    let mut tried = Instant::now();
    loop {
        let since = Instant::now();
        if told.is_some() && tried.elapsed() >= RETRY {
            watcher.retry();
        }
        match watcher.poll(|view| args.write(view)) {
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
        watcher.wait(since, if told.is_some() { RETRY } else { MAX_SLEEP });
    }
}

impl ExportArgs {
    /// Writes a table to stdout, or to the file unless its content is the same.
    fn write(&self, view: View<'_>) -> Result<(), Failure> {
        let roles = SortedRoles::of(view, |_| true)?;
        self.refuse_empty(&roles)?;
        let Some(path) = &self.output else {
            return print_by(|out| self.format.write(out, &roles, None));
        };
        let own = self.preserved_lines(path)?;
        let write = |out: &mut dyn Write| self.format.write(out, &roles, own.as_ref());
        if replace_file::has_content(path, write) {
            return Ok(());
        }
        let written = if self.in_place {
            replace_file::overwrite_by(path, write)
        } else {
            replace_file::replace_by(path, write)
        };
        written.map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::ResourceBusy => "; it is a mount point, so use --in-place",
                _ => "",
            };
            Failure::Failed(format!("can't write {}: {error}{hint}", path.display()))
        })
    }

    /// The lines of the file to be preserved.
    fn preserved_lines(&self, path: &Path) -> Result<Option<PreservedLines>, Failure> {
        let Some(host) = &self.keep_own else {
            return Ok(None);
        };
        let own = if host.is_empty() {
            let uname = rustix::system::uname();
            PreservedLines::read(path, &uname.nodename().to_string_lossy())
        } else {
            PreservedLines::read(path, host)
        };
        own.map(Some).map_err(|error| {
            Failure::Failed(format!(
                "can't read {} for the lines that --keep-own keeps: {error}",
                path.display()
            ))
        })
    }

    fn refuse_empty(&self, roles: &SortedRoles<'_>) -> Result<(), Failure> {
        if roles.count_answered() > 0 || self.allow_empty {
            return Ok(());
        }
        let unchanged = match &self.output {
            Some(path) => format!("; {} is left unchanged", path.display()),
            None => String::new(),
        };
        Err(Failure::Failed(format!(
            "no role in the table has an address{unchanged} (--allow-empty writes it anyway)"
        )))
    }
}
