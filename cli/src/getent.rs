//! Lookups by getent(1), in a process of its own, so that a broken module can't crash
//! this one.

use std::io;
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use cloudhosts_table::Name;

use crate::child;

/// How long a lookup may take: longer than glibc waits for a DNS server that does not
/// answer (5 s, twice).
pub(crate) const TIMEOUT: Duration = Duration::from_secs(12);

/// The addresses that programs get for a name, sorted, each once; by a single service
/// where one is given. Empty if there is no such name.
///
/// # Errors
/// getent is missing, takes longer than [`TIMEOUT`], or crashes.
pub(crate) fn addresses(name: &Name, service: Option<&str>) -> io::Result<Vec<IpAddr>> {
    let mut command = getent(service);
    command.args(["--", "ahosts", name.as_str()]);
    let first = |line: &str| line.split_whitespace().next()?.parse().ok();
    let mut all: Vec<IpAddr> = answer(&mut command)?.lines().filter_map(first).collect();
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// The names that programs get for an address, the canonical one first; by a single
/// service where one is given. Empty if there are none.
///
/// # Errors
/// As [`addresses`].
pub(crate) fn names(address: IpAddr, service: Option<&str>) -> io::Result<Vec<String>> {
    let mut command = getent(service);
    command.args(["--", "hosts", &address.to_string()]);
    let names = |line: &str| {
        let words = line.split_whitespace().skip(1);
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    Ok(answer(&mut command)?.lines().flat_map(names).collect())
}

fn getent(service: Option<&str>) -> Command {
    let mut command = Command::new("getent");
    if let Some(service) = service {
        command.args(["-s", service]);
    }
    command
}

/// Its output; empty where nothing is found.
fn answer(command: &mut Command) -> io::Result<String> {
    let done = child::run(command, TIMEOUT)?;
    match done.status.code() {
        // 2: not found (getent(1)).
        Some(0 | 2) => Ok(done.stdout),
        _ => Err(io::Error::other(format!(
            "getent failed with {}: {}",
            done.status,
            done.stderr.trim()
        ))),
    }
}
