//! Where a Redis is and how to log in, read from a URL.

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use thiserror::Error;
use url::{Host, Url};

use crate::printable::{Quoted, reason};

/// The port of a Redis whose URL names none.
const REDIS_PORT: u16 = 6379;

/// The port of a sentinel whose URL names none.
const SENTINEL_PORT: u16 = 26379;

/// Most bytes of the path of a Unix socket: `sun_path` without its NUL, unix(7).
pub(crate) const MAX_SOCKET_PATH: usize = 107;

/// A password. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// This password.
    #[must_use]
    pub fn new(secret: String) -> Secret {
        Secret(secret)
    }

    /// The password itself, for Redis alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// How to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Over TCP, inside TLS or plain.
    Tcp {
        /// A name or an address, without brackets.
        host: String,
        /// As written in the URL.
        port: Option<u16>,
        /// Inside TLS.
        tls: bool,
    },
    /// Over a Unix socket.
    Unix(PathBuf),
}

/// One of the configured `urls`. Displays without user and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// How to reach it.
    pub address: Address,
    /// The database to `SELECT`.
    pub db: u32,
    /// Who to log in as, where the URL says.
    pub username: Option<String>,
    /// With which password, where the URL says.
    pub password: Option<Secret>,
}

impl Endpoint {
    /// Reads `redis://`, `rediss://` (TLS), `redis+unix://` or `unix://`.
    ///
    /// `redis://[[user]:password@]host[:port][/db]` and
    /// `redis+unix:///path[?db=N&user=NAME&pass=PASSWORD]`; what a URL cannot
    /// hold is percent-encoded.
    ///
    /// # Errors
    /// Says what is wrong and how it should be written, without the password.
    pub fn parse(text: &str) -> Result<Endpoint, EndpointError> {
        let url = Url::parse(text).map_err(|error| EndpointError::Syntax(error.to_string()))?;
        if url.fragment().is_some() {
            return Err(EndpointError::Fragment);
        }
        match url.scheme() {
            "redis" | "rediss" => tcp(&url),
            "redis+unix" | "unix" => unix(&url),
            scheme => Err(EndpointError::Scheme(scheme.to_owned())),
        }
    }

    /// The host that is connected to, a name or an address; none for a Unix socket.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match &self.address {
            Address::Tcp { host, .. } => Some(host),
            Address::Unix(_) => None,
        }
    }

    /// Whether this is a Unix socket.
    pub(crate) fn is_unix(&self) -> bool {
        matches!(self.address, Address::Unix(_))
    }

    /// The same with TLS, or without; none where it is so already, or is a Unix
    /// socket.
    #[must_use]
    pub fn spoken_to(&self, in_tls: bool) -> Option<Endpoint> {
        let mut other = self.clone();
        match &mut other.address {
            Address::Tcp { tls, .. } if *tls != in_tls => *tls = in_tls,
            Address::Tcp { .. } | Address::Unix(_) => return None,
        }
        Some(other)
    }

    /// The same for a sentinel: another port, where none was written.
    pub(crate) fn into_sentinel(mut self) -> Endpoint {
        if let Address::Tcp { port, .. } = &mut self.address {
            port.get_or_insert(SENTINEL_PORT);
        }
        self
    }

    /// The same at another host and port; an empty host is the same one. None if that is a Unix
    /// socket's, which has none.
    #[must_use]
    pub fn elsewhere(&self, host: &str, port: u16) -> Option<Endpoint> {
        let host = match host {
            "" => self.host()?,
            host => host,
        };
        Some(Endpoint {
            address: Address::Tcp {
                host: host.to_owned(),
                port: Some(port),
                tls: self.is_tls(),
            },
            ..self.clone()
        })
    }

    /// Whether it is reached inside TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.address, Address::Tcp { tls: true, .. })
    }

    /// The master this sentinel named, inside TLS or not: in the database its URL names, with the
    /// credentials of the configuration.
    #[must_use]
    pub fn master_at(&self, host: String, port: u16, tls: bool) -> Endpoint {
        Endpoint {
            address: Address::Tcp {
                host,
                port: Some(port),
                tls,
            },
            db: self.db,
            username: None,
            password: None,
        }
    }
}

/// The port to connect to.
#[must_use]
pub fn port_or_default(port: Option<u16>) -> u16 {
    port.unwrap_or(REDIS_PORT)
}

fn tcp(url: &Url) -> Result<Endpoint, EndpointError> {
    let host = match url.host() {
        Some(Host::Domain(host)) if !host.is_empty() => decoded(host)?,
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        _ => return Err(EndpointError::NoHost),
    };
    if let Some((key, _)) = url.query_pairs().next() {
        return Err(EndpointError::Query(key.into_owned()));
    }
    let db = match url.path().trim_matches('/') {
        "" => 0,
        db => database(db)?,
    };
    Ok(Endpoint {
        address: Address::Tcp {
            host,
            port: url.port(),
            tls: url.scheme() == "rediss",
        },
        db,
        username: some(decoded(url.username())?),
        password: url
            .password()
            .map(decoded)
            .transpose()?
            .and_then(some)
            .map(Secret),
    })
}

fn unix(url: &Url) -> Result<Endpoint, EndpointError> {
    if url.host_str().is_some_and(|host| !host.is_empty()) {
        return Err(EndpointError::UnixHost);
    }
    let path = decoded(url.path())?;
    if !Path::new(&path).is_absolute() || path.len() < 2 || path.contains('\0') {
        return Err(EndpointError::UnixHost);
    }
    if path.len() > MAX_SOCKET_PATH {
        return Err(EndpointError::UnixTooLong);
    }
    let mut endpoint = Endpoint {
        address: Address::Unix(PathBuf::from(path)),
        db: 0,
        username: None,
        password: None,
    };
    for (key, value) in url.query_pairs() {
        match &*key {
            "db" => endpoint.db = database(&value)?,
            "user" => endpoint.username = some(value.into_owned()),
            "pass" => endpoint.password = some(value.into_owned()).map(Secret),
            _ => return Err(EndpointError::Query(key.into_owned())),
        }
    }
    Ok(endpoint)
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn decoded(text: &str) -> Result<String, EndpointError> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(String::from).map_err(|_| EndpointError::NotUtf8)
}

fn database(text: &str) -> Result<u32, EndpointError> {
    text.parse()
        .map_err(|_| EndpointError::Database(text.to_owned()))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp { host, port, tls } => {
                let scheme = if *tls { "rediss" } else { "redis" };
                let port = port_or_default(*port);
                if host.contains(':') {
                    write!(f, "{scheme}://[{}]:{port}", host.escape_default())?;
                } else {
                    write!(f, "{scheme}://{}:{port}", host.escape_default())?;
                }
                match self.db {
                    0 => Ok(()),
                    db => write!(f, "/{db}"),
                }
            }
            Address::Unix(path) => {
                write!(
                    f,
                    "redis+unix://{}",
                    path.to_string_lossy().escape_default()
                )?;
                match self.db {
                    0 => Ok(()),
                    db => write!(f, "?db={db}"),
                }
            }
        }
    }
}

/// Why a URL cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// Not a URL.
    #[error(
        "this is no URL ({}); write it as redis://HOST:PORT, rediss://HOST:PORT \
         or redis+unix:///PATH",
        reason(.0)
    )]
    Syntax(String),
    /// An unknown scheme.
    #[error("unknown scheme {}; use redis://, rediss:// or redis+unix://", Quoted(.0.as_bytes()))]
    Scheme(String),
    /// No host in it.
    #[error("the URL names no host; write it as redis://HOST:PORT")]
    NoHost,
    /// A host, or a relative path, in the URL of a Unix socket.
    #[error(
        "the URL of a Unix socket holds an absolute path and no host; \
         write it with three slashes, as redis+unix:///run/redis/redis.sock"
    )]
    UnixHost,
    /// A path longer than the system's addresses hold.
    #[error("the path of the socket is longer than {MAX_SOCKET_PATH} bytes")]
    UnixTooLong,
    /// A database that is no number.
    #[error("{} is no database number; write 0, 1, 2 ...", Quoted(.0.as_bytes()))]
    Database(String),
    /// An unknown parameter.
    #[error("unknown parameter {} in the URL", Quoted(.0.as_bytes()))]
    Query(String),
    /// A `#fragment`, as other clients use for `#insecure`.
    #[error(
        "a URL with '#' is not supported; there is no insecure TLS \
         (to trust a private CA set ca_file; a '#' in a password is written %23)"
    )]
    Fragment,
    /// Percent-encoded bytes that are not UTF-8.
    #[error("the percent-encoded part of the URL is not UTF-8")]
    NotUtf8,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        match Endpoint::parse(url) {
            Ok(endpoint) => endpoint.to_string(),
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn every_scheme_is_read() {
        assert_eq!(shown("redis://127.0.0.1"), "redis://127.0.0.1:6379");
        assert_eq!(shown("redis://[::1]:7000/2"), "redis://[::1]:7000/2");
        assert_eq!(
            shown("rediss://redis.example:6390"),
            "rediss://redis.example:6390"
        );
        assert_eq!(
            shown("redis+unix:///run/r.sock?db=3"),
            "redis+unix:///run/r.sock?db=3"
        );
        assert_eq!(
            shown("unix:///run/r%20s.sock"),
            "redis+unix:///run/r s.sock"
        );
    }

    #[test]
    fn passwords_are_read_and_never_shown() {
        let endpoint = Endpoint::parse("redis://us%40er:p%23ss@h/1").unwrap();
        assert_eq!(endpoint.username.as_deref(), Some("us@er"));
        assert_eq!(endpoint.password.as_ref().unwrap().reveal(), "p#ss");
        let unix = Endpoint::parse("redis+unix:///s?user=u&pass=p%23ss").unwrap();
        assert_eq!(unix.password, endpoint.password);
        for text in [
            endpoint.to_string(),
            format!("{endpoint:?} {unix:?} {unix}"),
        ] {
            assert!(!text.contains("p#ss") && !text.contains("p%23ss"), "{text}");
        }
        let only_password = Endpoint::parse("redis://:secret@h").unwrap();
        assert_eq!(only_password.username, None);
        assert_eq!(only_password.password.unwrap().reveal(), "secret");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (url, reason) in [
            ("", "no URL"),
            ("127.0.0.1:6379", "no URL"),
            ("http://h", "unknown scheme"),
            ("redis://", "no host"),
            ("redis:///1", "no host"),
            ("redis://h:99999", "no URL"),
            ("redis://h/one", "database"),
            ("redis://h?timeout=1", "parameter"),
            ("rediss://h#insecure", "insecure"),
            ("redis+unix://run/r.sock", "three slashes"),
            ("redis+unix:///", "three slashes"),
            ("redis+unix:///s?x=1", "parameter"),
        ] {
            let shown = shown(url);
            assert!(
                shown.starts_with("! ") && shown.contains(reason),
                "{url}: {shown}"
            );
        }
        let long = format!("unix:///{}", "s".repeat(107));
        assert!(shown(&long).contains("longer"));
    }

    #[test]
    fn a_sentinel_has_its_own_port() {
        let sentinel = Endpoint::parse("rediss://u:p@s/4").unwrap().into_sentinel();
        assert_eq!(sentinel.to_string(), "rediss://s:26379/4");
        let master = sentinel.master_at("10.0.0.1".into(), 6379, true);
        assert_eq!(master.to_string(), "rediss://10.0.0.1:6379/4");
        assert_eq!(master.password, None);
    }
}
