//! The newest table as a file: for processes that start while there is no
//! daemon, and for the daemon that starts next.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cloudhosts_table::client::LAST_GOOD_NAME;
use cloudhosts_table::format::MAX_TABLE;
use cloudhosts_table::{OpenError, Snapshot, TableFile};

pub mod version_1;

/// The mode of a file that everybody may read.
pub const EVERYBODY: u32 = 0o644;

/// What a file holds.
#[derive(Debug)]
pub enum Loaded {
    /// A table.
    Table(Box<TableFile>),
    /// One of a release before this.
    Version1(version_1::Table),
}

/// The file in its directory.
#[derive(Debug, Clone)]
pub struct LastGood {
    path: PathBuf,
}

impl LastGood {
    /// The file in this state directory, which is made where it is missing.
    #[must_use]
    pub fn new(state_dir: &Path) -> LastGood {
        // Should it fail, so will what is done with the file, and say so.
        let _ = fs::create_dir_all(state_dir);
        LastGood {
            path: state_dir.join(LAST_GOOD_NAME),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file, when there is one.
    ///
    /// # Errors
    /// It can't be read, or is not a whole table.
    pub fn load(&self) -> io::Result<Option<Loaded>> {
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
    pub fn save(&self, table: &Snapshot) -> io::Result<()> {
        write_whole(&self.path, EVERYBODY, |file| table.write(file))
    }

    /// Says that a daemon stands behind the file as of now.
    ///
    /// # Errors
    /// There is none, or it is not ours.
    pub fn touch(&self) -> io::Result<()> {
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
pub fn open_regular(path: &Path) -> io::Result<Option<File>> {
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

/// Writes a file under another name, and renames it, so that a reader finds the
/// old or the new one, whole, even after a power cut.
///
/// # Errors
/// Names the step that failed; the file is as it was.
pub fn write_whole(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let new = path.with_extension("new");
    // Never through a link that somebody put there.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)?;
    let written = write(&mut file)
        .and_then(|()| file.set_permissions(fs::Permissions::from_mode(mode)))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
        return written;
    }
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
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
