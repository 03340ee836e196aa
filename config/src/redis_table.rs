//! The table `[redis]` as it is written in a file.

use std::mem::take;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use crate::config::Redis;
use crate::endpoint::Endpoint;
use crate::error::{CertificatePlaces, ConfigError, ConfigText, Places};
use crate::password_command::PasswordCommandList;
use crate::secrets::CertificateFiles;
use crate::values::{AbsolutePath, Interval, SchemeText, ServerNameText, Urls, UrlsError};

/// The keys of the table: each may be missing, an unknown one is an error.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RedisTable {
    urls: Option<Spanned<Urls>>,
    username: Option<String>,
    password_file: Option<Spanned<AbsolutePath>>,
    password_command: Option<Spanned<PasswordCommandList>>,
    ca_file: Option<Spanned<AbsolutePath>>,
    cert_file: Option<Spanned<AbsolutePath>>,
    key_file: Option<Spanned<AbsolutePath>>,
    server_name: Option<ServerNameText>,
    sentinel: Option<Spanned<String>>,
    master_scheme: Option<Spanned<SchemeText>>,
    connect_timeout: Option<Interval>,
}

impl RedisTable {
    /// Overrides the settings with those that are written. A new user name also
    /// resets the password, since the previous one is another user's.
    pub(crate) fn put_into(
        self,
        redis: &mut Redis,
        places: &mut Places,
        source: &ConfigText,
    ) -> Result<(), ConfigError> {
        if self.username.is_some() {
            (redis.password_file, redis.password_command) = (None, None);
            places.password_file = source.place(None);
            places.password_command = source.place(None);
        }
        if let Some(username) = self.username {
            redis.username = some(username);
            for url in &mut redis.urls {
                (url.username, url.password) = (None, None);
            }
        }
        let command_at = self.password_command.as_ref().map(Spanned::span);
        let command = self.password_command.map(Spanned::into_inner);
        let command = command.map(|command| command.0);
        if let Some(file) = self.password_file {
            places.password_file = source.place(Some(&file.span()));
            redis.password_file = file.into_inner().0;
            if redis.password_file.is_some() {
                if matches!(command, Some(Some(_))) {
                    let why = "there is a password_file, too: remove one of the two";
                    return Err(source.error(command_at.as_ref(), why.to_owned()));
                }
                redis.password_command = None;
            }
        }
        if let Some(command) = command {
            places.password_command = source.place(command_at.as_ref());
            if command.is_some() {
                redis.password_file = None;
            }
            redis.password_command = command;
        }
        if let Some(file) = self.ca_file {
            places.ca_file = source.place(Some(&file.span()));
            redis.ca_file = file.into_inner().0;
        }
        if let Some(certificate) = certificate(self.cert_file, self.key_file, source)? {
            places.certificate = certificate.place;
            redis.certificate = certificate.files;
        }
        if let Some(name) = self.server_name {
            redis.server_name = name.0;
        }
        if let Some(time) = self.connect_timeout {
            redis.connect_timeout = time.0;
        }
        if let Some(sentinel) = self.sentinel {
            redis.sentinel = some(sentinel.into_inner());
        }
        let scheme_at = self.master_scheme.as_ref().map(Spanned::span);
        if let Some(scheme) = self.master_scheme {
            redis.master_tls = scheme.into_inner().tls();
        }
        if redis.sentinel.is_none() && redis.master_tls.take().is_some() && scheme_at.is_some() {
            let why = "master_scheme is for the Redis that sentinels name: set `sentinel`, or \
                       write the scheme in urls";
            return Err(source.error(scheme_at.as_ref(), why.to_owned()));
        }
        let urls_at = self.urls.as_ref().map(Spanned::span);
        if let Some(urls) = self.urls {
            let refused = |(at, error): (Option<Range<usize>>, UrlsError)| {
                source.error(at.as_ref().or(urls_at.as_ref()), error.to_string())
            };
            redis.urls = urls.into_inner().check().map_err(refused)?;
        }
        if redis.sentinel.is_some() {
            redis.urls = sentinels(take(&mut redis.urls))
                .map_err(|error| source.error(urls_at.as_ref(), error.to_string()))?;
        }
        Ok(())
    }

    /// Whether `urls` is set.
    pub(crate) fn has_urls(&self) -> bool {
        self.urls.is_some()
    }

    /// Whether `password_file` is set.
    pub(crate) fn has_password_file(&self) -> bool {
        self.password_file.is_some()
    }

    /// Where `sentinel` is set, if it is.
    pub(crate) fn sentinel_at(&self) -> Option<Range<usize>> {
        self.sentinel.as_ref().map(Spanned::span)
    }
}

/// The client certificate as a table sets it.
struct WrittenCertificate {
    /// None if it is set to none.
    files: Option<CertificateFiles>,
    place: CertificatePlaces,
}

/// The client certificate, where a table sets one. It is set as a whole: a certificate fits no key but
/// its own.
fn certificate(
    cert_file: Option<Spanned<AbsolutePath>>,
    key_file: Option<Spanned<AbsolutePath>>,
    source: &ConfigText,
) -> Result<Option<WrittenCertificate>, ConfigError> {
    let at = |file: &Option<Spanned<AbsolutePath>>| file.as_ref().map(Spanned::span);
    let (cert_at, key_at) = (at(&cert_file), at(&key_file));
    if cert_at.is_none() && key_at.is_none() {
        return Ok(None);
    }
    let path = |file: Option<Spanned<AbsolutePath>>| file.and_then(|file| file.into_inner().0);
    let files = match (path(cert_file), path(key_file)) {
        (Some(certificate), Some(key)) => Some(CertificateFiles { certificate, key }),
        (None, None) => None,
        (Some(_), None) => {
            let why = "cert_file needs key_file beside it, the file with the key of the certificate \
                       (it may be the same file)";
            return Err(source.error(cert_at.as_ref(), why.to_owned()));
        }
        (None, Some(_)) => {
            let why = "key_file needs cert_file beside it, the file with the certificate for the key \
                       (it may be the same file)";
            return Err(source.error(key_at.as_ref(), why.to_owned()));
        }
    };
    let place = CertificatePlaces {
        certificate: source.place(cert_at.as_ref()),
        key: source.place(key_at.as_ref()),
    };
    Ok(Some(WrittenCertificate { files, place }))
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// The URLs as those of sentinels.
pub(crate) fn sentinels(urls: Vec<Endpoint>) -> Result<Vec<Endpoint>, UrlsError> {
    if urls.iter().any(Endpoint::is_unix) {
        return Err(UrlsError::SentinelOverUnix);
    }
    Ok(urls.into_iter().map(Endpoint::into_sentinel).collect())
}
