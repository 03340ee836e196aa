//! Where authselect(8) writes nsswitch.conf (Fedora, RHEL and their kin), an edit
//! belongs into its user file: it makes the other anew from that and the profile.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::file::NsswitchFile;
use crate::atomic_file;
use crate::child;
use crate::escape::Escaped;
use crate::outcome::Failure;

/// What authselect makes.
const MADE: &str = "/etc/authselect/nsswitch.conf";

/// What it makes that from, with the profile.
pub(crate) const USER: &str = "/etc/authselect/user-nsswitch.conf";

/// It writes a dozen small files.
const LIMIT: Duration = Duration::from_secs(60);

/// What to do where the user file does not decide the line.
const PROFILE: &str = "the authselect profile sets the hosts: line itself, so it must be changed \
    there: make a profile of your own (authselect create-profile NAME --base-on PROFILE), run \
    cloudhosts nsswitch enable --file on its nsswitch.conf and select it, or end authselect's \
    part in it (authselect opt-out)";

/// Whether authselect makes this file.
pub(crate) fn makes(path: &Path) -> bool {
    atomic_file::target(path).is_ok_and(|target| target == Path::new(MADE))
}

/// The user file, when the `hosts:` line is its to set.
///
/// # Errors
/// The profile sets it, or the file can't be read.
pub(crate) fn user_file() -> Result<NsswitchFile, Failure> {
    let file = NsswitchFile::read(Path::new(USER))?;
    match file.has_line() {
        true => Ok(file),
        false => Err(Failure::Failed(PROFILE.into())),
    }
}

/// Has nsswitch.conf made anew.
///
/// # Errors
/// authselect is not there, refuses, or takes too long.
pub(crate) fn apply() -> Result<(), Failure> {
    let mut command = Command::new("authselect");
    let told = match child::run(command.arg("apply-changes"), LIMIT) {
        Ok(done) if done.status.success() => return Ok(()),
        Ok(done) => {
            let said = format!("{}{}", done.stdout, done.stderr);
            format!("{} ({})", Escaped(said.trim()), done.status)
        }
        Err(error) => error.to_string(),
    };
    Err(Failure::Failed(format!(
        "{USER} is changed, but authselect apply-changes failed: {told}; \
         mend what it names (authselect check) and run it by hand"
    )))
}

/// What to say when the user file was changed and applied, to no effect.
pub(crate) fn no_effect() -> Failure {
    Failure::Failed(PROFILE.into())
}
