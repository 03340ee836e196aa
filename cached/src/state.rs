//! What the next daemon needs to know besides the last good table, in a file
//! beside it that nobody else may read: which state of Redis the table reflects,
//! and how values are written there.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cloudhosts_registry::follow::Checkpoint;
use serde::{Deserialize, Serialize};

use crate::last_good::{open_regular, write_whole};
use crate::mirror::RawValues;

/// The file's name in the state directory.
const NAME: &str = "state.json";

/// Most bytes of it that are read: more than a table can hold.
const MOST: u64 = 1 << 32;

/// Only the daemon's user reads it.
const MODE: u32 = 0o600;

/// The daemon's own state.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SavedState {
    /// Which state of Redis the table reflects.
    pub(crate) checkpoint: Checkpoint,
    /// The raw values that are not in normal form.
    #[serde(default, rename = "written")]
    pub(crate) raw_values: RawValues,
}

/// The file in its directory.
#[derive(Debug, Clone)]
pub(crate) struct StateFile {
    path: PathBuf,
}

impl StateFile {
    /// The file in this state directory.
    #[must_use]
    pub(crate) fn new(state_dir: &Path) -> StateFile {
        StateFile {
            path: state_dir.join(NAME),
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
    /// It can't be read, or does not hold a state.
    pub(crate) fn load(&self) -> io::Result<Option<SavedState>> {
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
    pub(crate) fn save(&self, state: &SavedState) -> io::Result<()> {
        let mut text = serde_json::to_vec(state)?;
        text.push(b'\n');
        write_whole(&self.path, MODE, |file| file.write_all(&text))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_saved_is_read_again_and_what_is_damaged_is_an_error() {
        let directory = std::env::temp_dir().join(format!("state-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let file = StateFile::new(&directory);
        assert!(file.load().unwrap().is_none());
        file.save(&SavedState::default()).unwrap();
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
