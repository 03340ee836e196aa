//! Host lookups without cloudhosts.
//!
//! The names in Redis must not decide where Redis is: a name that covers the host of Redis,
//! such as `*.internal`, would lead every daemon elsewhere, and no correction in Redis could
//! reach them. So this process asks the services of the machine's `hosts:` line except
//! `cloudhosts`; and not by way of nscd, which has our module loaded too.

use std::ffi::CString;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Mutex, PoisonError};

use crate::glibc;
use crate::hosts::{self, Service};

/// The file that lists the services.
const STANDARD: &str = "/etc/nsswitch.conf";

/// The services if nsswitch.conf lists none: glibc's default since 2.35.
const DEFAULT: &[u8] = b"files dns";

/// The services that glibc was configured with last.
static CONFIGURED: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// The addresses of a host, by `getaddrinfo` from the services of the machine except
/// cloudhosts. It blocks, like `getaddrinfo`.
///
/// From the first call on, neither cloudhosts nor nscd answers any lookup in this process.
/// A change of nsswitch.conf takes effect at the next call.
///
/// # Errors
/// The host is unknown, or no service can be asked.
pub fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let services = std::fs::read(STANDARD).map_or_else(|_| DEFAULT.to_vec(), |text| others(&text));
    configure(services)?;
    Ok((host, port).to_socket_addrs()?.collect())
}

/// Configures the services of glibc, unless they are the same as last time.
fn configure(services: Vec<u8>) -> io::Result<()> {
    let mut configured = CONFIGURED.lock().unwrap_or_else(PoisonError::into_inner);
    if configured.as_ref() == Some(&services) {
        return Ok(());
    }
    let line = CString::new(services.clone())?;
    if glibc::set_hosts_services(&line) {
        *configured = Some(services);
        Ok(())
    } else {
        // No address is better than one from cloudhosts.
        let line = line.to_string_lossy().escape_default().to_string();
        Err(io::Error::other(format!(
            "glibc refuses to ask these services for hosts: {line}"
        )))
    }
}

/// The services of the effective line with their actions, except ours.
fn others(nsswitch: &[u8]) -> Vec<u8> {
    let line = hosts::effective(nsswitch);
    // glibc ignores a file with a malformed line.
    let services = line.and_then(|line| line.services.ok()).unwrap_or_default();
    let theirs = services.iter().filter(|service| !service.is_ours());
    let written = |service: &Service| nsswitch.get(service.span.clone());
    let list: Vec<&[u8]> = theirs.filter_map(written).collect();
    if list.is_empty() {
        DEFAULT.to_vec()
    } else {
        list.join(&b' ')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_of_the_machine_are_asked_but_ours() {
        for (line, asked) in [
            ("files cloudhosts dns", "files dns"),
            (
                "files cloudhosts mdns4_minimal [NOTFOUND=return] dns mymachines",
                "files mdns4_minimal [NOTFOUND=return] dns mymachines",
            ),
            (
                "files cloudhosts[NOTFOUND=return UNAVAIL=continue]resolve [!UNAVAIL=return] dns",
                "files resolve [!UNAVAIL=return] dns",
            ),
            (
                "files[SUCCESS=merge]cloudhosts dns",
                "files[SUCCESS=merge] dns",
            ),
            ("cloudhosts files cloudhosts", "files"),
            ("files dns # cloudhosts", "files dns"),
            ("files cloudhosts2", "files cloudhosts2"),
            // nothing is left, or nothing can be read
            ("cloudhosts", "files dns"),
            ("", "files dns"),
            ("files [oops] cloudhosts", "files dns"),
        ] {
            let text = format!("passwd: files\nhosts: {line}\n");
            let others = others(text.as_bytes());
            assert_eq!(String::from_utf8(others).unwrap(), asked, "{line}");
        }
        assert_eq!(others(b"passwd: files\n"), DEFAULT);
        assert_eq!(others(b"hosts: a\nhosts: cloudhosts b\n"), b"b");
    }

    #[test]
    fn glibc_takes_the_services_and_refuses_what_is_none() {
        assert!(configure(b"files [oops]".to_vec()).is_err());
        assert!(configure(b"files".to_vec()).is_ok());
        // The same again is skipped, another is accepted.
        assert!(configure(b"files".to_vec()).is_ok());
        assert!(configure(b"files [NOTFOUND=continue] dns".to_vec()).is_ok());
        let found = addresses("localhost", 7).unwrap();
        assert!(
            found
                .iter()
                .all(|one| one.ip().is_loopback() && one.port() == 7)
        );
        assert!(!found.is_empty());
    }
}
