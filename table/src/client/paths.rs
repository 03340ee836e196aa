//! Where a client finds the daemon's socket and `last-good.table`.

use std::ffi::CStr;
use std::path::Path;

use rustix::net::SocketAddrUnix;

/// The daemon's socket.
pub const SOCKET: &str = "/run/cloudhosts/cached.sock";

/// The name, in the daemon's state directory, of the file with the newest table.
pub const LAST_GOOD_NAME: &str = "last-good.table";

/// The file with the newest table, which clients read while there is no daemon.
pub const LAST_GOOD: &str = "/var/lib/cloudhosts/last-good.table";

/// Where to attach. Created without allocating.
#[derive(Debug, Clone)]
pub struct Paths {
    pub(super) socket: SocketAddrUnix,
    pub(super) last_good: &'static Path,
}

impl Paths {
    /// The paths of an installed cloudhosts.
    #[must_use]
    pub fn standard() -> Option<Paths> {
        SocketAddrUnix::new(SOCKET).ok().map(Paths::of_socket)
    }

    /// Another socket, and the standard file. None if the path is empty or longer
    /// than the 107 bytes that the path of a socket may have (unix(7)).
    #[must_use]
    pub fn at(socket: &CStr) -> Option<Paths> {
        if socket.is_empty() {
            return None;
        }
        SocketAddrUnix::new(socket).ok().map(Paths::of_socket)
    }

    /// The same with another file.
    #[must_use]
    pub fn with_last_good(self, last_good: &'static Path) -> Paths {
        Paths { last_good, ..self }
    }

    fn of_socket(socket: SocketAddrUnix) -> Paths {
        let last_good = Path::new(LAST_GOOD);
        Paths { socket, last_good }
    }
}
