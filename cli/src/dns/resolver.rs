//! The resolvers that can ask cloudhosts-dns, and the file that each of them reads.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The port of DNS, which need not be written.
const PORT: u16 = 53;

/// The first release of systemd whose resolver reads delegates (systemd.dns-delegate(5)).
const DELEGATES_SINCE: u32 = 258;

/// Where programs are.
const PROGRAMS: [&str; 4] = ["usr/sbin", "usr/bin", "sbin", "bin"];

/// Where systemd's own programs and libraries are; Debian puts the libraries below a
/// directory for each architecture.
const SYSTEMD: [&str; 4] = [
    "usr/lib/systemd",
    "lib/systemd",
    "usr/lib64/systemd",
    "lib64/systemd",
];

/// A resolver of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Resolver {
    /// systemd-resolved
    SystemdResolved,
    /// dnsmasq, started by its own unit
    Dnsmasq,
    /// Unbound
    Unbound,
    /// dnsmasq, started by NetworkManager
    #[value(name = "networkmanager")]
    NetworkManager,
}

impl Resolver {
    /// All of them.
    pub(crate) const ALL: [Resolver; 4] = [
        Resolver::SystemdResolved,
        Resolver::Dnsmasq,
        Resolver::Unbound,
        Resolver::NetworkManager,
    ];

    /// Its word on the command line and in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Resolver::SystemdResolved => "systemd-resolved",
            Resolver::Dnsmasq => "dnsmasq",
            Resolver::Unbound => "unbound",
            Resolver::NetworkManager => "networkmanager",
        }
    }

    /// The command after which it reads its files again.
    pub(crate) fn apply(self) -> &'static str {
        match self {
            Resolver::SystemdResolved => "systemctl restart systemd-resolved",
            Resolver::Dnsmasq => "systemctl restart dnsmasq",
            Resolver::Unbound => "systemctl restart unbound",
            Resolver::NetworkManager => "nmcli general reload dns-full",
        }
    }

    /// The file that it reads in this root directory: by the release, where that matters.
    pub(crate) fn kind(self, root: &Path) -> Kind {
        match self {
            Resolver::SystemdResolved if has_delegates(root) => Kind::DnsDelegate,
            Resolver::SystemdResolved => Kind::ResolvedConf,
            Resolver::Dnsmasq => Kind::Dnsmasq,
            Resolver::Unbound => Kind::Unbound,
            Resolver::NetworkManager => Kind::NetworkManager,
        }
    }

    /// Whether it is installed in this root directory; NetworkManager, whether it is to start
    /// dnsmasq.
    pub(crate) fn is_installed(self, root: &Path) -> bool {
        let has = |program: &str| {
            let mut places = PROGRAMS.iter().map(|place| root.join(place).join(program));
            places.any(|path| path.exists())
        };
        match self {
            Resolver::SystemdResolved => SYSTEMD
                .iter()
                .any(|place| root.join(place).join("systemd-resolved").exists()),
            Resolver::Dnsmasq => has("dnsmasq") && root.join("etc/dnsmasq.d").is_dir(),
            Resolver::Unbound => has("unbound"),
            Resolver::NetworkManager => has("NetworkManager") && starts_dnsmasq(root),
        }
    }
}

/// One kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file of systemd-resolved's own configuration.
    ResolvedConf,
    /// A delegate of systemd-resolved.
    DnsDelegate,
    /// Of dnsmasq.
    Dnsmasq,
    /// Of Unbound.
    Unbound,
    /// Of the dnsmasq that NetworkManager starts.
    NetworkManager,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Kind; 5] = [
        Kind::ResolvedConf,
        Kind::DnsDelegate,
        Kind::Dnsmasq,
        Kind::Unbound,
        Kind::NetworkManager,
    ];

    /// Who reads it.
    pub(crate) fn resolver(self) -> Resolver {
        match self {
            Kind::ResolvedConf | Kind::DnsDelegate => Resolver::SystemdResolved,
            Kind::Dnsmasq => Resolver::Dnsmasq,
            Kind::Unbound => Resolver::Unbound,
            Kind::NetworkManager => Resolver::NetworkManager,
        }
    }

    /// The example that it is made from, which the packages install.
    pub(crate) fn template(self) -> &'static str {
        match self {
            Kind::ResolvedConf => include_str!("../../../packaging/dns/resolved.conf"),
            Kind::DnsDelegate => include_str!("../../../packaging/dns/cloudhosts.dns-delegate"),
            Kind::Dnsmasq | Kind::NetworkManager => {
                include_str!("../../../packaging/dns/dnsmasq.conf")
            }
            Kind::Unbound => include_str!("../../../packaging/dns/unbound.conf"),
        }
    }

    /// Where it is in this root directory.
    pub(crate) fn path(self, root: &Path) -> PathBuf {
        let directory = match self {
            Kind::ResolvedConf => "etc/systemd/resolved.conf.d",
            Kind::DnsDelegate => "etc/systemd/dns-delegate.d",
            Kind::Dnsmasq => "etc/dnsmasq.d",
            // Fedora's, where Debian's is not.
            Kind::Unbound
                if !root.join("etc/unbound/unbound.conf.d").is_dir()
                    && root.join("etc/unbound/conf.d").is_dir() =>
            {
                "etc/unbound/conf.d"
            }
            Kind::Unbound => "etc/unbound/unbound.conf.d",
            Kind::NetworkManager => "etc/NetworkManager/dnsmasq.d",
        };
        let name = match self {
            Kind::DnsDelegate => "cloudhosts.dns-delegate",
            _ => "cloudhosts.conf",
        };
        root.join(directory).join(name)
    }

    /// Whether its directory is made for it: packages of systemd do not bring it.
    pub(crate) fn makes_directory(self) -> bool {
        matches!(self, Kind::ResolvedConf | Kind::DnsDelegate)
    }

    /// An address as this file has it.
    pub(crate) fn server(self, server: SocketAddr) -> String {
        let (ip, port) = (server.ip(), server.port());
        if port == PORT {
            return ip.to_string();
        }
        match self {
            Kind::ResolvedConf | Kind::DnsDelegate => server.to_string(),
            Kind::Dnsmasq | Kind::NetworkManager => format!("{ip}#{port}"),
            Kind::Unbound => format!("{ip}@{port}"),
        }
    }
}

/// Whether systemd is of a release that has delegates. Its library has the release in its
/// name; where there is none, the older file is read by every release.
fn has_delegates(root: &Path) -> bool {
    let release = libraries(root)
        .iter()
        .filter_map(|directory| fs::read_dir(directory).ok())
        .flat_map(|entries| entries.flatten())
        .filter_map(|entry| release(&entry.file_name().to_string_lossy()))
        .max();
    release.is_some_and(|release| release >= DELEGATES_SINCE)
}

/// The directories in which systemd's library may be.
fn libraries(root: &Path) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = SYSTEMD.iter().map(|place| root.join(place)).collect();
    for lib in ["usr/lib", "lib"] {
        if let Ok(entries) = fs::read_dir(root.join(lib)) {
            directories.extend(entries.flatten().map(|entry| entry.path().join("systemd")));
        }
    }
    directories
}

/// The release in the name of the library: `libsystemd-shared-258.so`,
/// `libsystemd-shared-258-1.fc43.so`, `libsystemd-shared-258~rc2.so`.
fn release(name: &str) -> Option<u32> {
    let rest = name.strip_prefix("libsystemd-shared-")?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    rest.get(..end)?.parse().ok()
}

/// Whether NetworkManager is configured to start dnsmasq.
fn starts_dnsmasq(root: &Path) -> bool {
    let main = root.join("etc/NetworkManager/NetworkManager.conf");
    let mut files = vec![main];
    for directory in ["usr/lib/NetworkManager/conf.d", "etc/NetworkManager/conf.d"] {
        if let Ok(entries) = fs::read_dir(root.join(directory)) {
            files.extend(entries.flatten().map(|entry| entry.path()));
        }
    }
    files.iter().any(|file| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines()
            .any(|line| line.replace(' ', "") == "dns=dnsmasq")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_in_the_name_of_the_library() {
        assert_eq!(release("libsystemd-shared-252.so"), Some(252));
        assert_eq!(release("libsystemd-shared-258-1.fc43.so"), Some(258));
        assert_eq!(release("libsystemd-shared-259~rc1.so"), Some(259));
        assert_eq!(release("libsystemd-core-258.so"), None);
        assert_eq!(release("libsystemd-shared-.so"), None);
    }

    #[test]
    fn an_address_is_written_as_the_file_wants_it() {
        let v4 = "127.0.0.153:5353".parse().unwrap();
        let v6 = "[::1]:5353".parse().unwrap();
        for (kind, in_v4, in_v6) in [
            (Kind::ResolvedConf, "127.0.0.153:5353", "[::1]:5353"),
            (Kind::DnsDelegate, "127.0.0.153:5353", "[::1]:5353"),
            (Kind::Dnsmasq, "127.0.0.153#5353", "::1#5353"),
            (Kind::NetworkManager, "127.0.0.153#5353", "::1#5353"),
            (Kind::Unbound, "127.0.0.153@5353", "::1@5353"),
        ] {
            assert_eq!(kind.server(v4), in_v4);
            assert_eq!(kind.server(v6), in_v6);
            assert_eq!(kind.server("[::1]:53".parse().unwrap()), "::1");
        }
    }
}
