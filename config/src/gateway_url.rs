//! Where a gateway is.

use std::fmt;
use std::net::IpAddr;

use thiserror::Error;
use url::{Host, Url};

use crate::endpoint::{Address, Endpoint};
use crate::printable::{Quoted, reason};

/// The URL of a gateway: `https://gateway.example.com:8443`, perhaps with a path that a proxy
/// puts before those of the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayUrl {
    /// A name or an address, without brackets.
    host: String,
    port: u16,
    tls: bool,
    /// The path, without a slash at its end.
    prefix: String,
    /// Host and port as HTTP writes them.
    authority: String,
}

/// Why a URL is not that of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GatewayUrlError {
    /// It is not a URL.
    #[error("{}: not a URL; write one such as \"https://gateway.example.com:8443\"", reason(.0))]
    Syntax(String),
    /// It has another scheme.
    #[error("{}:// is not what a gateway speaks; write https://", reason(.0))]
    Scheme(String),
    /// There is no host in it.
    #[error("there is no host in it; write one such as \"https://gateway.example.com:8443\"")]
    NoHost,
    /// Without TLS, at another machine.
    #[error(
        "without TLS everybody on the way could read the token; write https://, or http:// with \
         127.0.0.1 or [::1]"
    )]
    NotLoopback,
    /// It has a user, a query or a fragment.
    #[error(
        "there is {} in it that does not belong there; write scheme, host and port, and name the \
         token's file as token_file",
        Quoted(.0.as_bytes())
    )]
    Excess(String),
}

impl GatewayUrl {
    /// Reads `https://`; or `http://` with a loopback address.
    ///
    /// # Errors
    /// Says what is wrong and how it should be written.
    pub fn parse(text: &str) -> Result<GatewayUrl, GatewayUrlError> {
        let url = Url::parse(text).map_err(|error| GatewayUrlError::Syntax(error.to_string()))?;
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            other => return Err(GatewayUrlError::Scheme(other.to_owned())),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(GatewayUrlError::Excess("@".to_owned()));
        }
        if let Some(excess) = url.query().or(url.fragment()) {
            return Err(GatewayUrlError::Excess(excess.to_owned()));
        }
        let (host, address) = match url.host() {
            Some(Host::Domain(host)) if !host.is_empty() => (host.to_owned(), None),
            Some(Host::Ipv4(address)) => (address.to_string(), Some(IpAddr::from(address))),
            Some(Host::Ipv6(address)) => (address.to_string(), Some(IpAddr::from(address))),
            _ => return Err(GatewayUrlError::NoHost),
        };
        let port = url.port_or_known_default();
        let port = port.ok_or(GatewayUrlError::NoHost)?;
        if !tls && !address.is_some_and(|address| address.is_loopback()) {
            return Err(GatewayUrlError::NotLoopback);
        }
        Ok(GatewayUrl {
            host,
            port,
            tls,
            prefix: url.path().trim_end_matches('/').to_owned(),
            authority: url.authority().to_owned(),
        })
    }

    /// What to connect to. There is no Redis at this endpoint.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            address: Address::Tcp {
                host: self.host.clone(),
                port: Some(self.port),
                tls: self.tls,
            },
            db: 0,
            username: None,
            password: None,
        }
    }

    /// The value of the header `Host`.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What the paths of the gateway begin with: empty, or a path without a slash at its end.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether it is spoken to in TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }
}

impl fmt::Display for GatewayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_as_it_was_written() {
        for text in [
            "https://gateway.example.com:8443",
            "https://gateway.example.com",
            "https://[fd00::1]:8443/cloudhosts",
            "https://10.0.0.1",
            "http://127.0.0.1:8080",
            "http://[::1]",
        ] {
            assert_eq!(GatewayUrl::parse(text).unwrap().to_string(), text);
        }
        let url = GatewayUrl::parse("https://[fd00::1]/a/").unwrap();
        assert_eq!((url.authority(), url.prefix()), ("[fd00::1]", "/a"));
        let at = Address::Tcp {
            host: "fd00::1".into(),
            port: Some(443),
            tls: true,
        };
        assert_eq!(url.endpoint().address, at);
    }

    #[test]
    fn what_would_show_the_token_is_refused() {
        use GatewayUrlError as E;
        let error = |text| GatewayUrl::parse(text).unwrap_err();
        for text in [
            "http://10.0.0.1",
            "http://gateway.example.com:8080",
            "http://localhost",
        ] {
            assert_eq!(error(text), E::NotLoopback, "{text}");
        }
        assert!(matches!(error("gateway.example.com"), E::Syntax(_)));
        assert_eq!(error("redis://h"), E::Scheme("redis".into()));
        assert_eq!(error("https://u:secret@h"), E::Excess("@".into()));
        assert_eq!(error("https://h/?a=b"), E::Excess("a=b".into()));
        assert_eq!(error("https://h/#x"), E::Excess("x".into()));
    }
}
