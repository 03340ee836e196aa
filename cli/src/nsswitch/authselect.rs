//! authselect(8), which generates nsswitch.conf on Fedora, RHEL and the like from a profile
//! and a user file. There the user file is edited.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cloudhosts_config::printable::Escaped;

use super::file::NsswitchFile;
use crate::child;
use crate::outcome::Failure;
use crate::replace_file;

/// The file that authselect generates.
const GENERATED: &str = "/etc/authselect/nsswitch.conf";

/// The file from which it is generated, with the profile.
const USER: &str = "/etc/authselect/user-nsswitch.conf";

/// It writes a dozen small files.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The error where the user file does not set the line.
const SET_BY_PROFILE: &str = "the authselect profile sets the hosts: line, so it must be changed \
    there: create a custom profile (authselect create-profile NAME --base-on PROFILE), run \
    cloudhosts nsswitch enable --file on its nsswitch.conf and select it, or stop using \
    authselect (authselect opt-out)";

/// Whether authselect generates this file.
pub(crate) fn generates(path: &Path) -> bool {
    replace_file::target(path).is_ok_and(|target| target == Path::new(GENERATED))
}

/// The user file, if it sets the `hosts:` line.
///
/// # Errors
/// The profile sets it, or the file can't be read.
pub(crate) fn user_file() -> Result<NsswitchFile, Failure> {
    let file = NsswitchFile::read(Path::new(USER))?;
    if file.has_line() {
        Ok(file)
    } else {
        Err(no_effect())
    }
}

/// Generates nsswitch.conf again.
///
/// # Errors
/// authselect is not installed, fails, or takes too long.
pub(crate) fn apply() -> Result<(), Failure> {
    let mut command = Command::new("authselect");
    let error = match child::run(command.arg("apply-changes"), TIMEOUT) {
        Ok(done) if done.status.success() => return Ok(()),
        Ok(done) => {
            let output = format!("{}{}", done.stdout, done.stderr);
            format!("{} ({})", Escaped(output.trim()), done.status)
        }
        Err(error) => error.to_string(),
    };
    Err(Failure::Failed(format!(
        "{USER} was changed, but authselect apply-changes failed: {error}; fix what it names \
         (authselect check) and run it by hand"
    )))
}

/// The error where the user file has no effect.
pub(crate) fn no_effect() -> Failure {
    Failure::Failed(SET_BY_PROFILE.into())
}
