//! What the configuration means for this program.

use std::ffi::CString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cloudhosts_config::{Config, ConfigError};
use cloudhosts_table::Paths;
use cloudhosts_table::client::LAST_GOOD_NAME;

use crate::answer::Settings;
use crate::zone::{ZoneError, Zones};

/// Reads the configuration, the standard one where `path` is none.
///
/// # Errors
/// It is wrong, or not enough to answer DNS.
pub fn load(path: Option<&Path>) -> Result<(Config, Settings), UnusableConfig> {
    let config = Config::load_without_secrets(path).map_err(UnusableConfig::Wrong)?;
    let settings = settings(&config)?;
    Ok((config, settings))
}

fn settings(config: &Config) -> Result<Settings, UnusableConfig> {
    let domain = config.domain.ok_or(UnusableConfig::NoDomain)?;
    let zones = Zones::new(domain, &config.dns.zones).map_err(UnusableConfig::Zone)?;
    let ttl = config.dns.ttl;
    Ok(Settings { zones, ttl })
}

/// Where the table is to be had. None where the socket's path is too long.
#[must_use]
pub fn paths(config: &Config) -> Option<Paths> {
    let socket = CString::new(config.socket.as_os_str().as_bytes()).ok()?;
    // It is needed until the process ends, and there is one of it.
    let last_good = Box::leak(config.state_dir.join(LAST_GOOD_NAME).into_boxed_path());
    Some(Paths::at(&socket)?.with_last_good(last_good))
}

/// Why DNS can't be answered by this configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnusableConfig {
    /// It is wrong.
    Wrong(ConfigError),
    /// It has no domain.
    NoDomain,
    /// There can't be a zone of that name.
    Zone(ZoneError),
}

impl fmt::Display for UnusableConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnusableConfig::Wrong(error) => error.fmt(f),
            UnusableConfig::NoDomain => f.write_str(
                "there is no domain, and names in DNS are below one; set domain = \
                 \"prod.example.com\" at the top of cloudhosts.toml, where the daemon reads it too",
            ),
            UnusableConfig::Zone(error) => {
                write!(f, "domain and dns.zones: {error}; write another name")
            }
        }
    }
}

impl std::error::Error for UnusableConfig {}
