//! `cloudhosts import`: the lines of a hosts(5) file, all or none.

use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::path::PathBuf;
use std::sync::Arc;

use cloudhosts_config::Counted;
use cloudhosts_config::printable::Escaped;
use cloudhosts_registry::register::{Import, Registrar};
use serde_json::json;

use super::apply::WriteOptions;
use super::hosts_file::{self, HostsFile};
use super::wait;
use super::{RegisterContext, WAITING_FOR_REDIS};
use crate::outcome::{Failure, Outcome};
use crate::output::print_by;
use crate::progress::Progress;
use crate::runtime::block_on;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts import --dry-run hosts.old\n  \
    psql -Atc 'SELECT record FROM hosts' | cloudhosts import --replace")]
pub(crate) struct ImportArgs {
    /// File to import; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Remove all other fields from the hash
    #[arg(long)]
    replace: bool,
    /// With --replace: empty the hash if there is no line to import
    #[arg(long, requires = "replace")]
    allow_empty: bool,
    #[command(flatten)]
    options: WriteOptions,
}

pub(crate) fn run(args: &ImportArgs, context: &RegisterContext) -> Result<Outcome, Failure> {
    let hashes = context.hashes()?;
    let [hash] = hashes.as_slice() else {
        return Err(Failure::Usage(
            "import writes to one hash: pass one --hash".into(),
        ));
    };
    let (shown, text) = args.open()?;
    let HostsFile { roles, skipped } =
        hosts_file::parse(text).map_err(|error| Failure::Usage(error.in_file(&shown)))?;
    if roles.is_empty() && args.replace && !args.allow_empty {
        return Err(Failure::Usage(format!(
            "{}: there is no line to import, and --replace would empty {}; pass --allow-empty if \
             that is intended",
            Escaped(&shown),
            Escaped(hash)
        )));
    }
    let import = Import {
        hash: hash.clone(),
        roles,
        replace: args.replace,
    };
    if args.options.dry_run {
        print_by(|out| {
            import
                .spelled()
                .try_for_each(|line| writeln!(out, "{line}"))
        })?;
        return Ok(Outcome::Yes);
    }
    run_import(&import, context)?;
    let names = import.roles.len();
    let text = format!(
        "imported {} from {} into {}{}; skipped {} about this machine alone\n",
        Counted::new(names as u64, "name"),
        Escaped(&shown),
        Escaped(hash),
        if import.replace {
            ", replacing everything"
        } else {
            ""
        },
        Counted::new(skipped as u64, "line"),
    );
    let object = json!({
        "verb": "import",
        "hash": hash,
        "names": names,
        "skipped": skipped,
        "replaced": import.replace,
    });
    let expected = wait::after_import(&import);
    args.options
        .report(&text, object, expected, &context.config)
}

/// Imports, and shows how far it is.
fn run_import(import: &Import, context: &RegisterContext) -> Result<(), Failure> {
    block_on(async {
        let mut registrar = Registrar::new(Arc::new(context.config.clone()));
        let progress = Progress::waiting(WAITING_FOR_REDIS);
        let report = |sent| {
            if sent > 0 {
                progress.reach(sent, import.roles.len(), "names");
            }
        };
        let imported = import.run(&mut registrar, report).await;
        imported.map_err(Failure::from)
    })
}

impl ImportArgs {
    /// The input and its name.
    fn open(&self) -> Result<(String, Box<dyn BufRead>), Failure> {
        if self.file.as_os_str() == "-" {
            return Ok(("standard input".into(), Box::new(stdin().lock())));
        }
        let shown = self.file.display().to_string();
        match File::open(&self.file) {
            Ok(file) => Ok((shown, Box::new(BufReader::new(file)))),
            Err(error) => Err(Failure::Usage(format!(
                "can't read {}: {error}",
                Escaped(&shown)
            ))),
        }
    }
}
