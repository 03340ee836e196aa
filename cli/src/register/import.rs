//! `cloudhosts import`: the lines of a hosts(5) file, all or none.

use std::io::{Read, stdin};
use std::path::PathBuf;
use std::sync::Arc;

use cloudhosts_registry::register::{Import, Registrar};
use serde_json::json;

use super::{REDIS, Setting, block_on, hosts, perform, wait};
use crate::outcome::{Failure, Outcome, Plain, print};
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
    if arguments.options.dry_run {
        print(&(import.spelled().join("\n") + "\n"))?;
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
    let waited = arguments
        .options
        .wait
        .map(|patience| wait::until_published(wait::of_import(&import), patience, &setting.config));
    if arguments.options.json {
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
