//! Redis, visited as the daemon would.

use cloudhosts_config::status::UnreadableCode;
use cloudhosts_config::{Account, Config, Unit};
use cloudhosts_registry::{Probe, Unreadable, probe};

use super::code::Code;
use super::daemon::clock_of_redis;
use super::finding::Finding;
use super::{acl, faults};

const CHECK: &str = "redis";

/// Visits it, with the rights that the daemon has on this machine.
pub(super) fn look(config: &Config, unit: &Unit, account: Option<&Account>) -> Vec<Finding> {
    let visited = match account {
        // Who may not become that user visits it all the same.
        Some(account) => account
            .act(|| probe(config))
            .unwrap_or_else(|_| probe(config)),
        None => probe(config),
    };
    match visited {
        Ok(probe) => seen(&probe),
        Err(error) => faults::look(&error, config, unit, account),
    }
}

fn seen(probe: &Probe) -> Vec<Finding> {
    let endpoint = &probe.endpoint;
    let mut findings = vec![match &probe.no_tracking {
        None => Finding::ok(CHECK, format_args!("{endpoint}, and it pushes changes")),
        Some(why) => {
            let says = format_args!("{endpoint} pushes no changes, so they are polled");
            let todo = format_args!(
                "use Redis 6 or later, and in Redis: ACL SETUSER {} +client|tracking",
                probe.user
            );
            let finding = Finding::warning(CHECK, says, todo).code(Code::Polled);
            finding.evidence(why)
        }
    }];
    findings.extend(probe.hashes.iter().filter_map(|(key, facts)| {
        let unread = facts.as_ref().err()?;
        unreadable(key, unread)
    }));
    findings.push(acl::look(probe));
    findings.extend(losses(probe));
    let facts = probe.hashes.iter().map(|(_, facts)| facts.as_ref().ok());
    let fields: Option<usize> = facts.map(|facts| facts.map(|facts| facts.fields)).sum();
    if fields == Some(0) {
        let keys: Vec<&str> = probe.hashes.iter().map(|(key, _)| key.as_str()).collect();
        let says = format_args!("it has no field in {}", keys.join(", "));
        let todo = "is this the right Redis, and the right hash?";
        findings.push(Finding::warning(CHECK, says, todo).code(Code::Empty));
    }
    findings.extend(probe.time.map(clock_of_redis));
    findings
}

/// A hash that can't be read, though the user may: where that is the reason, it is
/// the [`acl`] that says so.
fn unreadable(key: &str, unread: &Unreadable) -> Option<Finding> {
    let (code, says, todo) = match unread.code {
        UnreadableCode::NoPerm => return None,
        UnreadableCode::Moved => (
            Code::OtherNode,
            format!("{key} lives on another node of the Redis Cluster"),
            "add that node to urls in the configuration".to_owned(),
        ),
        UnreadableCode::WrongType => (
            Code::WrongType,
            format!("the key {key} is not a hash"),
            format!("name another key in `hashes`, or in Redis: DEL {key}"),
        ),
        UnreadableCode::TooLarge => (
            Code::TooLarge,
            format!("there is more in {key} than a table can hold"),
            "spread the roles over several hashes, and use `allow`".to_owned(),
        ),
    };
    let finding = Finding::wrong(CHECK, says, todo).code(code);
    Some(finding.evidence(&unread.why))
}

/// How this Redis can lose names by itself.
fn losses(probe: &Probe) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(policy) = &probe.evicts_all_keys {
        let says = "Redis evicts any key when its memory is short, so names may be lost";
        let todo = "in Redis: CONFIG SET maxmemory-policy noeviction";
        let finding = Finding::warning("eviction", says, todo).code(Code::Evicts);
        findings.push(finding.evidence(format_args!("maxmemory-policy {policy}")));
    }
    for (key, facts) in &probe.hashes {
        if facts.as_ref().is_ok_and(|facts| facts.expires) {
            let says = format_args!("{key} has a time to live, after which all its names are gone");
            let todo = format_args!("in Redis: PERSIST {key}");
            findings.push(Finding::warning("expiry", says, todo).code(Code::Expires));
        }
    }
    if probe.persists == Some(false) {
        let says = "Redis does not save what changes: a restart loses it";
        let todo = "in Redis: CONFIG SET appendonly yes";
        let finding = Finding::warning("persistence", says, todo).code(Code::Unsaved);
        findings.push(finding.evidence("see INFO persistence, and the log of Redis"));
    }
    findings
}
