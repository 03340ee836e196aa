//! The module: whether the loader can load it for any user, and its version. Only another
//! process loads it, so a broken one does no harm here.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use cloudhosts_config::Account;
use cloudhosts_table::version_note::VersionNote;
use rustix::fs::{StatVfsMountFlags, statvfs};

use super::code::Code;
use super::finding::Finding;
use crate::child::{self, ChildOutput};
use crate::getent;

const CHECK: &str = "module";

/// The file that glibc loads.
const FILE: &str = "libnss_cloudhosts.so.2";

/// This program's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The remedy for a broken module.
const REINSTALL: &str = "reinstall the package cloudhosts";

pub(super) fn look() -> Finding {
    // A name that does not exist, looked up in this module alone. The loader reports on
    // stderr what it finds (ld.so(8)).
    let asked = [
        "-s",
        "cloudhosts",
        "--",
        "ahosts",
        "cloudhosts-doctor.invalid",
    ];
    let done = match getent(&asked, ("LD_DEBUG", "libs".as_ref())) {
        Ok(done) => done,
        Err(error) => {
            let says = "getent can't be run";
            let todo = "install it (libc-bin, glibc-common), or find out why it hangs";
            let finding = Finding::wrong(CHECK, says, todo).code(Code::NoGetent);
            return finding.evidence(error);
        }
    };
    let Some(path) = loaded(&done.stderr) else {
        return not_loaded(&done);
    };
    if !matches!(done.status.code(), Some(0 | 2)) {
        return crashes(&path, &done);
    }
    version(&path)
}

fn crashes(path: &Path, done: &ChildOutput) -> Finding {
    let says = format_args!("a program crashes when it loads {}", path.display());
    let finding = Finding::wrong(CHECK, says, REINSTALL).code(Code::Crashes);
    finding.evidence(format_args!("getent ends with {}", done.status))
}

/// Runs getent with one more environment variable, as an ordinary user, since root may
/// read what others may not. Where there is no other user, as in a container, it runs as
/// this one.
fn getent(arguments: &[&str], variable: (&str, &Path)) -> io::Result<ChildOutput> {
    let command = || {
        let mut command = Command::new("getent");
        command.args(arguments).env(variable.0, variable.1);
        command
    };
    let account = Account::ordinary();
    if rustix::process::geteuid().is_root() {
        let mut command = command();
        // This drops the supplementary groups, too.
        command.uid(account.user()).gid(account.group());
        match child::run(&mut command, getent::TIMEOUT) {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::InvalidInput
                ) => {}
            done => return done,
        }
    }
    child::run(&mut command(), getent::TIMEOUT)
}

/// Why the loader has not loaded it, by the files it has tried.
fn not_loaded(done: &ChildOutput) -> Finding {
    let tried = tried(&done.stderr);
    let Some(file) = tried.iter().find(|file| file.symlink_metadata().is_ok()) else {
        let says = format_args!("{FILE} is in none of the loader's directories");
        let todo = "reinstall the package cloudhosts, or copy it there and run ldconfig";
        let places: Vec<String> = tried.iter().filter_map(|file| directory(file)).collect();
        let finding = Finding::wrong(CHECK, says, todo).code(Code::Missing);
        return finding.evidence(format_args!("it looks in {}", places.join(" ")));
    };
    let shown = file.display();
    let (code, says, todo) = match Obstacle::of(file) {
        Obstacle::Denied(path, right) => (
            Code::Denied,
            format!("users can't read {shown}"),
            format!("run: chmod o+{right} {}", path.display()),
        ),
        Obstacle::Forbidden => (
            Code::Denied,
            format!("users can't read {shown}, although its mode allows it"),
            format!("run: restorecon -v {shown}"),
        ),
        Obstacle::NotElf => (
            Code::NotElf,
            format!("{shown} is not a library"),
            REINSTALL.to_owned(),
        ),
        Obstacle::WrongArchitecture => (
            Code::WrongArchitecture,
            format!("{shown} is for another kind of machine"),
            "install the package of this machine's architecture (uname -m)".to_owned(),
        ),
        Obstacle::Noexec(at) => (
            Code::Noexec,
            format!("{shown} is on a file system that is mounted noexec"),
            format!("run: mount -o remount,exec {}", at.display()),
        ),
        // As with a truncated file, whose missing part is mapped.
        Obstacle::Other if done.status.code().is_none() => return crashes(file, done),
        Obstacle::Other => (
            Code::Unloadable,
            format!("the loader can't load {shown}"),
            REINSTALL.to_owned(),
        ),
    };
    let finding = Finding::wrong(CHECK, says, todo).code(code);
    finding.evidence(loader_error(file).unwrap_or_default())
}

/// The error of the loader when it preloads the file: the first line that names it.
fn loader_error(file: &Path) -> Option<String> {
    let done = getent(&["-V"], ("LD_PRELOAD", file)).ok()?;
    let shown = file.to_string_lossy();
    let line = done
        .stderr
        .lines()
        .find(|line| line.contains(shown.as_ref()));
    line.map(|line| line.trim().to_owned())
}

/// What keeps a file from being loaded by any user.
enum Obstacle {
    /// The mode of the file or of a parent directory; and the letter of the missing right.
    Denied(PathBuf, char),
    /// Not a mode, but something else, such as an SELinux label.
    Forbidden,
    NotElf,
    WrongArchitecture,
    /// The mount point of its file system.
    Noexec(PathBuf),
    Other,
}

impl Obstacle {
    fn of(file: &Path) -> Obstacle {
        let head = Account::ordinary().act(|| head(file));
        let head = match head.unwrap_or_else(Err) {
            Ok(head) => head,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return match closed(file) {
                    Some((path, right)) => Obstacle::Denied(path, right),
                    None => Obstacle::Forbidden,
                };
            }
            Err(_) => return Obstacle::Other,
        };
        if !head.starts_with(b"\x7fELF") {
            return Obstacle::NotElf;
        }
        // Class, byte order and machine (elf(5)) are compared with this program's.
        let own = self::head(Path::new("/proc/self/exe")).unwrap_or_default();
        let kind = |head: &[u8]| Some((head.get(4..6)?.to_vec(), head.get(18..20)?.to_vec()));
        if kind(&head) != kind(&own) {
            return Obstacle::WrongArchitecture;
        }
        let flags = statvfs(file).map(|system| system.f_flag);
        if flags.is_ok_and(|flags| flags.contains(StatVfsMountFlags::NOEXEC)) {
            return Obstacle::Noexec(mount_point(file));
        }
        Obstacle::Other
    }
}

/// The first bytes of a file.
fn head(file: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(file)?.take(64).read_to_end(&mut head)?;
    Ok(head)
}

/// The file or parent directory whose mode keeps others out.
fn closed(file: &Path) -> Option<(PathBuf, char)> {
    let real = fs::canonicalize(file).ok()?;
    let lacks = |path: &Path, right: u32| {
        fs::metadata(path).is_ok_and(|found| found.permissions().mode() & right == 0)
    };
    if lacks(&real, 0o004) {
        return Some((real, 'r'));
    }
    let mut above = real.ancestors().skip(1);
    let directory = above.find(|directory| lacks(directory, 0o001))?;
    Some((directory.to_owned(), 'x'))
}

/// The mount point of the file system of a file, by its flags: a bind mount is on the same
/// device as its parent directory.
fn mount_point(file: &Path) -> PathBuf {
    let noexec = |path: &Path| {
        statvfs(path).is_ok_and(|system| system.f_flag.contains(StatVfsMountFlags::NOEXEC))
    };
    let real = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let inside = real.ancestors().take_while(|path| noexec(path));
    inside.last().unwrap_or(file).to_owned()
}

fn version(path: &Path) -> Finding {
    let shown = path.display();
    let found = fs::read(path).map(|module| VersionNote::find(&module));
    match found {
        Ok(Some(note)) if note.version() == VERSION => {
            Finding::ok(CHECK, format_args!("{shown}, version {VERSION}"))
        }
        Ok(Some(note)) => Finding::warning(
            CHECK,
            format_args!(
                "{shown} is of version {}, this program of {VERSION}",
                note.version()
            ),
            "install both from one package",
        )
        .code(Code::OtherVersion),
        Ok(None) => Finding::warning(
            CHECK,
            format_args!("{shown} does not say its version"),
            "install it from the package of this program",
        )
        .code(Code::NoVersion),
        Err(error) => {
            let says = format_args!("{shown} is loaded, but can't be read here");
            let todo = format_args!("run: chmod o+r {shown}");
            let finding = Finding::warning(CHECK, says, todo).code(Code::Unreadable);
            finding.evidence(error)
        }
    }
}

/// The file that was loaded, by the output of the loader.
fn loaded(told: &str) -> Option<PathBuf> {
    let mut calls = told
        .lines()
        .filter_map(|line| line.split_once("calling init: "));
    let path = calls.find_map(|(_, path)| path.trim().ends_with(FILE).then_some(path.trim()))?;
    Some(path.into())
}

/// The files that the loader has tried, in order.
fn tried(told: &str) -> Vec<PathBuf> {
    let tried = told
        .lines()
        .filter_map(|line| line.split_once("trying file="));
    let paths = tried.map(|(_, path)| PathBuf::from(path.trim()));
    paths.filter(|path| path.ends_with(FILE)).collect()
}

fn directory(file: &Path) -> Option<String> {
    Some(file.parent()?.display().to_string())
}
