//! Which state of Redis the last good table stands for, as a file beside it.
//! The daemon writes it, and the one that starts next reads it; nobody else
//! needs to.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cloudhosts_registry::follow::Checkpoint;

use crate::last_good::{open_regular, write_whole};

/// The file's name in the state directory.
const NAME: &str = "checkpoint.json";

/// Most bytes of it that are read; 128 positions and what is known of one Redis
/// are far less.
const MOST: u64 = 1 << 20;

/// Only the daemon's user reads it.
const MODE: u32 = 0o600;

/// The file in its directory.
#[derive(Debug, Clone)]
pub struct CheckpointFile {
    path: PathBuf,
}

impl CheckpointFile {
    /// The file in this state directory.
    #[must_use]
    pub fn new(state_dir: &Path) -> CheckpointFile {
        CheckpointFile {
            path: state_dir.join(NAME),
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
    /// It can't be read, or does not hold a checkpoint.
    pub fn load(&self) -> io::Result<Option<Checkpoint>> {
        let Some(file) = open_regular(&self.path)? else {
            return Ok(None);
        };
        let mut text = Vec::new();
        file.take(MOST).read_to_end(&mut text)?;
        Ok(Some(serde_json::from_slice(&text)?))
    }

    /// Replaces the file, whole or not at all.
    ///
    /// # Errors
    /// The directory is missing, full or not ours to write to.
    pub fn save(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        let mut text = serde_json::to_vec(checkpoint)?;
        text.push(b'\n');
        write_whole(&self.path, MODE, |file: &mut File| file.write_all(&text))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_saved_is_read_again_and_what_is_damaged_is_an_error() {
        let directory = std::env::temp_dir().join(format!("checkpoint-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let file = CheckpointFile::new(&directory);
        assert!(file.load().unwrap().is_none());
        file.save(&Checkpoint::default()).unwrap();
        assert!(file.load().unwrap().is_some());
        let mode = fs::metadata(file.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for damaged in ["", "{", "null", "\0\0\0"] {
            fs::write(file.path(), damaged).unwrap();
            assert!(file.load().is_err(), "{damaged}");
        }
        fs::remove_file(file.path()).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", file.path()).unwrap();
        assert!(file.load().is_err(), "never through a link");
        fs::remove_dir_all(directory).unwrap();
    }
}
