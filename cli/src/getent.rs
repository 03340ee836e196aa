//! What getent(1) is told: in a process of its own, so that a broken module can't
//! take this one down with it.

use std::io;
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use cloudhosts_table::Name;

use crate::child;

/// How long a look-up may take: longer than glibc waits for a DNS server that
/// does not answer (5 s, twice).
pub(crate) const LIMIT: Duration = Duration::from_secs(12);

/// The addresses that programs are given for a name, each once and in order of
/// their numbers; by one service alone where that is named. Empty when there is
/// no such name.
///
/// # Errors
/// getent is missing, takes longer than [`LIMIT`], or crashes.
pub(crate) fn addresses(name: &Name, service: Option<&str>) -> io::Result<Vec<IpAddr>> {
    let mut command = Command::new("getent");
    if let Some(service) = service {
        command.args(["-s", service]);
    }
    command.args(["--", "ahosts", name.as_str()]);
    let done = child::run(&mut command, LIMIT)?;
    match done.status.code() {
        // 2: not found (getent(1)).
        Some(0 | 2) => {
            let first = |line: &str| line.split_whitespace().next()?.parse().ok();
            let mut all: Vec<IpAddr> = done.stdout.lines().filter_map(first).collect();
            all.sort_unstable();
            all.dedup();
            Ok(all)
        }
        _ => Err(io::Error::other(format!(
            "getent ended with {}: {}",
            done.status,
            done.stderr.trim()
        ))),
    }
}
