//! The table `[gateway]`: a gateway to register through, instead of Redis.

use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;

use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use toml::Spanned;

use crate::endpoint::Secret;
use crate::error::{ConfigError, ConfigText, Places};
use crate::gateway_url::GatewayUrl;
use crate::secrets::{self, FileError};
use crate::values::AbsolutePath;

/// The credential of systemd's `LoadCredential=` that holds the secret. The unit we ship sets an
/// empty one where there is no file to load, so an empty one is none.
const CREDENTIAL: &str = "gateway-token";

/// How a gateway is reached, and with which token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayAccess {
    /// Where it is.
    pub url: GatewayUrl,
    /// The file with the secret of the token. It is read again at each connect.
    pub token_file: Option<PathBuf>,
    /// The CA to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}

impl GatewayAccess {
    /// Reads the secret of the token as it is now. None if no file is named, and systemd passes no
    /// credential. This blocks on the disk.
    ///
    /// # Errors
    /// The file can't be used.
    pub fn token(&self) -> Result<Option<Secret>, FileError> {
        let file = self.token_path();
        file.as_deref().map(secrets::read_token).transpose()
    }

    /// The file with the secret. A unit whose user may not read it has systemd's credential.
    fn token_path(&self) -> Option<PathBuf> {
        let readable = |file: &&PathBuf| File::open(file).is_ok();
        let named = self.token_file.as_ref();
        let file = named.filter(readable).cloned();
        file.or_else(|| secrets::credential(CREDENTIAL))
            .or_else(|| named.cloned())
    }

    /// Reads the certificates of `ca_file`. This blocks on the disk.
    ///
    /// # Errors
    /// The file can't be used.
    pub fn authorities(&self) -> Result<Option<Vec<CertificateDer<'static>>>, FileError> {
        let file = self.ca_file.as_deref();
        file.map(secrets::read_authorities).transpose()
    }
}

/// The keys of the table: each may be missing, an unknown one is an error.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GatewayTable {
    url: Option<Spanned<String>>,
    token_file: Option<Spanned<AbsolutePath>>,
    ca_file: Option<Spanned<AbsolutePath>>,
}

impl GatewayTable {
    /// Where a file is named, if one is.
    fn file_at(&self) -> Option<Range<usize>> {
        let files = [&self.token_file, &self.ca_file].into_iter().flatten();
        let mut named = files.filter(|file| file.as_ref().0.is_some());
        named.next().map(Spanned::span)
    }

    /// Overrides the settings with those that are written. A new URL also resets the token, which is
    /// another gateway's; an empty one means that there is no gateway.
    pub(crate) fn put_into(
        self,
        gateway: &mut Option<GatewayAccess>,
        places: &mut Places,
        source: &ConfigText,
    ) -> Result<(), ConfigError> {
        let rest_at = self.file_at();
        if let Some(url) = self.url {
            let read = (!url.as_ref().is_empty()).then(|| GatewayUrl::parse(url.as_ref()));
            let read = read.transpose();
            let read = read.map_err(|why| source.error(Some(&url.span()), why.to_string()))?;
            *gateway = read.map(|url| GatewayAccess {
                url,
                token_file: None,
                ca_file: None,
            });
            (places.token_file, places.gateway_ca_file) = (source.place(None), source.place(None));
        }
        let Some(gateway) = gateway else {
            return match rest_at {
                Some(at) => {
                    let why = "there is no url of a gateway; write one in [gateway], such as \
                               url = \"https://gateway.example.com:8443\"";
                    Err(source.error(Some(&at), why.to_owned()))
                }
                None => Ok(()),
            };
        };
        if let Some(file) = self.token_file {
            places.token_file = source.place(Some(&file.span()));
            gateway.token_file = file.into_inner().0;
        }
        if let Some(file) = self.ca_file {
            places.gateway_ca_file = source.place(Some(&file.span()));
            gateway.ca_file = file.into_inner().0;
        }
        Ok(())
    }
}

/// Checks that both files can be read.
pub(crate) fn check(gateway: &GatewayAccess, places: &Places) -> Result<(), ConfigError> {
    gateway
        .token()
        .map_err(|error| ConfigError::faulty(&places.token_file, error))?;
    gateway
        .authorities()
        .map_err(|error| ConfigError::faulty(&places.gateway_ca_file, error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::Config;

    fn parse(text: &str) -> Result<Config, String> {
        let read = Config::parse(Path::new("/x/c.toml"), text.to_owned());
        read.map(|(config, _)| config)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn without_the_table_or_with_an_empty_url_there_is_none() {
        for text in [
            "",
            "[gateway]\n",
            "[gateway]\nurl = ''\ntoken_file = ''\nca_file = ''\n",
        ] {
            assert_eq!(parse(text).unwrap().gateway, None, "{text}");
        }
        let text = "[gateway]\nurl = 'https://g'\ntoken_file = '/t'\nca_file = '/c'\n";
        let gateway = parse(text).unwrap().gateway.unwrap();
        assert_eq!(gateway.url.to_string(), "https://g");
        assert_eq!(gateway.token_file.as_deref(), Some(Path::new("/t")));
        assert_eq!(gateway.ca_file.as_deref(), Some(Path::new("/c")));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, line) in [
            ("[gateway]\nurl = 'http://g'\n", 2),
            ("[gateway]\nurl = 5\n", 2),
            ("[gateway]\ntoken_file = '/t'\n", 2),
            ("[gateway]\nurl = 'https://g'\ntoken_file = 't'\n", 3),
            ("[gateway]\nurl = 'https://g'\ntoken = 't'\n", 3),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(&format!("/x/c.toml:{line}: ")), "{error}");
        }
    }

    #[test]
    fn a_redis_of_the_command_line_is_asked_itself() {
        let mut config = parse("[gateway]\nurl = 'https://g'\n").unwrap();
        config.override_with(&[], &["a".into()]).unwrap();
        assert!(config.gateway.is_some());
        config.override_with(&["redis://r".into()], &[]).unwrap();
        assert_eq!(config.gateway, None);
    }
}
