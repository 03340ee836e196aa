//! Which resolver the programs of a machine ask.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use super::listener::{self, Listener};
use super::resolv_conf;
use super::resolver::Resolver;

/// What it was told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// The command line.
    Named,
    /// The address in resolv.conf is one of systemd-resolved's own.
    Stub(IpAddr),
    /// It answers at the address in resolv.conf.
    Listens(IpAddr),
    /// It is the only one that is installed.
    Installed,
}

impl Evidence {
    /// One word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Evidence::Named => "named",
            Evidence::Stub(_) => "resolv-conf",
            Evidence::Listens(_) => "listens",
            Evidence::Installed => "installed",
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Evidence::Named => f.write_str("named by --for"),
            Evidence::Stub(server) => write!(f, "resolv.conf names {server}"),
            Evidence::Listens(server) => write!(f, "answers at {server}, as resolv.conf says"),
            Evidence::Installed => f.write_str("the only one installed"),
        }
    }
}

/// Why none can be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoResolver {
    /// Programs ask another machine.
    #[error(
        "/etc/resolv.conf names {0}, which is not on this machine, so no resolver here is asked; \
         install one (systemd-resolved, dnsmasq or Unbound) and have resolv.conf name it, or name \
         one with --for"
    )]
    Elsewhere(IpAddr),
    /// Programs ask the servers that systemd-resolved asks itself.
    #[error(
        "/etc/resolv.conf is the list of servers that systemd-resolved asks itself, so programs \
         pass it by; run: ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf"
    )]
    PassedBy,
    /// Another program answers.
    #[error(
        "{0} answers at {1}, as /etc/resolv.conf says, and has no drop-in here; have it forward \
         the domain to cloudhosts-dns by hand"
    )]
    Unknown(String, IpAddr),
    /// There are none, or several.
    #[error(
        "it can't be told which resolver programs ask ({}); name it with --for", installed(.0)
    )]
    Unclear(Vec<Resolver>),
}

fn installed(resolvers: &[Resolver]) -> String {
    let words: Vec<&str> = resolvers.iter().map(|one| one.word()).collect();
    if words.is_empty() {
        "none is installed that is known".to_owned()
    } else {
        format!("installed: {}", words.join(", "))
    }
}

/// The resolver that programs ask, in this root directory: this machine's, or an image's.
///
/// # Errors
/// It can't be told.
pub(crate) fn find(root: &Path) -> Result<(Resolver, Evidence), NoResolver> {
    let running = root == Path::new("/");
    let server = resolv_conf::nameserver(root);
    if resolv_conf::is_stub(server) {
        return Ok((Resolver::SystemdResolved, Evidence::Stub(server)));
    }
    if resolv_conf::names_uplinks(root) {
        return Err(NoResolver::PassedBy);
    }
    if let Some(listener) = running.then(|| listener::at(server)).flatten() {
        let resolver = of(&listener).ok_or(NoResolver::Unknown(listener.program, server))?;
        return Ok((resolver, Evidence::Listens(server)));
    }
    if running && !server.is_loopback() {
        return Err(NoResolver::Elsewhere(server));
    }
    let installed = Resolver::ALL
        .into_iter()
        .filter(|one| one.is_installed(root));
    match installed.collect::<Vec<_>>().as_slice() {
        [resolver] => Ok((*resolver, Evidence::Installed)),
        several => Err(NoResolver::Unclear(several.to_vec())),
    }
}

/// Which resolver a process is.
fn of(listener: &Listener) -> Option<Resolver> {
    match listener.program.as_str() {
        "systemd-resolve" => Some(Resolver::SystemdResolved),
        "unbound" => Some(Resolver::Unbound),
        "dnsmasq" if listener.command_line.contains("NetworkManager") => {
            Some(Resolver::NetworkManager)
        }
        "dnsmasq" => Some(Resolver::Dnsmasq),
        _ => None,
    }
}
