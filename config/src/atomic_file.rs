//! Atomic replacement of a file.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The new content of a file while it is written, under another name in the same
/// directory. Whoever reads the file finds the old content or the new one, whole,
/// even after a power failure. One that is not published is removed.
#[derive(Debug)]
pub struct AtomicFile {
    file: File,
    path: PathBuf,
    published: bool,
}

impl AtomicFile {
    /// Creates it at `path`. Whatever is in its place is removed first: it is
    /// left over from a process that was killed, or a link that would lead the
    /// write elsewhere.
    ///
    /// # Errors
    /// It cannot be created there.
    pub fn create(path: PathBuf, mode: u32) -> io::Result<AtomicFile> {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)?;
        Ok(AtomicFile {
            file,
            path,
            published: false,
        })
    }

    /// The file to write to.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Replaces the file `to` in the same directory.
    ///
    /// # Errors
    /// The disk does not take it, or it cannot be put in place. The old file is
    /// untouched then.
    pub fn publish(mut self, to: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, to)?;
        self.published = true;
        // Not every file system can do that, and the file is whole by now.
        let _ = File::open(directory(to)).and_then(|directory| directory.sync_all());
        Ok(())
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.published {
            // There is nobody to tell.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The directory of a file.
fn directory(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_draft_replaces_the_file_or_leaves_nothing_behind() {
        let own = std::env::temp_dir().join(format!("draft-{}", std::process::id()));
        fs::create_dir(&own).unwrap();
        let (file, new, victim) = (own.join("file"), own.join("new"), own.join("victim"));
        fs::write(&file, "old").unwrap();
        fs::write(&victim, "untouched").unwrap();
        std::os::unix::fs::symlink(&victim, &new).unwrap();

        let draft = AtomicFile::create(new.clone(), 0o600).unwrap();
        draft.file().write_all(b"lost").unwrap();
        drop(draft);
        assert_eq!(fs::read(&file).unwrap(), b"old");

        let draft = AtomicFile::create(new.clone(), 0o600).unwrap();
        draft.file().write_all(b"new").unwrap();
        draft.publish(&file).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::read(&victim).unwrap(), b"untouched");
        assert!(!new.exists());
        fs::remove_dir_all(own).unwrap();
    }
}
