//! What `cloudhosts.toml` says that concerns this program.

use std::ffi::CString;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cloudhosts_table::client::{LAST_GOOD_NAME, SOCKET};
use cloudhosts_table::{Name, Paths};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::answer::Settings;
use crate::zone::{ZoneError, Zones};

/// Where the configuration is when no other file is named.
pub const STANDARD: &str = "/etc/cloudhosts/cloudhosts.toml";

/// Longest that an answer may be kept, in seconds: a day.
const LONGEST_TTL: u32 = 86400;

/// All that is to be known before the first question.
#[derive(Debug, Clone)]
pub struct Config {
    /// The addresses to be asked at.
    pub listen: Vec<SocketAddr>,
    /// What is answered.
    pub settings: Settings,
    /// The daemon's socket.
    pub socket: PathBuf,
    /// The directory of the last good table.
    pub state_dir: PathBuf,
}

/// The keys as they are written. Those of other programs are theirs to check.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    domain: String,
    socket: Option<PathBuf>,
    state_dir: Option<PathBuf>,
    #[serde(default)]
    dns: Dns,
}

/// `[dns]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Dns {
    listen: Vec<Listen>,
    ttl: TtlSeconds,
    zones: Vec<ZoneName>,
}

impl Default for Dns {
    fn default() -> Dns {
        Dns {
            listen: vec![Listen(SocketAddr::from(([127, 0, 0, 153], 53)))],
            ttl: TtlSeconds(0),
            zones: Vec::new(),
        }
    }
}

/// An address and a port, such as `127.0.0.153:53`.
struct Listen(SocketAddr);

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Listen, D::Error> {
        let text = String::deserialize(from)?;
        let address: SocketAddr = text.parse().map_err(|_| {
            D::Error::custom(format!(
                "{text:?} is no address with a port; write it as \"127.0.0.153:53\" or \"[::1]:53\""
            ))
        })?;
        // An answer has to come from the address that was asked.
        if address.ip().is_unspecified() || address.ip().is_multicast() {
            return Err(D::Error::custom(format!(
                "{} is no address of this machine; name each that is to be answered at",
                address.ip()
            )));
        }
        Ok(Listen(address))
    }
}

/// Seconds for which an answer may be kept.
struct TtlSeconds(u32);

impl<'de> Deserialize<'de> for TtlSeconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<TtlSeconds, D::Error> {
        let wrong = || {
            D::Error::custom(format!(
                "write a number of seconds from 0 to {LONGEST_TTL}, without quotes"
            ))
        };
        let ttl = u32::deserialize(from).map_err(|_| wrong())?;
        if ttl > LONGEST_TTL {
            return Err(wrong());
        }
        Ok(TtlSeconds(ttl))
    }
}

/// The name of a zone.
struct ZoneName(Name);

impl<'de> Deserialize<'de> for ZoneName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<ZoneName, D::Error> {
        let text = String::deserialize(from)?;
        let name = Name::parse(text.as_bytes());
        let wrong = |error| {
            let example = "write it as \"10.in-addr.arpa\" or \"internal\"";
            D::Error::custom(format!("the zone {text:?}: {error}; {example}"))
        };
        name.map(ZoneName).map_err(wrong)
    }
}

impl Config {
    /// Reads that file, or the standard one.
    ///
    /// # Errors
    /// Names the file, says what is wrong with it and what to do.
    pub fn load(path: Option<&Path>) -> Result<Config, ConfigError> {
        let file = path.unwrap_or(Path::new(STANDARD));
        let error = |why: String| ConfigError {
            file: file.to_owned(),
            why,
        };
        let text = std::fs::read_to_string(file).map_err(|why| {
            error(format!(
                "cannot read the configuration ({why}); see that the file is there, is UTF-8 text \
                 and may be read by this user, or name another with --config"
            ))
        })?;
        Config::parse(&text).map_err(error)
    }

    fn parse(text: &str) -> Result<Config, String> {
        let file: File = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map(|before| 1 + before.matches('\n').count());
            let line = line
                .map(|line| format!("line {line}: "))
                .unwrap_or_default();
            format!("{line}{}", error.message())
        })?;
        if file.domain.is_empty() {
            return Err(
                "there is no domain, and names in DNS are below one; set domain = \
                 \"prod.example.com\", as the daemon is to know it too"
                    .to_owned(),
            );
        }
        let wrong = |error: ZoneError| format!("domain: {error}; write another");
        let domain = Name::parse(file.domain.as_bytes());
        let domain = domain.map_err(|error| wrong(ZoneError::Name(error)))?;
        let others: Vec<Name> = file.dns.zones.iter().map(|zone| zone.0).collect();
        if file.dns.listen.is_empty() {
            return Err("dns.listen is empty; name an address, such as \"127.0.0.153:53\"".into());
        }
        Ok(Config {
            listen: file.dns.listen.iter().map(|listen| listen.0).collect(),
            settings: Settings {
                zones: Zones::new(domain, &others).map_err(wrong)?,
                ttl: file.dns.ttl.0,
            },
            socket: file.socket.unwrap_or_else(|| SOCKET.into()),
            state_dir: file
                .state_dir
                .unwrap_or_else(|| "/var/lib/cloudhosts".into()),
        })
    }

    /// Where the table is to be had. None where the socket's path is too long.
    #[must_use]
    pub fn paths(&self) -> Option<Paths> {
        let socket = CString::new(self.socket.as_os_str().as_bytes()).ok()?;
        // It is needed until the process ends, and there is one of it.
        let last_good = Box::leak(self.state_dir.join(LAST_GOOD_NAME).into_boxed_path());
        Some(Paths::at(&socket)?.with_last_good(last_good))
    }
}

/// What is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: PathBuf,
    why: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display().to_string();
        write!(f, "{}: {}", file.escape_debug(), self.why)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_domain_is_enough() {
        let config = Config::parse("domain = \"prod.example.com\"").unwrap();
        assert_eq!(config.listen, ["127.0.0.153:53".parse().unwrap()]);
        assert_eq!(config.settings.ttl, 0);
        assert_eq!(config.settings.zones.iter().count(), 1);
    }

    #[test]
    fn all_keys() {
        let config = Config::parse(
            "domain = 'Prod.Example.com.'\nhashes = ['x']\nsocket = '/s'\nstate_dir = '/d'\n[dns]\n\
             listen = ['[::1]:5353', '192.0.2.1:53']\nttl = 5\nzones = ['10.in-addr.arpa', 'internal']",
        )
        .unwrap();
        assert_eq!(config.listen.len(), 2);
        assert_eq!(config.settings.ttl, 5);
        let zones: Vec<&str> = config
            .settings
            .zones
            .iter()
            .map(|zone| zone.name())
            .collect();
        assert_eq!(zones, ["prod.example.com", "10.in-addr.arpa", "internal"]);
        assert_eq!(config.socket, Path::new("/s"));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [
            "",
            "domain = ''",
            "domain = 'a b'",
            "domain = '10.in-addr.arpa'",
            "domain = 'a'\n[dns]\nlisten = []",
            "domain = 'a'\n[dns]\nlisten = ['127.0.0.1']",
            "domain = 'a'\n[dns]\nlisten = ['0.0.0.0:53']",
            "domain = 'a'\n[dns]\nttl = -1",
            "domain = 'a'\n[dns]\nttl = 86401",
            "domain = 'a'\n[dns]\nttl = '5s'",
            "domain = 'a'\n[dns]\nzones = ['*.a']",
            "domain = 'a'\n[dns]\nzone = ['b']",
        ] {
            assert!(Config::parse(wrong).is_err(), "{wrong}");
        }
        let error = Config::parse("domain = 'a'\n[dns]\nttl = -1").unwrap_err();
        assert!(error.contains("line 3"), "{error}");
    }
}
