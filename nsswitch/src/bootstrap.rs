//! Where a host is, without asking cloudhosts.
//!
//! The daemon must not learn from the names in Redis where Redis is. Whoever
//! writes one that covers the host of Redis, such as `*.internal`, would send
//! every daemon elsewhere, and no correction in Redis could reach them any more.
//! So this process asks the services on the machine's `hosts:` line but for
//! `cloudhosts`, and asks them itself: nscd, which glibc would ask before them,
//! has our module loaded too.

use std::ffi::CString;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Mutex, PoisonError};

use crate::glibc;
use crate::hosts::{self, Service};

/// The file that says which services the machine asks.
const STANDARD: &str = "/etc/nsswitch.conf";

/// What is asked where nsswitch.conf says nothing: glibc's default since 2.35.
const DEFAULT: &[u8] = b"files dns";

/// The services that glibc was told last.
static TOLD: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// The addresses of a host, by `getaddrinfo`, from the services of the machine
/// but ours. It blocks, like `getaddrinfo`.
///
/// From the first call on, no look-up in this process is answered by cloudhosts
/// or by nscd, whoever makes it. A change of nsswitch.conf counts at the next
/// call.
///
/// # Errors
/// The host is not known, or no service can be asked.
pub fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let services = std::fs::read(STANDARD).map_or_else(|_| DEFAULT.to_vec(), |text| others(&text));
    tell(services)?;
    Ok((host, port).to_socket_addrs()?.collect())
}

/// Tells glibc which services to ask, unless it was told the same last.
fn tell(services: Vec<u8>) -> io::Result<()> {
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.as_ref() == Some(&services) {
        return Ok(());
    }
    let line = CString::new(services.clone())?;
    if glibc::set_hosts_services(&line) {
        *told = Some(services);
        Ok(())
    } else {
        // Never our own module instead: rather no address.
        let line = line.to_string_lossy().escape_default().to_string();
        Err(io::Error::other(format!(
            "glibc refuses to ask these services for hosts: {line}"
        )))
    }
}

/// The services on the line that counts, with their actions, without ours and
/// what stands behind it in brackets.
fn others(nsswitch: &[u8]) -> Vec<u8> {
    let line = hosts::effective(nsswitch);
    // glibc reads nothing of a file with a line like that.
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
        assert!(tell(b"files [oops]".to_vec()).is_err());
        assert!(tell(b"files".to_vec()).is_ok());
        // Kept because it is the same, and taken because it is another.
        assert!(tell(b"files".to_vec()).is_ok());
        assert!(tell(b"files [NOTFOUND=continue] dns".to_vec()).is_ok());
        let found = addresses("localhost", 7).unwrap();
        assert!(
            found
                .iter()
                .all(|one| one.ip().is_loopback() && one.port() == 7)
        );
        assert!(!found.is_empty());
    }
}
