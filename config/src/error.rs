//! Errors of the configuration, each with its file and line.

use std::ops::Range;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::printable::reason;
use crate::secrets::{FileError, FileErrorCode};

/// What to do if this user may not read what registering takes.
pub(crate) const RUN_AS_ANOTHER: &str =
    "run this with sudo, or as a member of the group that may read the file (id, ls -l)";

/// What is wrong with the configuration, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{place}: {why}")]
pub struct ConfigError {
    place: String,
    why: String,
    denied: Option<PathBuf>,
}

impl ConfigError {
    /// The file that this user may not read, if that is what is wrong.
    #[must_use]
    pub fn denied(&self) -> Option<&Path> {
        self.denied.as_deref()
    }

    /// The file itself cannot be read.
    pub(crate) fn unreadable(file: &Path, error: &std::io::Error) -> ConfigError {
        ConfigError {
            place: shown(file),
            why: format!(
                "cannot read the configuration ({error}); see that the file is there, \
                 is UTF-8 text and may be read by this user, or name another with --config"
            ),
            denied: (error.kind() == std::io::ErrorKind::PermissionDenied).then(|| file.to_owned()),
        }
    }

    /// `register.toml` exists and cannot be read.
    pub(crate) fn may_not_register(file: &Path, error: &std::io::Error) -> ConfigError {
        let what_to_do = match error.kind() {
            std::io::ErrorKind::PermissionDenied => RUN_AS_ANOTHER,
            _ => "see that it is a file of UTF-8 text, or remove it",
        };
        ConfigError {
            place: shown(file),
            why: format!("cannot read as whom to register ({error}); {what_to_do}"),
            denied: (error.kind() == std::io::ErrorKind::PermissionDenied).then(|| file.to_owned()),
        }
    }

    /// A file that is named at that place, and can't be used.
    pub(crate) fn faulty(place: &str, error: FileError) -> ConfigError {
        ConfigError {
            place: place.to_owned(),
            why: error.to_string(),
            denied: (error.code == FileErrorCode::Denied).then_some(error.path),
        }
    }

    /// An option of the command line.
    pub(crate) fn option(option: &str, why: &impl ToString) -> ConfigError {
        ConfigError {
            place: option.to_owned(),
            why: why.to_string(),
            denied: None,
        }
    }
}

/// A path, fit for printing.
pub(crate) fn shown(path: &Path) -> String {
    reason(&path.to_string_lossy())
}

/// Where the files of `[redis]` and `[gateway]` are named, for errors about them.
pub(crate) struct Places {
    pub(crate) password_file: String,
    pub(crate) password_command: String,
    pub(crate) ca_file: String,
    pub(crate) certificate: CertificatePlaces,
    pub(crate) token_file: String,
    pub(crate) gateway_ca_file: String,
}

/// Where `cert_file` and `key_file` are set.
pub(crate) struct CertificatePlaces {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// The text of a configuration file.
pub(crate) struct ConfigText {
    file: PathBuf,
    text: String,
}

impl ConfigText {
    pub(crate) fn new(file: &Path, text: String) -> ConfigText {
        let file = file.to_owned();
        ConfigText { file, text }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What the parser, or the check of a value, found.
    pub(crate) fn refused(&self, error: &toml::de::Error) -> ConfigError {
        self.error(error.span().as_ref(), reason(error.message()))
    }

    /// An error at a place in the file.
    pub(crate) fn error(&self, at: Option<&Range<usize>>, why: String) -> ConfigError {
        let place = self.place(at);
        ConfigError {
            place,
            why,
            denied: None,
        }
    }

    /// A place in the file, with its line: `/etc/cloudhosts/cloudhosts.toml:7`.
    pub(crate) fn place(&self, at: Option<&Range<usize>>) -> String {
        let file = shown(&self.file);
        match at.and_then(|at| self.text.as_bytes().get(..at.start)) {
            Some(before) => {
                let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
                format!("{file}:{line}")
            }
            None => file,
        }
    }

    /// The places while nothing is set: the file as a whole.
    pub(crate) fn places(&self) -> Places {
        Places {
            password_file: self.place(None),
            password_command: self.place(None),
            ca_file: self.place(None),
            token_file: self.place(None),
            gateway_ca_file: self.place(None),
            certificate: CertificatePlaces {
                certificate: self.place(None),
                key: self.place(None),
            },
        }
    }
}
