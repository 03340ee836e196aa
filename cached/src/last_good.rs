//! The newest table as a file: for processes that start while there is no
//! daemon, and for the daemon that starts next.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cloudhosts_config::AtomicFile;
use cloudhosts_table::client::LAST_GOOD_NAME;
use cloudhosts_table::format::MAX_TABLE;
use cloudhosts_table::{OpenError, Snapshot, TableFile};

pub(crate) mod version_1;

/// The mode of a file that every user may read.
pub(crate) const EVERYBODY: u32 = 0o644;

/// What a file holds.
#[derive(Debug)]
pub(crate) enum Loaded {
    /// A table.
    Table(Box<TableFile>),
    /// One of format 1, of an earlier release.
    Version1(version_1::Table),
}

/// The file in its directory.
#[derive(Debug, Clone)]
pub(crate) struct LastGood {
    path: PathBuf,
}

impl LastGood {
    /// The file in this state directory, which is created if it is missing.
    #[must_use]
    pub(crate) fn new(state_dir: &Path) -> LastGood {
        // If this fails, so will the operations on the file, with a message.
        let _ = fs::create_dir_all(state_dir);
        LastGood {
            path: state_dir.join(LAST_GOOD_NAME),
        }
    }

    /// Where it is.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file, when there is one.
    ///
    /// # Errors
    /// It can't be read, or is not a whole table.
    pub(crate) fn load(&self) -> io::Result<Option<Loaded>> {
        let Some(file) = open_regular(&self.path)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(MAX_TABLE + 1).read_to_end(&mut bytes)?;
        let table = match TableFile::open(&bytes) {
            Ok(table) => table,
            Err(error @ OpenError::Version(1)) => {
                let table = version_1::Table::open(bytes).ok_or(io::Error::other(error))?;
                return Ok(Some(Loaded::Version1(table)));
            }
            Err(error) => return Err(io::Error::other(error)),
        };
        // A large one is in memory once.
        drop(bytes);
        table.view().verify().map_err(io::Error::other)?;
        Ok(Some(Loaded::Table(Box::new(table))))
    }

    /// Replaces the file by a table, whole or not at all.
    ///
    /// # Errors
    /// The directory is missing, full or not ours to write to.
    pub(crate) fn save(&self, table: &Snapshot) -> io::Result<()> {
        write_whole(&self.path, EVERYBODY, |file| table.write(file))
    }

    /// Marks the file as maintained by a daemon as of now.
    ///
    /// # Errors
    /// There is no file, or it is not ours.
    pub(crate) fn touch(&self) -> io::Result<()> {
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let file = File::options()
            .append(true)
            .custom_flags(flags.bits() as i32)
            .open(&self.path)?;
        file.set_modified(SystemTime::now())
    }
}

/// Opens a file to read, when there is one: not through a link, and nothing but
/// a regular file.
///
/// # Errors
/// It can't be opened, or is something else.
pub(crate) fn open_regular(path: &Path) -> io::Result<Option<File>> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened = File::options()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    if file.metadata()?.is_file() {
        Ok(Some(file))
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

/// Replaces a file atomically ([`AtomicFile`]).
///
/// # Errors
/// It can't be written; the old file is untouched.
pub(crate) fn write_whole(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut &File) -> io::Result<()>,
) -> io::Result<()> {
    let draft = AtomicFile::create(path.with_extension("new"), mode)?;
    let mut file = draft.file();
    write(&mut file)?;
    // Whatever the umask is.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    draft.publish(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_place_of_the_file_is_not_touched() {
        let directory = std::env::temp_dir().join(format!("last-link-{}", std::process::id()));
        let last_good = LastGood::new(&directory);
        let victim = directory.join("victim");
        let before = SystemTime::UNIX_EPOCH;
        File::create(&victim).unwrap().set_modified(before).unwrap();
        std::os::unix::fs::symlink(&victim, last_good.path()).unwrap();
        assert!(last_good.touch().is_err());
        assert_eq!(fs::metadata(&victim).unwrap().modified().unwrap(), before);
        fs::remove_dir_all(directory).unwrap();
    }
}
