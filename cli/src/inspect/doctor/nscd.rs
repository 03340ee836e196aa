//! nscd, in front of all modules.

use super::code::Code;
use super::finding::Finding;
use crate::nscd::{Cache, cache};

const CHECK: &str = "nscd";

const RESTART: &str = "run: systemctl restart nscd";

/// Whether another program answers in the place of all modules.
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
            "it may cache hosts still: it does not, by its configuration, but has not read that",
            RESTART,
        )
        .code(Code::NotRestarted)
        .evidence("/etc/nscd.conf is newer than the socket of nscd"),
    }
}
