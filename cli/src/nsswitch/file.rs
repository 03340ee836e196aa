//! An nsswitch.conf file: read, changed, restored.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::edit::{self, HostsLineState};
use super::hosts::{self, Malformed};
use crate::outcome::Failure;
use crate::replace_file;

/// The file of this machine.
pub(crate) const STANDARD: &str = "/etc/nsswitch.conf";

/// The file that openSUSE uses if the other is missing.
const VENDOR: &str = "/usr/etc/nsswitch.conf";

/// The first line of a file that did not exist.
const MADE: &str = "# Made by \"cloudhosts nsswitch enable\"; \"disable\" removes this file if nothing was changed.\n";

/// A file and its content.
#[derive(Debug)]
pub(crate) struct NsswitchFile {
    path: PathBuf,
    text: Option<Vec<u8>>,
}

impl NsswitchFile {
    /// Reads a file, which may be missing.
    ///
    /// # Errors
    /// It can't be read.
    pub(crate) fn read(path: &Path) -> Result<NsswitchFile, Failure> {
        let text = replace_file::read(path).map_err(|error| {
            let path = path.display();
            Failure::Failed(format!("can't read {path}: {error}"))
        })?;
        let path = path.to_owned();
        Ok(NsswitchFile { path, text })
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file exists.
    pub(crate) fn exists(&self) -> bool {
        self.text.is_some()
    }

    /// The effective content: of the file, or of what glibc reads while it is missing.
    pub(crate) fn text(&self) -> Vec<u8> {
        self.text.clone().unwrap_or_else(|| self.without_file())
    }

    /// The state of its effective line.
    pub(crate) fn state(&self) -> HostsLineState {
        edit::state(&self.text())
    }

    /// Whether it has a `hosts:` line.
    pub(crate) fn has_line(&self) -> bool {
        hosts::effective(&self.text()).is_some()
    }

    /// Adds the word to the line. Returns whether that changed the file.
    ///
    /// # Errors
    /// The line is malformed, or the file can't be written.
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

    /// Removes the word from all lines. Returns whether that changed the file. A file that
    /// was created for the word is removed.
    ///
    /// # Errors
    /// The word is on a malformed line, or the file can't be written.
    pub(crate) fn disable(&mut self) -> Result<bool, Failure> {
        let Some(text) = &self.text else {
            return Ok(false);
        };
        if self.made().is_ok_and(|made| made == *text) {
            let path = replace_file::target(&self.path).map_err(|error| self.unwritten(&error))?;
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
        replace_file::replace(&self.path, &text).map_err(|error| self.unwritten(&error))?;
        self.text = Some(text);
        Ok(())
    }

    /// What glibc reads while the file is missing.
    fn without_file(&self) -> Vec<u8> {
        if self.path == Path::new(STANDARD) {
            fs::read(VENDOR).unwrap_or_default()
        } else {
            Vec::new()
        }
    }

    /// The content where there was no file.
    fn made(&self) -> Result<Vec<u8>, Malformed> {
        let enabled = edit::enable(&self.without_file())?;
        Ok([MADE.as_bytes(), &enabled].concat())
    }

    fn malformed(&self, malformed: Malformed) -> Failure {
        let path = self.path.display();
        Failure::Failed(format!(
            "{path} is unchanged: {malformed}; correct that line first"
        ))
    }

    fn unwritten(&self, error: &io::Error) -> Failure {
        let path = self.path.display();
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => "; run this as root",
            io::ErrorKind::ResourceBusy => "; it is a mount point, so change what is mounted there",
            _ => "",
        };
        Failure::Failed(format!("{path} is unchanged: {error}{hint}"))
    }
}
