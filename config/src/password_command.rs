//! `password_command`: the command whose output is the password.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::printable::Quoted;
use crate::secrets::{FileError, FileErrorCode};

/// A program and its arguments, executed without a shell.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PasswordCommand {
    program: String,
    arguments: Vec<String>,
}

impl PasswordCommand {
    /// The absolute path of the program.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Its arguments, each as it is written.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// The program, fit for printing. The arguments are not shown: they may have secrets in them.
    #[must_use]
    pub fn shown(&self) -> impl fmt::Display + '_ {
        Quoted(self.program.as_bytes())
    }

    /// Checks that there is such a program. This blocks on the disk.
    pub(crate) fn check(&self) -> Result<(), FileError> {
        let path = Path::new(&self.program);
        let refuse = |code, why: &str| FileError {
            code,
            path: path.to_owned(),
            key: "password_command",
            why: why.to_owned(),
            remedy: "name a program that this user may execute",
        };
        let found = path
            .metadata()
            .map_err(|error| refuse((&error).into(), &error.to_string()))?;
        if found.is_file() && found.permissions().mode() & 0o111 != 0 {
            Ok(())
        } else {
            Err(refuse(FileErrorCode::Unusable, "it is no program"))
        }
    }
}

/// The list as written; an empty one is none.
pub(crate) struct PasswordCommandList(pub(crate) Option<PasswordCommand>);

impl<'de> Deserialize<'de> for PasswordCommandList {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<PasswordCommandList, D::Error> {
        let how =
            "a list of the program and its arguments, such as [\"/usr/local/bin/token\", \"-q\"]";
        let words: Vec<String> = Vec::deserialize(from)
            .map_err(|_| D::Error::custom(format!("there is no shell; write {how}")))?;
        if words.iter().any(|word| word.contains('\0')) {
            return Err(D::Error::custom("an argument has a NUL in it"));
        }
        let mut words = words.into_iter();
        let Some(program) = words.next() else {
            return Ok(PasswordCommandList(None));
        };
        if !program.starts_with('/') {
            let why = "the program must be an absolute path, as PATH is not searched; write";
            return Err(D::Error::custom(format!("{why} {how}")));
        }
        Ok(PasswordCommandList(Some(PasswordCommand {
            program,
            arguments: words.collect(),
        })))
    }
}
