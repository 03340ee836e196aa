//! Errors of the configuration, each with the place it is at.

use crate::fault::{Fault, FaultCode};
use crate::printable::reason;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What is wrong with the configuration, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    place: String,
    why: String,
    denied: Option<PathBuf>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.why)
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// The file that this user may not read, where it is that which is wrong.
    #[must_use]
    pub fn denied(&self) -> Option<&Path> {
        self.denied.as_deref()
    }

    /// The file itself cannot be read.
    pub(super) fn unreadable(file: &Path, error: &std::io::Error) -> ConfigError {
        ConfigError {
            place: shown(file),
            why: format!(
                "cannot read the configuration ({error}); see that the file is there, \
                 is UTF-8 text and may be read by this user, or name another with --config"
            ),
            denied: (error.kind() == std::io::ErrorKind::PermissionDenied).then(|| file.to_owned()),
        }
    }

    /// An option of the command line.
    pub(super) fn option(option: &str, why: &str) -> ConfigError {
        ConfigError {
            place: option.to_owned(),
            why: why.to_owned(),
            denied: None,
        }
    }
}

/// A path, fit for printing.
pub(super) fn shown(path: &Path) -> String {
    reason(&path.to_string_lossy())
}

/// The text of a configuration file, and where its parts are.
pub(super) struct Source {
    file: PathBuf,
    text: String,
    /// Where the password file is named.
    pub(super) password_file: Option<Range<usize>>,
    /// Where the CA file is named.
    pub(super) ca_file: Option<Range<usize>>,
}

impl Source {
    pub(super) fn new(file: &Path, text: String) -> Source {
        Source {
            file: file.to_owned(),
            text,
            password_file: None,
            ca_file: None,
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What the parser, or the check of a value, found.
    pub(super) fn refused(&self, error: &toml::de::Error) -> ConfigError {
        self.error(error.span().as_ref(), reason(error.message()))
    }

    /// An error at a place in the file.
    pub(super) fn error(&self, at: Option<&Range<usize>>, why: String) -> ConfigError {
        let file = shown(&self.file);
        let place = match at.and_then(|at| self.text.as_bytes().get(..at.start)) {
            Some(before) => {
                let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
                format!("{file}:{line}")
            }
            None => file,
        };
        ConfigError {
            place,
            why,
            denied: None,
        }
    }

    /// A file that is named at a place in this one, and can't be used.
    pub(super) fn faulty(&self, at: Option<&Range<usize>>, fault: Fault) -> ConfigError {
        let denied = fault.path.filter(|_| fault.code == FaultCode::FileDenied);
        ConfigError {
            denied,
            ..self.error(at, fault.why)
        }
    }
}
