//! `last-good.table`, which programs use that start while there is no daemon.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cloudhosts_config::Config;
use cloudhosts_config::status::{Unwritten, UnwrittenCode};
use cloudhosts_table::client::LAST_GOOD_NAME;
use cloudhosts_table::format::MAX_TABLE;
use cloudhosts_table::{OpenError, TableFile};

use super::code::Code;
use super::daemon::DaemonHealth;
use super::finding::Finding;
use super::unit::start;
use crate::inspect::status::ago;

const CHECK: &str = "file";

pub(super) fn look(config: &Config, health: &DaemonHealth) -> Vec<Finding> {
    let path = config.state_dir.join(LAST_GOOD_NAME);
    let unwritten = health.status().and_then(|status| status.unwritten.as_ref());
    let mut findings: Vec<Finding> = unwritten.map(cannot_write).into_iter().collect();
    // A file that could not be written is reported already.
    match defect(&path) {
        Some(FileDefect::Missing) if unwritten.is_some() => {}
        Some(defect) => findings.push(defect.finding(&path, health)),
        None if findings.is_empty() => {
            findings.push(Finding::ok(
                CHECK,
                format_args!("{} is intact", path.display()),
            ));
        }
        None => {}
    }
    findings
}

/// The daemon can't write it, and keeps trying.
fn cannot_write(unwritten: &Unwritten) -> Finding {
    let path = unwritten.path.display();
    let directory = unwritten.path.parent().unwrap_or(&unwritten.path);
    let shown = directory.display();
    let (code, todo) = match unwritten.code {
        UnwrittenCode::Full => (Code::Full, format!("free space there; see: df {shown}")),
        UnwrittenCode::ReadOnly => (
            Code::ReadOnly,
            format!(
                "run: mount -o remount,rw {}",
                mount_point(directory).display()
            ),
        ),
        UnwrittenCode::Immutable => (Code::Immutable, format!("run: chattr -i -a {shown} {path}")),
        UnwrittenCode::Denied => (Code::Denied, format!("run: chown -R cloudhosts: {shown}")),
        UnwrittenCode::NoDirectory => (
            Code::NoDirectory,
            format!("run: install -d -o cloudhosts -g cloudhosts {shown}"),
        ),
        UnwrittenCode::InTheWay => (Code::InTheWay, format!("move it away: {path}")),
        UnwrittenCode::Other => (Code::Unwritten, format!("see: ls -la {shown}")),
    };
    let since = ago(unwritten.since);
    let says = format_args!("{path} can't be written (since {since}); the daemon keeps trying");
    Finding::wrong(CHECK, says, todo)
        .code(code)
        .evidence(&unwritten.reason)
}

/// The file system that a directory is in.
fn mount_point(directory: &Path) -> PathBuf {
    let device = |path: &Path| fs::metadata(path).ok().map(|found| found.dev());
    let here = device(directory);
    let above = directory.ancestors();
    let inside = above.take_while(|path| device(path) == here);
    inside.last().unwrap_or(directory).to_owned()
}

/// What is wrong with the file.
enum FileDefect {
    Missing,
    /// It can't be read, at least by this user.
    Unreadable(String),
    Damaged(String),
    OtherFormat(OpenError),
}

fn defect(path: &Path) -> Option<FileDefect> {
    let mut bytes = Vec::new();
    let is_file = match fs::symlink_metadata(path) {
        Err(_) => return Some(FileDefect::Missing),
        Ok(found) => found.is_file(),
    };
    if !is_file {
        return Some(FileDefect::Damaged("it is not a regular file".to_owned()));
    }
    let read = File::open(path).and_then(|file| file.take(MAX_TABLE + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        return Some(FileDefect::Unreadable(error.to_string()));
    }
    match TableFile::open(&bytes) {
        Ok(table) => {
            let damage = table.view().verify().err()?;
            Some(FileDefect::Damaged(damage.to_string()))
        }
        Err(error @ OpenError::Version(_)) => Some(FileDefect::OtherFormat(error)),
        Err(error) => Some(FileDefect::Damaged(error.to_string())),
    }
}

impl FileDefect {
    fn finding(self, path: &Path, health: &DaemonHealth) -> Finding {
        let path = path.display();
        // A running daemon writes it at the next change; one that starts, at once.
        let todo = if health.is_alive() {
            "run: systemctl restart cloudhosts-cached".to_owned()
        } else {
            start()
        };
        match self {
            FileDefect::Missing => {
                let says = format_args!(
                    "{path} is missing: programs that start without a daemon get no names"
                );
                Finding::warning(CHECK, says, todo).code(Code::Missing)
            }
            FileDefect::Unreadable(why) => {
                let says = format_args!("{path} can't be read here");
                let finding = Finding::warning(CHECK, says, "run this as root");
                finding.code(Code::Unreadable).evidence(why)
            }
            FileDefect::Damaged(why) => {
                let says = format_args!("{path} is damaged, and ignored");
                Finding::wrong(CHECK, says, todo)
                    .code(Code::Damaged)
                    .evidence(why)
            }
            FileDefect::OtherFormat(why) => {
                let says = format_args!("{path} was written by another release");
                Finding::wrong(CHECK, says, todo)
                    .code(Code::OtherFormat)
                    .evidence(why)
            }
        }
    }
}
