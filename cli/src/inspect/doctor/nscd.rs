//! nscd, which answers before all services.

use super::code::Code;
use super::finding::Finding;
use crate::nscd::{Cache, cache};

const CHECK: &str = "nscd";

const RESTART: &str = "run: systemctl restart nscd";

/// Whether nscd answers from its cache.
pub(super) fn look() -> Finding {
    match cache() {
        Cache::None => Finding::ok(CHECK, "does not cache hosts"),
        Cache::Hosts => Finding::warning(
            CHECK,
            "caches hosts, so programs see changes late",
            "set enable-cache hosts no in /etc/nscd.conf and restart nscd",
        )
        .code(Code::Caches),
        Cache::Unknown => Finding::warning(
            CHECK,
            "may still cache hosts: its configuration disables that, but was changed after nscd started",
            RESTART,
        )
        .code(Code::NotRestarted)
        .evidence("/etc/nscd.conf is newer than the socket of nscd"),
    }
}
