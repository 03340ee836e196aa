//! nscd(8), which answers before all services from its cache.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// Its socket.
const SOCKET: &str = "/var/run/nscd/socket";

/// Its configuration.
const CONFIG: &str = "/etc/nscd.conf";

/// How long to wait for a connection.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The state of its cache of hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cache {
    /// It does not run, or does not cache hosts.
    None,
    /// It caches hosts.
    Hosts,
    /// Its configuration disables the cache, but was changed since it was read.
    Unknown,
}

/// Whether it runs and caches hosts.
pub(crate) fn cache() -> Cache {
    if !runs() {
        return Cache::None;
    }
    let text = fs::read(CONFIG).unwrap_or_default();
    if enables_hosts(&String::from_utf8_lossy(&text)) {
        Cache::Hosts
    } else if is_newer() {
        Cache::Unknown
    } else {
        Cache::None
    }
}

/// Whether it is known to cache hosts.
pub(crate) fn caches_hosts() -> bool {
    cache() == Cache::Hosts
}

/// Whether the configuration has changed since nscd started, when it read it and created
/// its socket.
fn is_newer() -> bool {
    let (Ok(config), Ok(socket)) = (fs::metadata(CONFIG), fs::metadata(SOCKET)) else {
        return false;
    };
    (config.ctime(), config.ctime_nsec()) > (socket.mtime(), socket.mtime_nsec())
}

/// Whether it accepts connections. A timeout counts as yes: a connection waits without
/// limit while the backlog is full (unix(7)).
fn runs() -> bool {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        // The receiver may be gone.
        let _ = sender.send(UnixStream::connect(SOCKET).is_ok());
    });
    receiver.recv_timeout(TIMEOUT).unwrap_or(true)
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
