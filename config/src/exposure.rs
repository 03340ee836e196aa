//! Passwords and tokens that other users can read.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::error::shown;

/// What others may do, as mode bits (inode(7)).
const READ: u32 = 0o004;
const ENTER: u32 = 0o001;

/// A place where other users of this machine can read a password of Redis, or a token.
/// Displays as what is wrong, without the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exposure {
    /// The command line, since every user can list processes. The program has
    /// overwritten it, so it was visible for a moment only.
    CommandLineHidden,
    /// The same, and it cannot be overwritten, for this reason.
    CommandLine(String),
    /// The password file.
    PasswordFile(PathBuf),
    /// The file with the token of a gateway.
    TokenFile(PathBuf),
    /// The configuration, which has the password in `urls`.
    Configuration(PathBuf),
}

impl Exposure {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Exposure::CommandLineHidden | Exposure::CommandLine(_) | Exposure::Configuration(_) => {
                "put the password into a file of its own, and name that by password_file".to_owned()
            }
            Exposure::PasswordFile(path) | Exposure::TokenFile(path) => {
                format!("run: chmod o-rwx {}", shown(path))
            }
        }
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exposure::CommandLineHidden => f.write_str(
                "the password in --redis-url was visible to all users in the list of processes \
                 until it was overwritten",
            ),
            Exposure::CommandLine(why) => write!(
                f,
                "the password in --redis-url is visible to all users in the list of processes \
                 (it cannot be overwritten: {why})"
            ),
            Exposure::PasswordFile(path) => {
                write!(f, "everybody can read the password file {}", shown(path))
            }
            Exposure::TokenFile(path) => {
                write!(
                    f,
                    "everybody can read the file with the token of the gateway, {}",
                    shown(path)
                )
            }
            Exposure::Configuration(path) => write!(
                f,
                "there is a password in urls, and everybody can read {}",
                shown(path)
            ),
        }
    }
}

impl Config {
    /// The files in which others can read a password, as they are now. This
    /// blocks on the disk.
    #[must_use]
    pub fn exposures(&self) -> Vec<Exposure> {
        let mut exposures = Vec::new();
        if let Some(path) = self.redis.password_path()
            && everybody_reads(&path)
        {
            exposures.push(Exposure::PasswordFile(path));
        }
        let token = self
            .gateway
            .as_ref()
            .and_then(|gateway| gateway.token_file.clone());
        exposures.extend(
            token
                .filter(|file| everybody_reads(file))
                .map(Exposure::TokenFile),
        );
        let urls = &self.redis.urls;
        if let Some(file) = &self.urls_from
            && urls.iter().any(|url| url.password.is_some())
            && everybody_reads(file)
        {
            exposures.push(Exposure::Configuration(file.clone()));
        }
        exposures
    }
}

/// Whether the modes of a file, and of the directories above it, let every user
/// read it. False where that cannot be determined.
pub(crate) fn everybody_reads(path: &Path) -> bool {
    let allows = |path: &Path, right: u32| {
        std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & right != 0)
    };
    std::fs::canonicalize(path).is_ok_and(|real| {
        let mut above = real.ancestors().skip(1);
        allows(&real, READ) && above.all(|directory| allows(directory, ENTER))
    })
}
