//! Whether a program is there, before it is needed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Access, access};

use crate::escape::Escaped;

/// Where programs are looked for when the environment does not say (execvp(3)).
const STANDARD: &str = "/bin:/usr/bin";

/// Looks for a program as execvp(3) does.
///
/// # Errors
/// There is none of that name, or it can't be run; in words for the operator.
pub(crate) fn find(program: &OsStr) -> Result<(), String> {
    let shown = program.to_string_lossy();
    let shown = Escaped(&shown);
    if program.as_bytes().contains(&b'/') {
        let path = Path::new(program);
        return match path.try_exists() {
            Ok(true) if is_program(path) => Ok(()),
            Ok(true) => Err(format!("{shown} can't be run; is it a program? (chmod +x)")),
            Ok(false) => Err(format!("there is no {shown}")),
            Err(error) => Err(format!("can't look for {shown}: {error}")),
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| STANDARD.into());
    let found = std::env::split_paths(&path).any(|directory| is_program(&directory.join(program)));
    if found {
        Ok(())
    } else {
        Err(format!(
            "there is no program {shown} in PATH; write its whole path"
        ))
    }
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}
