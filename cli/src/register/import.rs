//! `cloudhosts import`: the lines of a hosts(5) file, all or none.

use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::path::PathBuf;
use std::sync::Arc;

use cloudhosts_config::Counted;
use cloudhosts_registry::register::{Import, Registrar};
use serde_json::json;

use super::wait::{self, Waited};
use super::{REDIS, Setting, block_on, hosts, perform};
use crate::outcome::{Failure, Outcome, Plain, print, print_by};
use crate::progress::Progress;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts import --dry-run hosts.old\n  \
    psql -Atc 'SELECT record FROM hosts' | cloudhosts import --replace")]
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
    #[command(flatten)]
    options: perform::Options,
}

pub(crate) fn run(arguments: &Arguments, setting: &Setting) -> Result<Outcome, Failure> {
    let hashes = setting.hashes()?;
    let [hash] = hashes.as_slice() else {
        return Err(Failure::Usage(
            "one hash can be imported into: pass one --hash".into(),
        ));
    };
    let (shown, text) = arguments.open()?;
    let hosts::Hosts { roles, skipped } = hosts::parse(&shown, text).map_err(Failure::Usage)?;
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
    if arguments.options.dry_run {
        print_by(|out| {
            import
                .spelled()
                .try_for_each(|line| writeln!(out, "{line}"))
        })?;
        return Ok(Outcome::Yes);
    }
    block_on(async {
        let mut registrar = Registrar::new(Arc::new(setting.config.clone()));
        let (progress, all) = (Progress::waiting(REDIS), import.roles.len());
        let told = |sent| {
            if sent > 0 {
                progress.reach(sent, all, "names");
            }
        };
        import
            .run(&mut registrar, told)
            .await
            .map_err(Failure::from)
    })?;
    let names = import.roles.len();
    if !arguments.options.json {
        print(&format!(
            "imported {} of {} into {}{}, {} about this machine alone skipped\n",
            Counted::new(names as u64, "name"),
            Plain(&shown),
            Plain(hash),
            if import.replace {
                " in place of all that was there"
            } else {
                ""
            },
            Counted::new(skipped as u64, "line"),
        ))?;
    }
    let waited = arguments
        .options
        .wait
        .map(|patience| wait::until_published(wait::of_import(&import), patience, &setting.config));
    if arguments.options.json {
        let (published, unpublished) = Waited::describe(waited.as_ref());
        let object = json!({
            "verb": "import",
            "hash": hash,
            "names": names,
            "skipped": skipped,
            "replaced": import.replace,
            "published": published,
            "unpublished": unpublished,
        });
        print(&format!("{object}\n"))?;
    }
    Waited::outcome(waited)
}

impl Arguments {
    /// The input, and what it is called.
    fn open(&self) -> Result<(String, Box<dyn BufRead>), Failure> {
        if self.file.as_os_str() == "-" {
            return Ok(("standard input".into(), Box::new(stdin().lock())));
        }
        let shown = self.file.display().to_string();
        match File::open(&self.file) {
            Ok(file) => Ok((shown, Box::new(BufReader::new(file)))),
            Err(error) => Err(Failure::Usage(format!(
                "can't read {}: {error}",
                Plain(&shown)
            ))),
        }
    }
}
