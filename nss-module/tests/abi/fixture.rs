//! The roles that the tests ask for, and what is expected of them.

use std::net::Ipv4Addr;

use crate::common::*;

/// The first `count` addresses of 10.0.0.0/8.
pub fn farm(name: &str, count: u32) -> Entry {
    let addresses = (0..count).map(|n| Ipv4Addr::from(0x0a00_0001 + n).octets());
    Entry {
        v4: addresses.collect(),
        ..entry(name, &[])
    }
}

pub fn roles() -> Vec<Entry> {
    let mut roles = vec![
        entry("*.apps.internal", &["192.0.2.9"]),
        entry("both", &["192.0.2.1", "192.0.2.2", "fd00::1", "fd00::2"]),
        pointer("primary", "web-master"),
        pointer("second", "web-master"),
        entry("six", &["fd00::6"]),
        entry("web-master", &["192.0.2.5", "fd00::5"]),
        Entry {
            pick: 1,
            ..entry(
                "one-of",
                &[
                    "198.51.100.1",
                    "198.51.100.2",
                    "198.51.100.3",
                    "198.51.100.4",
                ],
            )
        },
    ];
    for count in [25, 100, 1_000, 4_000] {
        roles.push(farm(&format!("farm-{count}"), count));
    }
    roles.push(Entry {
        v6: (1..=4_000_u128).map(|n| (n << 64).to_be_bytes()).collect(),
        ..farm("farm-both", 4_000)
    });
    roles
}

/// A process with a daemon, these roles, and the module.
pub fn attached() -> (Daemon, Module) {
    serving(roles())
}

/// A process with a daemon, other roles, and the module.
pub fn serving(mut roles: Vec<Entry>) -> (Daemon, Module) {
    let daemon = Daemon::start();
    roles.push(marker(1));
    daemon.publish(roles);
    let module = Module::load();
    await_generation(&module, 1);
    (daemon, module)
}

/// Publishes, and waits until the module has the new table.
pub fn publish(daemon: &Daemon, module: &Module, generation: u64, mut roles: Vec<Entry>) {
    roles.push(marker(generation));
    daemon.publish(roles);
    await_generation(module, generation);
}

/// A wildcard by which a table is known. It is on no list.
fn marker(generation: u64) -> Entry {
    entry(&format!("*.generation-{generation}"), &["192.0.2.99"])
}

/// The attach has a bound, which a busy machine may miss the first time.
fn await_generation(module: &Module, generation: u64) {
    eventually("the table is used", || {
        let marker = format!("any.generation-{generation}");
        module.ask(&name4(&marker)).status == SUCCESS
    });
}

pub fn found(name: &str, aliases: &[&str], addresses: &[&str]) -> Outcome {
    Outcome {
        status: SUCCESS,
        errno: JUNK,
        h_errno: 0,
        answer: Some(Answered {
            name: name.into(),
            aliases: aliases.iter().map(|&alias| alias.into()).collect(),
            addresses: addresses.iter().map(|ip| ip.parse().unwrap()).collect(),
        }),
    }
}

pub fn name2(name: &str, af: libc::c_int) -> Ask {
    Ask::Name2(name.into(), af)
}

pub fn name4(name: &str) -> Ask {
    Ask::Name4(name.into(), false)
}

pub fn addr(address: &str) -> Ask {
    Ask::Addr(address.parse().unwrap())
}

/// Runs `body` in a forked child and returns what it exits with; nothing when
/// it was killed.
pub fn in_child(body: impl FnOnce() -> i32) -> Option<i32> {
    // SAFETY: the child uses the module, which is made for this, and exits.
    match unsafe { libc::fork() } {
        0 => {
            let code = body();
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(code) }
        }
        child => {
            let mut status = 0;
            // SAFETY: waits for the child just made.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status))
        }
    }
}
