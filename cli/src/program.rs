//! Finding a program before it is needed.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cloudhosts_config::printable::Escaped;
use rustix::fs::{Access, access};

/// The search path if PATH is not set (execvp(3)).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Why a program can't be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    #[error("{} can't be run; is it a program? (chmod +x)", Escaped(.0))]
    NotExecutable(String),
    #[error("there is no {}", Escaped(.0))]
    NotFound(String),
    #[error("there is no program {} in PATH; use its full path", Escaped(.0))]
    NotInPath(String),
    #[error("can't look for {}: {}", Escaped(.0), .1)]
    Unknown(String, io::Error),
}

/// Looks for a program as execvp(3) does.
///
/// # Errors
/// There is none of that name, or it can't be run.
pub(crate) fn find(program: &OsStr) -> Result<(), ProgramError> {
    let name = program.to_string_lossy().into_owned();
    if program.as_bytes().contains(&b'/') {
        let path = Path::new(program);
        return match path.try_exists() {
            Ok(true) if is_program(path) => Ok(()),
            Ok(true) => Err(ProgramError::NotExecutable(name)),
            Ok(false) => Err(ProgramError::NotFound(name)),
            Err(error) => Err(ProgramError::Unknown(name, error)),
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    let found = std::env::split_paths(&path).any(|directory| is_program(&directory.join(program)));
    if found {
        Ok(())
    } else {
        Err(ProgramError::NotInPath(name))
    }
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}
