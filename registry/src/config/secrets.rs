//! The files the configuration names: the password and the CA.

use super::Redis;
use super::error::{ConfigError, Places, RUN_AS_ANOTHER, shown};
use crate::connect::Secret;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Most bytes of a password file or a CA file that are read.
const MOST: u64 = 4 * 1024 * 1024;

/// The credential of systemd's `LoadCredential=` that holds the password. The unit we ship sets an
/// empty one where there is no file to load, so an empty one is none.
const CREDENTIAL: &str = "redis-password";

/// Whose file the password file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PasswordReader {
    /// `cloudhosts.toml` names it, and the daemon can read it.
    Daemon,
    /// `register.toml` names it, for people. A unit whose user is not one of
    /// them has systemd's credential.
    Registrar,
}

impl Redis {
    /// The file the password is in, if there is one.
    pub(super) fn password_path(&self) -> Option<PathBuf> {
        match &self.password_file {
            Some(file) => match self.password_reader {
                PasswordReader::Registrar if File::open(file).is_err() => {
                    credential().or_else(|| Some(file.clone()))
                }
                PasswordReader::Registrar | PasswordReader::Daemon => Some(file.clone()),
            },
            None => credential(),
        }
    }

    /// Reads the password as it is now. This blocks on the disk.
    pub(crate) fn password(&self) -> Result<Option<Secret>, String> {
        let Some(path) = self.password_path() else {
            return Ok(None);
        };
        let refuse = |why: &str| {
            format!(
                "password_file {}: {why}; put the password there, readable for this user",
                shown(&path)
            )
        };
        let bytes = read(&path).map_err(|error| match self.password_reader {
            PasswordReader::Registrar if error.kind() == ErrorKind::PermissionDenied => {
                format!("password_file {}: {error}; {RUN_AS_ANOTHER}", shown(&path))
            }
            PasswordReader::Registrar | PasswordReader::Daemon => refuse(&error.to_string()),
        })?;
        let text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8 text"))?;
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(refuse("it is empty")),
            password => Ok(Some(Secret::new(password.to_owned()))),
        }
    }

    /// Reads the certificates of `ca_file`. This blocks on the disk.
    pub(crate) fn authorities(&self) -> Result<Option<Vec<CertificateDer<'static>>>, String> {
        let Some(path) = &self.ca_file else {
            return Ok(None);
        };
        let refuse = |why: &str| {
            format!(
                "ca_file {}: {why}; name a PEM file with the CA's certificate, \
                 readable for this user",
                shown(path)
            )
        };
        let bytes = read(path).map_err(|error| refuse(&error.to_string()))?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        match found {
            Ok(found) if found.is_empty() => Err(refuse("it holds no certificate")),
            Ok(found) => Ok(Some(found)),
            Err(_) => Err(refuse("it is not PEM")),
        }
    }
}

/// The file of systemd's credential, if there is one.
fn credential() -> Option<PathBuf> {
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY")?;
    let file = Path::new(&directory).join(CREDENTIAL);
    (!is_blank(&file)).then_some(file)
}

/// Whether there is no such file, or nothing in it. One that cannot be read is not blank.
fn is_blank(path: &Path) -> bool {
    match read(path) {
        Ok(bytes) => bytes.trim_ascii().is_empty(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Sees that both files can be read.
pub(super) fn check(redis: &Redis, places: &Places) -> Result<(), ConfigError> {
    redis
        .password()
        .map_err(|why| ConfigError::at(&places.password_file, why))?;
    redis
        .authorities()
        .map_err(|why| ConfigError::at(&places.ca_file, why))?;
    Ok(())
}
