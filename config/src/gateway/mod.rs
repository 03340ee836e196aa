//! The configuration of cloudhosts-gateway, `/etc/cloudhosts/gateway.toml`, and what the gateway
//! and its clients agree on.
//!
//! - [`GatewayConfig`]: the file. [`Token`]: what one client may do. [`Network`]: a range of
//!   addresses. [`Limits`]: bounds for clients.
//! - [`Problem`]: why a request was refused, as a document.

mod limits;
mod network;
mod problem;
mod single_token;
mod token;

use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use toml::Spanned;

use crate::config::Config;
use crate::error::{ConfigError, ConfigText, Places};
use crate::exposure::Exposure;
use crate::paths::GATEWAY_FILE;
use crate::redis_table::RedisTable;
use crate::secrets::{self, CertificateFiles};
use crate::values::{AbsolutePath, Domain, Hashes};

use limits::LimitsTable;
use token::TokenTable;

pub use limits::Limits;
pub use network::{Network, NetworkError};
pub use problem::{Problem, ProblemCode};
pub use token::{AddressRule, SecretHash, Token, TokenVerb};

/// The configuration of the gateway.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// The addresses to listen at. At least one.
    pub listen: Vec<SocketAddr>,
    /// The certificate and its key. Without them all of `listen` are loopback addresses, and HTTP
    /// is spoken there without TLS.
    pub certificate: Option<CertificateFiles>,
    /// The proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<Network>,
    /// How requests are bounded.
    pub limits: Limits,
    /// The tokens, each with a name and a secret of its own.
    pub tokens: Vec<Token>,
    /// The hashes, the domain and the Redis, for registering. All else in it is the default.
    pub registry: Config,
}

/// The file as written. An unknown key is an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GatewayFile {
    listen: Spanned<ListenAddresses>,
    #[serde(default)]
    cert: Option<AbsolutePath>,
    #[serde(default)]
    key: Option<AbsolutePath>,
    #[serde(default)]
    trusted_proxies: Vec<Network>,
    #[serde(default)]
    hashes: Hashes,
    #[serde(default)]
    domain: Domain,
    #[serde(default)]
    limits: LimitsTable,
    #[serde(default)]
    token: Vec<TokenTable>,
    #[serde(default)]
    redis: RedisTable,
}

impl GatewayConfig {
    /// Reads the file, [`GATEWAY_FILE`] where `path` is `None`; and checks that the password of
    /// Redis and its CA can be read.
    ///
    /// # Errors
    /// Names the file and the line, and says what to do.
    pub fn load(path: Option<&Path>) -> Result<GatewayConfig, ConfigError> {
        let (config, places) = read(path)?;
        secrets::check(&config.registry.redis, &places)?;
        Ok(config)
    }

    /// The same without that check.
    ///
    /// # Errors
    /// Names the file and the line, and says what to do.
    pub fn load_without_secrets(path: Option<&Path>) -> Result<GatewayConfig, ConfigError> {
        Ok(read(path)?.0)
    }

    /// The files in which others can read a password of Redis, as they are now. This blocks on the
    /// disk.
    #[must_use]
    pub fn exposures(&self) -> Vec<Exposure> {
        self.registry.exposures()
    }

    fn parse(file: &Path, text: String) -> Result<(GatewayConfig, Places), ConfigError> {
        let source = ConfigText::new(file, text);
        let written: GatewayFile =
            toml::from_str(source.text()).map_err(|error| source.refused(&error))?;
        let certificate = certificate(written.cert, written.key);
        let certificate = certificate.map_err(|why| source.error(None, why.to_owned()))?;
        let at = written.listen.span();
        let listen = written.listen.into_inner().0;
        let everywhere = listen
            .iter()
            .find(|it| !it.ip().to_canonical().is_loopback());
        if let (Some(address), None) = (everywhere, &certificate) {
            let why = format!(
                "without cert and key tokens would cross the network readable at {address}; set \
                 both, or listen at a loopback address such as \"127.0.0.1:8080\""
            );
            return Err(source.error(Some(&at), why));
        }
        let (mut registry, mut places) = Config::parse(file, String::new())?;
        registry.mirrored.clone_from(&written.hashes.0);
        registry.hashes = written.hashes.0;
        registry.domain = written.domain.0;
        written
            .redis
            .put_into(&mut registry.redis, &mut places, &source)?;
        let mut tokens: Vec<Token> = Vec::new();
        for table in written.token {
            let token = table.check(&registry.hashes, &tokens, &source)?;
            tokens.push(token);
        }
        let config = GatewayConfig {
            listen,
            certificate,
            trusted_proxies: written.trusted_proxies,
            limits: written.limits.into(),
            tokens,
            registry,
        };
        Ok((config, places))
    }
}

fn read(path: Option<&Path>) -> Result<(GatewayConfig, Places), ConfigError> {
    let file = path.unwrap_or(Path::new(GATEWAY_FILE));
    let text =
        std::fs::read_to_string(file).map_err(|error| ConfigError::unreadable(file, &error))?;
    GatewayConfig::parse(file, text)
}

/// Both files or none.
fn certificate(
    certificate: Option<AbsolutePath>,
    key: Option<AbsolutePath>,
) -> Result<Option<CertificateFiles>, &'static str> {
    let path = |written: Option<AbsolutePath>| written.and_then(|path| path.0);
    match (path(certificate), path(key)) {
        (Some(certificate), Some(key)) => Ok(Some(CertificateFiles { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err("there is cert without key; name the file of its key"),
        (None, Some(_)) => Err("there is key without cert; name the file of its certificate"),
    }
}

/// `listen`, checked.
struct ListenAddresses(Vec<SocketAddr>);

impl<'de> Deserialize<'de> for ListenAddresses {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<ListenAddresses, D::Error> {
        let how = "a list of addresses with their ports, such as [\"[::]:8443\"]";
        let wrong = |why: &str| D::Error::custom(format!("{why}; write {how}"));
        let texts: Vec<String> =
            Vec::deserialize(from).map_err(|_| wrong("this is no list of text"))?;
        if texts.is_empty() {
            return Err(wrong("there must be at least one address"));
        }
        let mut listen: Vec<SocketAddr> = Vec::new();
        for text in texts {
            let address: SocketAddr = text
                .parse()
                .map_err(|_| wrong(&format!("{text:?} is no address with a port")))?;
            if listen.contains(&address) {
                return Err(wrong(&format!("{address} is there twice")));
            }
            listen.push(address);
        }
        Ok(ListenAddresses(listen))
    }
}

#[cfg(test)]
mod tests;
