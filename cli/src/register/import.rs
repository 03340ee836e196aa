//! `cloudhosts import`: the lines of a hosts(5) file, all or none.

use std::io::{IsTerminal, Read, stderr, stdin};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloudhosts_registry::register::{Import, Registrar};
use serde_json::json;

use super::{Setting, block_on, hosts, wait};
use crate::outcome::{Failure, Outcome, Plain, print};

/// What takes longer shows how far it is.
const QUICK: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Remove everything else from the hash
    #[arg(long)]
    replace: bool,
    /// With --replace: remove everything if there is no line to import
    #[arg(long, requires = "replace")]
    allow_empty: bool,
    /// Print the Redis commands and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Return when the daemon of this machine has published the change [default: 10s]
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "10s",
        value_parser = humantime::parse_duration,
        conflicts_with = "dry_run"
    )]
    wait: Option<Duration>,
    /// Print one JSON object
    #[arg(long, conflicts_with = "dry_run")]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, setting: &Setting) -> Result<Outcome, Failure> {
    let hashes = setting.hashes()?;
    let [hash] = hashes.as_slice() else {
        return Err(Failure::Usage(
            "one hash can be imported into: pass one --hash".into(),
        ));
    };
    let (shown, text) = arguments.read()?;
    let hosts::Hosts { roles, skipped } = hosts::parse(&shown, &text).map_err(Failure::Usage)?;
    if roles.is_empty() && arguments.replace && !arguments.allow_empty {
        return Err(Failure::Usage(format!(
            "{}: there is no line to import, and --replace would empty {}; pass --allow-empty if \
             that is meant",
            Plain(&shown),
            Plain(hash)
        )));
    }
    let import = Import {
        hash: hash.clone(),
        roles,
        replace: arguments.replace,
    };
    if arguments.dry_run {
        print(&(import.spelled().join("\n") + "\n"))?;
        return Ok(Outcome::Yes);
    }
    block_on(async {
        let mut registrar = Registrar::new(Arc::new(setting.config.clone()));
        let mut progress = Progress::new(import.roles.len());
        let done = import.run(&mut registrar, |sent| progress.at(sent)).await;
        progress.end();
        done.map_err(Failure::from)
    })?;
    let names = import.roles.len();
    if !arguments.json {
        let counted = |count: usize, what: &str| match count {
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        };
        print(&format!(
            "imported {} of {} into {}{}, {} about this machine alone skipped\n",
            counted(names, "name"),
            Plain(&shown),
            Plain(hash),
            if import.replace {
                " in place of all that was there"
            } else {
                ""
            },
            counted(skipped, "line"),
        ))?;
    }
    let waited = arguments.wait.map(|patience| {
        wait::until_published(&wait::of_import(&import), patience, &setting.config)
    });
    if arguments.json {
        let published = waited.as_ref().map(|it| matches!(it, Ok(Outcome::Yes)));
        let object = json!({
            "verb": "import",
            "hash": hash,
            "names": names,
            "skipped": skipped,
            "replaced": import.replace,
            "published": published,
        });
        print(&format!("{object}\n"))?;
    }
    waited.unwrap_or(Ok(Outcome::Yes))
}

impl Arguments {
    /// The input, and what it is called.
    fn read(&self) -> Result<(String, Vec<u8>), Failure> {
        if self.file.as_os_str() == "-" {
            let mut text = Vec::new();
            return match stdin().lock().read_to_end(&mut text) {
                Ok(_) => Ok(("standard input".into(), text)),
                Err(error) => Err(Failure::Usage(format!(
                    "can't read standard input: {error}"
                ))),
            };
        }
        let shown = self.file.display().to_string();
        match std::fs::read(&self.file) {
            Ok(text) => Ok((shown, text)),
            Err(error) => Err(Failure::Usage(format!(
                "can't read {}: {error}",
                Plain(&shown)
            ))),
        }
    }
}

/// How far it is, for people who wait.
struct Progress {
    all: usize,
    start: Instant,
    terminal: bool,
    shown: bool,
}

impl Progress {
    fn new(all: usize) -> Progress {
        Progress {
            all,
            start: Instant::now(),
            terminal: stderr().is_terminal(),
            shown: false,
        }
    }

    fn at(&mut self, sent: usize) {
        if self.terminal && self.start.elapsed() > QUICK {
            self.shown = true;
            eprint!("\rcloudhosts: {sent} of {} names sent", self.all);
        }
    }

    fn end(&self) {
        if self.shown {
            eprintln!();
        }
    }
}
