//! What the configuration means for this program.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use cloudhosts_config::ConfigError;
use cloudhosts_config::gateway::{GatewayConfig, Limits, Network};
use cloudhosts_table::Name;
use thiserror::Error;

use crate::certificate::{Certificate, CertificateError};
use crate::rate::Rate;
use crate::tokens::Tokens;
use crate::writer::Writer;

/// How much more often than one token one address may ask.
const ADDRESS_FACTOR: u32 = 4;

/// Everything that a request is decided by. It is replaced as a whole.
#[derive(Debug)]
pub struct Settings {
    pub(crate) limits: Limits,
    pub(crate) token_rate: Rate,
    pub(crate) address_rate: Rate,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) domain: Option<Name>,
    pub(crate) tokens: Tokens,
    pub(crate) certificate: Option<Certificate>,
    pub(crate) writer: Writer,
}

/// Why the gateway can't run by this configuration.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The certificate can't be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl Settings {
    /// Reads the configuration and the certificate.
    ///
    /// # Errors
    /// They can't be used.
    pub fn load(path: Option<&Path>) -> Result<(GatewayConfig, Settings), SettingsError> {
        let config = GatewayConfig::load(path)?;
        let settings = Settings::new(&config)?;
        Ok((config, settings))
    }

    fn new(config: &GatewayConfig) -> Result<Settings, SettingsError> {
        let certificate = config.certificate.clone().map(Certificate::load);
        let limits = config.limits.clone();
        let factor = f64::from(ADDRESS_FACTOR);
        let burst = limits.burst.saturating_mul(ADDRESS_FACTOR);
        Ok(Settings {
            token_rate: Rate::new(limits.rate, limits.burst),
            address_rate: Rate::new(limits.rate * factor, burst),
            trusted_proxies: config.trusted_proxies.clone(),
            domain: config.registry.domain,
            tokens: Tokens::new(config.tokens.clone()),
            certificate: certificate.transpose()?,
            writer: Writer::new(Arc::new(config.registry.clone())),
            limits,
        })
    }

    /// Whether connections are encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.certificate.is_some()
    }

    /// Whether this is the address of a proxy.
    pub(crate) fn is_proxy(&self, address: IpAddr) -> bool {
        self.trusted_proxies
            .iter()
            .any(|network| network.contains(address))
    }
}
