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
    let mut command = getent(service);
    command.args(["--", "ahosts", name.as_str()]);
    let first = |line: &str| line.split_whitespace().next()?.parse().ok();
    let mut all: Vec<IpAddr> = answer(&mut command)?.lines().filter_map(first).collect();
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// The names that programs are given for an address, the canonical one first; by
/// one service alone where that is named. Empty when it has none.
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

/// What it prints; nothing where nothing is found.
fn answer(command: &mut Command) -> io::Result<String> {
    let done = child::run(command, LIMIT)?;
    match done.status.code() {
        // 2: not found (getent(1)).
        Some(0 | 2) => Ok(done.stdout),
        _ => Err(io::Error::other(format!(
            "getent ended with {}: {}",
            done.status,
            done.stderr.trim()
        ))),
    }
}
