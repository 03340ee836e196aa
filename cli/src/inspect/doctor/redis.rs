//! Redis, visited as the daemon would.

use cloudhosts_registry::config::Config;
use cloudhosts_registry::{Need, NotRead, Probe, UnreadableCode, probe};

use super::daemon::clock_of_redis;
use super::finding::Finding;

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let probe = match probe(config) {
        Ok(probe) => probe,
        Err(why) if why.contains("Permission denied") => {
            let says = format_args!("can't be visited as the daemon would: {why}");
            return vec![Finding::warning("redis", says, "run this as root")];
        }
        Err(why) => {
            let remedy = "check urls, username and password_file of the configuration";
            return vec![Finding::wrong("redis", why, remedy)];
        }
    };
    let mut findings = vec![match &probe.no_tracking {
        None => Finding::ok(
            "redis",
            format_args!("{}, and it pushes changes", probe.endpoint),
        ),
        Some(why) => Finding::warning(
            "redis",
            format_args!(
                "{} pushes no changes, so they are polled: {why}",
                probe.endpoint
            ),
            "use Redis 6 or later, and grant +client|tracking",
        ),
    }];
    findings.extend(unreadable(&probe));
    findings.push(rights(&probe));
    findings.extend(losses(&probe));
    let facts = probe.hashes.iter().map(|(_, facts)| facts.as_ref().ok());
    let fields: Option<usize> = facts.map(|facts| facts.map(|facts| facts.fields)).sum();
    if fields == Some(0) {
        let keys: Vec<&str> = probe.hashes.iter().map(|(key, _)| key.as_str()).collect();
        findings.push(Finding::warning(
            "redis",
            format_args!("it has no field in {}", keys.join(", ")),
            "is this the right Redis, and the right hash?",
        ));
    }
    findings.extend(probe.time.map(clock_of_redis));
    findings
}

/// The hashes that can't be read, though the user may.
fn unreadable(probe: &Probe) -> Option<Finding> {
    let unreadable = |(key, facts): &(String, Result<_, NotRead>)| match facts {
        Err(NotRead { code, why }) if *code != Some(UnreadableCode::NoPerm) => {
            Some(format!("{key}: {why}"))
        }
        _ => None,
    };
    let unreadable: Vec<String> = probe.hashes.iter().filter_map(unreadable).collect();
    (!unreadable.is_empty()).then(|| Finding::wrong("redis", unreadable.join("; "), ""))
}

/// What the daemon's user may not do: at worst that it can't follow, else what it
/// has to do without.
fn rights(probe: &Probe) -> Finding {
    const REMEDY: &str = "the line that grants them is in cloudhosts-registry(7)";
    let mut needed = Vec::new();
    for (key, facts) in &probe.hashes {
        if let Err(NotRead { code, why }) = facts
            && *code == Some(UnreadableCode::NoPerm)
        {
            needed.push(format!("{key}: {why}"));
        }
    }
    let refused = |need| {
        probe
            .refused
            .iter()
            .filter(move |refused| refused.need == need)
    };
    let used_always = refused(Need::Ping).chain(refused(Need::Scan));
    needed.extend(used_always.map(|refused| format!("{}: {}", refused.command, refused.why)));
    if !needed.is_empty() {
        return Finding::wrong("acl", needed.join("; "), REMEDY);
    }
    let mut without = Vec::new();
    for (need, consequence) in [
        (Need::Log, "each change has the whole hash read again"),
        (
            Need::Info,
            "names that a restarted Redis has lost are retained until they are accepted",
        ),
        (
            Need::Fields,
            "one value that is too large makes its hash unreadable",
        ),
        (
            Need::TimeToLive,
            "a hash that has expired looks like one that was deleted",
        ),
    ] {
        let commands: Vec<&str> = refused(need).map(|refused| refused.command).collect();
        if !commands.is_empty() {
            without.push(format!("without {} {consequence}", commands.join(" ")));
        }
    }
    if without.is_empty() {
        Finding::ok("acl", "the daemon may run every command it uses")
    } else {
        Finding::warning("acl", without.join("; "), REMEDY)
    }
}

/// How this Redis can lose names by itself.
fn losses(probe: &Probe) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(policy) = &probe.evicts_all_keys {
        findings.push(Finding::warning(
            "eviction",
            format_args!(
                "Redis evicts any key when its memory is short (maxmemory-policy {policy})"
            ),
            "set maxmemory-policy to noeviction or volatile-lru, or use a Redis that is no cache",
        ));
    }
    for (key, facts) in &probe.hashes {
        if facts.as_ref().is_ok_and(|facts| facts.expires) {
            findings.push(Finding::warning(
                "expiry",
                format_args!("{key} has a time to live, after which all its names are gone"),
                format!("run: redis-cli PERSIST {key}"),
            ));
        }
    }
    if probe.persists == Some(false) {
        findings.push(Finding::warning(
            "persistence",
            "Redis does not save what changes: a restart loses it",
            "set appendonly yes, or save; see INFO persistence and the log of Redis",
        ));
    }
    findings
}
