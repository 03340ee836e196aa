//! nscd(8), which answers in the place of all modules for as long as it has an
//! answer in its cache.

use std::fs;
use std::os::unix::net::UnixStream;

/// Where glibc asks it.
const SOCKET: &str = "/var/run/nscd/socket";

/// Its configuration.
const CONFIG: &str = "/etc/nscd.conf";

/// Whether it runs and caches hosts.
pub(crate) fn caches_hosts() -> bool {
    // It answers or refuses at once; its backlog is what the kernel gives.
    let runs = UnixStream::connect(SOCKET).is_ok();
    runs && fs::read(CONFIG).is_ok_and(|text| enables_hosts(&String::from_utf8_lossy(&text)))
}

/// Whether a configuration enables the cache of hosts, which is off by default.
fn enables_hosts(text: &str) -> bool {
    let words = |line: &str| -> Option<bool> {
        let mut words = line.split('#').next()?.split_whitespace();
        let is_it = words.next()? == "enable-cache" && words.next()? == "hosts";
        is_it.then_some(words.next()? == "yes")
    };
    text.lines().filter_map(words).next_back().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts() {
        assert!(enables_hosts("\tenable-cache\t\thosts\t\tyes\n"));
        assert!(!enables_hosts(
            "# enable-cache hosts yes\nenable-cache passwd yes\n"
        ));
        assert!(!enables_hosts(
            "enable-cache hosts yes\nenable-cache hosts no # so\n"
        ));
        assert!(!enables_hosts(""));
    }
}
