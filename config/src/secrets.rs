//! The files the configuration names: the password, the CA and the client certificate.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use crate::config::Config;
use crate::config::Redis;
use crate::endpoint::Secret;
use crate::error::{ConfigError, Places, RUN_AS_ANOTHER, shown};
use crate::exposure::everybody_reads;
use crate::unit::{Credential, Unit};

/// Most bytes of a password file or a CA file that are read.
const MOST: u64 = 4 * 1024 * 1024;

/// The credential of systemd's `LoadCredential=` that holds the password. The unit we ship sets an
/// empty one where there is no file to load, so an empty one is none.
pub(crate) const CREDENTIAL: &str = "redis-password";

/// Where systemd puts the credentials of the running unit.
const RUNNING: &str = "/run/credentials/cloudhosts-cached.service";

/// A file that the configuration names, and that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{key} {}: {why}; {remedy}", shown(path))]
pub struct FileError {
    /// What is wrong with the file.
    pub code: FileErrorCode,
    /// Which file.
    pub path: PathBuf,
    /// The key that names it.
    pub(crate) key: &'static str,
    /// What is wrong with it, and what to do.
    pub(crate) why: String,
    pub(crate) remedy: &'static str,
}

/// What is wrong with a file that can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileErrorCode {
    /// This user may not read it.
    Denied,
    /// It is missing, or its content is not what it should be.
    Unusable,
}

impl From<&io::Error> for FileErrorCode {
    fn from(error: &io::Error) -> FileErrorCode {
        match error.kind() {
            io::ErrorKind::PermissionDenied => FileErrorCode::Denied,
            _ => FileErrorCode::Unusable,
        }
    }
}

/// The password that the unit passes to the daemon, for another program that
/// connects to Redis as the daemon does.
#[derive(Debug, Clone)]
pub(crate) struct AdoptedPassword {
    /// The file that it comes from.
    path: PathBuf,
    password: Secret,
}

/// Who reads the password file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PasswordReader {
    /// `cloudhosts.toml` names it, and the daemon can read it.
    Daemon,
    /// `register.toml` names it, for people. A unit whose user is not one of
    /// them has systemd's credential.
    Registrar,
}

/// A certificate and its key: `cert_file` and `key_file` of a client, `cert` and `key` of the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, with those of intermediate authorities behind it.
    pub certificate: PathBuf,
    /// Its key, which other users may not read.
    pub key: PathBuf,
}

/// A client certificate with its key, as the files have them now. Whether they fit is not checked.
#[derive(Debug)]
pub struct ClientCertificate {
    /// The certificate, with those of intermediate authorities behind it.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

impl CertificateFiles {
    /// Reads both. This blocks on the disk.
    ///
    /// # Errors
    /// One of the files can't be used.
    pub fn read(&self) -> Result<ClientCertificate, FileError> {
        Ok(ClientCertificate {
            chain: self.chain()?,
            key: self.key()?,
        })
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, FileError> {
        certificates(
            &self.certificate,
            "cert_file",
            "name a PEM file with the certificate of this client, readable for this user",
        )
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, FileError> {
        let refuse = |code, why: &str, remedy| FileError {
            code,
            path: self.key.clone(),
            key: "key_file",
            why: why.to_owned(),
            remedy,
        };
        let readable =
            "name a PEM file with the unencrypted key of cert_file, readable for this user";
        let bytes = read(&self.key)
            .map_err(|error| refuse((&error).into(), &error.to_string(), readable))?;
        if everybody_reads(&self.key) {
            let why = "every user of this machine can read the key";
            let remedy = "take that right from the others (chmod o-rwx); if they may have used it, \
                          have a new key certified";
            return Err(refuse(FileErrorCode::Unusable, why, remedy));
        }
        PrivateKeyDer::from_pem_slice(&bytes)
            .map_err(|_| refuse(FileErrorCode::Unusable, "it holds no key in PEM", readable))
    }

    /// That the key is not that of the certificate, or of a kind that can't be used.
    #[must_use]
    pub fn mismatch(&self, why: &str) -> FileError {
        FileError {
            code: FileErrorCode::Unusable,
            path: self.key.clone(),
            key: "key_file",
            why: format!(
                "it does not fit cert_file {} ({why})",
                shown(&self.certificate)
            ),
            remedy: "put the key of that certificate there, RSA, ECDSA or Ed25519",
        }
    }
}

/// Reads the certificates of a PEM file that this key names.
fn certificates(
    path: &Path,
    key: &'static str,
    remedy: &'static str,
) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let refuse = |code, why: &str| FileError {
        code,
        path: path.to_owned(),
        key,
        why: why.to_owned(),
        remedy,
    };
    let bytes = read(path).map_err(|error| refuse((&error).into(), &error.to_string()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(refuse(FileErrorCode::Unusable, "it holds no certificate"))
        }
        Ok(found) => Ok(found),
        Err(_) => Err(refuse(FileErrorCode::Unusable, "it is not PEM")),
    }
}

impl Redis {
    /// The file the password is in, if there is one.
    pub(crate) fn password_path(&self) -> Option<PathBuf> {
        if self.password_command.is_some() {
            return None;
        }
        match &self.password_file {
            Some(file) => match self.password_reader {
                PasswordReader::Registrar if File::open(file).is_err() => {
                    credential(CREDENTIAL).or_else(|| Some(file.clone()))
                }
                PasswordReader::Registrar | PasswordReader::Daemon => Some(file.clone()),
            },
            None => credential(CREDENTIAL).or_else(|| Some(self.adopted.as_ref()?.path.clone())),
        }
    }

    /// Whether there is a password.
    fn has_password(&self) -> bool {
        self.password_command.is_some()
            || self.password_path().is_some()
            || self.urls.iter().any(|url| url.password.is_some())
    }

    /// Reads the password as it is now in its file, if there is one: with `password_command` there is
    /// none. This blocks on the disk.
    ///
    /// # Errors
    /// The file can't be used.
    pub fn password(&self) -> Result<Option<Secret>, FileError> {
        let Some(path) = self.password_path() else {
            return Ok(None);
        };
        match &self.adopted {
            // This user may not be able to read the file.
            Some(handed) if handed.path == path => Ok(Some(handed.password.clone())),
            _ => read_password(&path, self.password_reader).map(Some),
        }
    }

    /// Reads the certificates of `ca_file`. This blocks on the disk.
    ///
    /// # Errors
    /// The file can't be used.
    pub fn authorities(&self) -> Result<Option<Vec<CertificateDer<'static>>>, FileError> {
        self.ca_file.as_deref().map(read_authorities).transpose()
    }
}

impl Config {
    /// Adopts the password that the installed unit passes to the daemon as a
    /// credential, if the configuration names no password file and this user may
    /// read the credential. This blocks on the disk.
    pub fn adopt_credential(&mut self, unit: &Unit) {
        if self.redis.password_path().is_some() || self.redis.password_command.is_some() {
            return;
        }
        let mut files = vec![Path::new(RUNNING).join(CREDENTIAL)];
        if let Some(Credential::File(file)) = &unit.credential {
            files.push(file.clone());
        }
        let handed = files.into_iter().find_map(|path| {
            let password = read_password(&path, PasswordReader::Daemon).ok()?;
            Some(AdoptedPassword { path, password })
        });
        // Warnings name the file that an administrator wrote.
        let source = match &unit.credential {
            Some(Credential::File(file)) if File::open(file).is_ok() => Some(file.clone()),
            _ => None,
        };
        self.redis.adopted = handed.map(|handed| AdoptedPassword {
            path: source.unwrap_or(handed.path),
            password: handed.password,
        });
    }

    /// Whether there is a user name without a password, which no Redis accepts. The
    /// unit may still pass one to the daemon.
    #[must_use]
    pub fn lacks_password(&self) -> bool {
        let named = self.redis.urls.iter().any(|url| url.username.is_some());
        (named || self.redis.username.is_some()) && !self.redis.has_password()
    }
}

/// Reads the certificates of a CA from a file.
pub(crate) fn read_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let remedy = "name a PEM file with the CA's certificate, readable for this user";
    certificates(path, "ca_file", remedy)
}

/// Reads the password from a file.
fn read_password(path: &Path, reader: PasswordReader) -> Result<Secret, FileError> {
    read_secret(path, |code, why| FileError {
        code,
        path: path.to_owned(),
        key: "password_file",
        why,
        remedy: match (reader, code) {
            (PasswordReader::Registrar, FileErrorCode::Denied) => RUN_AS_ANOTHER,
            _ => "put the password there, readable for this user",
        },
    })
}

/// Reads the secret of a gateway's token from a file. It goes into a header of HTTP, so it is one
/// printable word.
pub(crate) fn read_token(path: &Path) -> Result<Secret, FileError> {
    let refuse = |code, why| FileError {
        code,
        path: path.to_owned(),
        key: "token_file",
        why,
        remedy: match code {
            FileErrorCode::Denied => RUN_AS_ANOTHER,
            FileErrorCode::Unusable => {
                "put the secret there that `cloudhosts gateway-token` printed, alone on one line"
            }
        },
    };
    let token = read_secret(path, refuse)?;
    if token.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(token)
    } else {
        let why = "it is not one word".to_owned();
        Err(refuse(FileErrorCode::Unusable, why))
    }
}

/// Reads a secret from a file.
fn read_secret(
    path: &Path,
    refuse: impl Fn(FileErrorCode, String) -> FileError,
) -> Result<Secret, FileError> {
    let unusable = |why: &str| refuse(FileErrorCode::Unusable, why.to_owned());
    let bytes = read(path).map_err(|error| refuse((&error).into(), error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| unusable("it is not UTF-8 text"))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(unusable("it is empty")),
        secret => Ok(Secret::new(secret.to_owned())),
    }
}

/// The file of systemd's credential of this name, if there is one.
pub(crate) fn credential(name: &str) -> Option<PathBuf> {
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY")?;
    let file = Path::new(&directory).join(name);
    (!is_blank(&file)).then_some(file)
}

/// Whether there is no such file, or nothing in it. One that cannot be read is not blank.
fn is_blank(path: &Path) -> bool {
    match read(path) {
        Ok(bytes) => bytes.trim_ascii().is_empty(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Checks that the files can be read.
pub(crate) fn check(redis: &Redis, places: &Places) -> Result<(), ConfigError> {
    redis
        .password()
        .map_err(|error| ConfigError::faulty(&places.password_file, error))?;
    if let Some(command) = &redis.password_command {
        command
            .check()
            .map_err(|error| ConfigError::faulty(&places.password_command, error))?;
    }
    redis
        .authorities()
        .map_err(|error| ConfigError::faulty(&places.ca_file, error))?;
    if let Some(files) = &redis.certificate {
        let at = &places.certificate;
        files
            .chain()
            .map_err(|error| ConfigError::faulty(&at.certificate, error))?;
        files
            .key()
            .map_err(|error| ConfigError::faulty(&at.key, error))?;
    }
    Ok(())
}
