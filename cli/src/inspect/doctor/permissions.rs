//! Whether programs of all users can access what they need, whoever runs the doctor.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cloudhosts_config::Config;
use cloudhosts_table::client::LAST_GOOD_NAME;

use super::code::Code;
use super::finding::Finding;
use crate::local_daemon;
use crate::nsswitch::file::STANDARD;

const CHECK: &str = "rights";

/// Rights of others, as mode bits (inode(7)).
const READ: u32 = 0o004;
const WRITE: u32 = 0o002;
const ENTER: u32 = 0o001;

pub(super) fn look(config: &Config) -> Finding {
    let socket = local_daemon::socket(config);
    let table = config.state_dir.join(LAST_GOOD_NAME);
    // Connecting to a socket requires write permission (unix(7)).
    let needed = [
        (socket.as_path(), WRITE, "write to"),
        (table.as_path(), READ, "read"),
        (Path::new(STANDARD), READ, "read"),
    ];
    let hindered = needed.iter().find_map(|(path, right, verb)| {
        let hinders = hindrance(path, *right)?;
        Some((path.display(), *verb, hinders))
    });
    match hindered {
        None => Finding::ok(
            CHECK,
            "programs of all users can access the socket and the files",
        ),
        Some((path, verb, (at, mode, right))) => Finding::wrong(
            CHECK,
            format_args!("other users can't {verb} {path}: {at} has the mode {mode:04o}"),
            format_args!("run: chmod o+{right} {at}"),
        )
        .code(Code::Closed),
    }
}

/// What keeps others from an existing path: its own mode or that of a parent directory;
/// and the letter of the missing right.
fn hindrance(path: &Path, right: u32) -> Option<(String, u32, char)> {
    let real = fs::canonicalize(path).ok()?;
    let above = real.ancestors().skip(1).map(|directory| (directory, ENTER));
    let mut all = std::iter::once((real.as_path(), right)).chain(above);
    all.find_map(|(path, right)| {
        let mode = fs::metadata(path).ok()?.permissions().mode() & 0o7777;
        let letter = match right {
            READ => 'r',
            WRITE => 'w',
            _ => 'x',
        };
        (mode & right == 0).then(|| (path.display().to_string(), mode, letter))
    })
}
