//! An nsswitch.conf as a file: there or not, read, changed, put back.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::edit::{self, HostsLineState};
use super::hosts::{self, Malformed};
use crate::atomic_file;
use crate::outcome::Failure;

/// The machine's.
pub(crate) const STANDARD: &str = "/etc/nsswitch.conf";

/// What counts on openSUSE where the other is missing.
const VENDOR: &str = "/usr/etc/nsswitch.conf";

/// What is written above a file that was not there.
const MADE: &str = "# Made by \"cloudhosts nsswitch enable\"; \"disable\" removes this file if nothing was changed.\n";

/// A file and what is in it.
#[derive(Debug)]
pub(crate) struct NsswitchFile {
    path: PathBuf,
    text: Option<Vec<u8>>,
}

impl NsswitchFile {
    /// Reads a file. One that is missing is one that says nothing.
    ///
    /// # Errors
    /// It can't be read.
    pub(crate) fn read(path: &Path) -> Result<NsswitchFile, Failure> {
        let text = atomic_file::read(path).map_err(|error| {
            let path = path.display();
            Failure::Failed(format!("can't read {path}: {error}"))
        })?;
        let path = path.to_owned();
        Ok(NsswitchFile { path, text })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is there.
    pub(crate) fn exists(&self) -> bool {
        self.text.is_some()
    }

    /// What counts: the file, or what counts where it is missing.
    pub(crate) fn text(&self) -> Vec<u8> {
        self.text.clone().unwrap_or_else(|| self.without_file())
    }

    /// How its line stands.
    pub(crate) fn state(&self) -> HostsLineState {
        edit::state(&self.text())
    }

    /// Whether it has a `hosts:` line.
    pub(crate) fn has_line(&self) -> bool {
        hosts::effective(&self.text()).is_some()
    }

    /// Puts the word on its line; whether that changed it.
    ///
    /// # Errors
    /// glibc can't read the line, or the file can't be written.
    pub(crate) fn enable(&mut self) -> Result<bool, Failure> {
        let after = match &self.text {
            Some(text) => edit::enable(text),
            None => self.made(),
        };
        let after = after.map_err(|malformed| self.malformed(malformed))?;
        if self.text.as_ref() == Some(&after) {
            return Ok(false);
        }
        self.write(after)?;
        Ok(true)
    }

    /// Takes the word off its lines; whether that changed it. A file that was made
    /// for the word is removed.
    ///
    /// # Errors
    /// The word is on a line that glibc can't read, or the file can't be written.
    pub(crate) fn disable(&mut self) -> Result<bool, Failure> {
        let Some(text) = &self.text else {
            return Ok(false);
        };
        if self.made().is_ok_and(|made| made == *text) {
            let path = atomic_file::target(&self.path).map_err(|error| self.unwritten(&error))?;
            fs::remove_file(path).map_err(|error| self.unwritten(&error))?;
            self.text = None;
            return Ok(true);
        }
        let after = edit::disable(text).map_err(|malformed| self.malformed(malformed))?;
        if after == *text {
            return Ok(false);
        }
        self.write(after)?;
        Ok(true)
    }

    fn write(&mut self, text: Vec<u8>) -> Result<(), Failure> {
        atomic_file::replace(&self.path, &text).map_err(|error| self.unwritten(&error))?;
        self.text = Some(text);
        Ok(())
    }

    /// What glibc reads while the file is missing.
    fn without_file(&self) -> Vec<u8> {
        match self.path == Path::new(STANDARD) {
            true => fs::read(VENDOR).unwrap_or_default(),
            false => Vec::new(),
        }
    }

    /// What is put where there was no file.
    fn made(&self) -> Result<Vec<u8>, Malformed> {
        let enabled = edit::enable(&self.without_file())?;
        Ok([MADE.as_bytes(), &enabled].concat())
    }

    fn malformed(&self, malformed: Malformed) -> Failure {
        let path = self.path.display();
        Failure::Failed(format!(
            "{path} is left as it is: {malformed}; mend that line first"
        ))
    }

    fn unwritten(&self, error: &io::Error) -> Failure {
        let path = self.path.display();
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => "; run this as root",
            io::ErrorKind::ResourceBusy => "; it is a mount point, so change what is mounted there",
            _ => "",
        };
        Failure::Failed(format!("{path} is left as it is: {error}{hint}"))
    }
}
