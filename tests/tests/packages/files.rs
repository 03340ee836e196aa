//! What is in a root directory: every file with its mode, its owner, and its bytes; in `/usr`, where
//! only packages write, with its size and time instead, because it is large.

use std::collections::BTreeMap;
use std::fs::{read, read_dir, read_link};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What changes whatever is installed, and whoever does it.
const OTHERS: [&str; 11] = [
    // what dpkg, apt, rpm and ldconfig know, and their logs
    "var/lib/dpkg/",
    "var/lib/apt/",
    "var/cache/",
    "var/log/",
    "root/.rpmdb/",
    "etc/ld.so.cache",
    // the backups useradd and userdel make
    "etc/passwd-",
    "etc/group-",
    "etc/shadow-",
    "etc/gshadow-",
    // what a test puts there
    "var/tmp/",
];

/// What there is, by path.
pub(crate) type Files = BTreeMap<String, String>;

/// All that is in a root directory.
pub(crate) fn of(root: &Path) -> Files {
    let mut files = Files::new();
    walk(root, root, &mut files);
    files
}

/// What is there now and was not, or is not any more, or is different: one line each.
pub(crate) fn changes(before: &Files, after: &Files) -> Vec<String> {
    let mut changes = Vec::new();
    for (path, was) in before {
        match after.get(path) {
            None => changes.push(format!("gone: {path}")),
            Some(is) if is != was => changes.push(format!("changed: {path}: {was}, now {is}")),
            Some(_) => {}
        }
    }
    let new = after.keys().filter(|path| !before.contains_key(*path));
    changes.extend(new.map(|path| format!("left: {path}")));
    changes
}

fn walk(root: &Path, directory: &Path, files: &mut Files) {
    for entry in read_dir(directory).expect("a directory can be read") {
        let path = entry.expect("a directory can be read").path();
        let name = path
            .strip_prefix(root)
            .expect("it is below")
            .to_string_lossy()
            .into_owned();
        let found = path.symlink_metadata().expect("it is there");
        let is_directory = found.is_dir();
        let shown = if is_directory {
            format!("{name}/")
        } else {
            name
        };
        if shown == "proc/" || OTHERS.iter().any(|other| shown.starts_with(other)) {
            continue;
        }
        let content = match found.file_type() {
            kind if kind.is_symlink() => format!("-> {:?}", read_link(&path).expect("a link")),
            kind if kind.is_file() && shown.starts_with("usr/") => {
                format!("{} bytes of {}", found.len(), found.mtime())
            }
            kind if kind.is_file() => {
                let mut hasher = DefaultHasher::new();
                read(&path).expect("a file can be read").hash(&mut hasher);
                format!("{} bytes, {:x}", found.len(), hasher.finish())
            }
            _ => String::new(),
        };
        let owner = format!("{:o} {}:{}", found.mode(), found.uid(), found.gid());
        files.insert(shown, format!("{owner} {content}"));
        if is_directory {
            walk(root, &path, files);
        }
    }
}
