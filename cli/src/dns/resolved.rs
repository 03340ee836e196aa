//! What a global server does to systemd-resolved before release 258.
//!
//! It has one list of global servers, of which it asks one at a time, for every name that no
//! network interface is responsible for. `Domains=` sends names *to* that list and keeps none
//! from it. So cloudhosts-dns may be in the list only if it is alone there, and if an
//! interface has servers: what these answer counts where cloudhosts-dns refuses.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::resolv_conf;

/// The configuration; drop-ins are beside it, in a directory with `.d`.
const CONFIG: &str = "systemd/resolved.conf";

/// Where a configuration may be.
const PLACES: [&str; 5] = ["etc", "run", "usr/local/lib", "usr/lib", "lib"];

/// Where systemd-resolved keeps its state; it is there once that has run.
const STATE: &str = "run/systemd/resolve";

/// The state of the interfaces, by who sets their servers, and the word for these.
const LINKS: [(&str, &str); 2] = [
    ("run/systemd/netif/links", "DNS="),
    ("run/systemd/resolve/netif", "SERVERS="),
];

/// What a file of an interface says where its servers are for its own domains alone.
const NO_DEFAULT_ROUTE: [&str; 2] = ["DNS_DEFAULT_ROUTE=no", "DEFAULT_ROUTE=no"];

/// Why other names would fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hazard {
    /// This file has global servers already.
    GlobalServers(PathBuf),
    /// No interface has servers of its own.
    NoLinkServers,
}

impl fmt::Display for Hazard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hazard::GlobalServers(file) => write!(
                f,
                "{} sets servers for all names, and systemd-resolved asks one of them or \
                 cloudhosts-dns, but not each for its own names",
                file.display()
            ),
            Hazard::NoLinkServers => f.write_str(
                "no network interface has DNS servers of its own, so systemd-resolved would ask \
                 cloudhosts-dns alone, for all names",
            ),
        }
    }
}

/// What is in the way of a global server in this root directory, besides the file `own`. Of an
/// image it is not known which servers its interfaces will have.
pub(crate) fn hazard(root: &Path, own: &Path) -> Option<Hazard> {
    let mut files = configurations(root).into_iter();
    if let Some(file) = files.find(|file| file != own && sets_servers(file)) {
        return Some(Hazard::GlobalServers(file));
    }
    let resolv_conf = root.join(resolv_conf::FILE);
    let is_own =
        fs::read_link(&resolv_conf).is_ok_and(|link| link.to_string_lossy().contains("systemd"));
    if resolv_conf.exists() && !is_own && !resolv_conf::is_stub(resolv_conf::nameserver(root)) {
        return Some(Hazard::GlobalServers(resolv_conf));
    }
    (root.join(STATE).is_dir() && !has_link_servers(root)).then_some(Hazard::NoLinkServers)
}

/// Every file of its configuration.
fn configurations(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for place in PLACES {
        let file = root.join(place).join(CONFIG);
        files.extend(entries(&file.with_extension("conf.d")));
        files.push(file);
    }
    files
}

/// Whether a file of the configuration sets `DNS=` to something.
fn sets_servers(file: &Path) -> bool {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().any(|line| {
        let servers = line.trim_start().strip_prefix("DNS");
        let servers = servers.and_then(|rest| rest.trim_start().strip_prefix('='));
        servers.is_some_and(|servers| !servers.trim().is_empty())
    })
}

/// Whether an interface has servers that are asked for all names.
fn has_link_servers(root: &Path) -> bool {
    let has = |file: &Path, word: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let servers = |line: &str| {
            line.strip_prefix(word)
                .is_some_and(|rest| !rest.trim().is_empty())
        };
        text.lines().any(servers) && !text.lines().any(|line| NO_DEFAULT_ROUTE.contains(&line))
    };
    LINKS.iter().any(|(directory, word)| {
        let files = entries(&root.join(directory));
        files.iter().any(|file| has(file, word))
    })
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries.flatten().map(|entry| entry.path()).collect()
}
