//! resolv.conf(5): which server programs ask.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

/// The file.
pub(crate) const FILE: &str = "etc/resolv.conf";

/// The addresses at which systemd-resolved answers (systemd-resolved.service(8)).
const STUBS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53)),
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 54)),
];

/// Where systemd-resolved writes the servers that it asks itself. A link there has programs
/// ask those, and not systemd-resolved.
const UPLINKS: &str = "run/systemd/resolve/resolv.conf";

/// The server that programs ask first, in this root directory. Where the file is missing or
/// names none, they ask 127.0.0.1.
pub(crate) fn nameserver(root: &Path) -> IpAddr {
    let text = fs::read_to_string(root.join(FILE)).unwrap_or_default();
    first(&text).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Whether systemd-resolved answers at this address.
pub(crate) fn is_stub(server: IpAddr) -> bool {
    STUBS.contains(&server)
}

/// Whether the file is the list of servers that systemd-resolved asks itself.
pub(crate) fn names_uplinks(root: &Path) -> bool {
    let target = fs::read_link(root.join(FILE));
    target.is_ok_and(|target| target.ends_with(UPLINKS))
}

/// The first server of a file. The scope of an address (`fe80::1%eth0`) is left out.
fn first(text: &str) -> Option<IpAddr> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let address = words
            .next()
            .filter(|word| *word == "nameserver")
            .and(words.next())?;
        address.split('%').next()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_server_counts() {
        let text = "# nameserver 1.1.1.1\nsearch a\nnameserver\tfe80::1%eth0\nnameserver 1.2.3.4\n";
        assert_eq!(first(text), Some("fe80::1".parse().unwrap()));
        assert_eq!(first("search a\nnameservers 1.1.1.1\nnameserver x\n"), None);
    }
}
