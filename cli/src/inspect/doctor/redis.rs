//! Redis, contacted as the daemon does.

use cloudhosts_config::status::{MasterLink, UnreadableCode};
use cloudhosts_config::{Account, Config, Unit};
use cloudhosts_registry::{Probe, Unreadable, probe};

use super::code::Code;
use super::daemon::clock_of_redis;
use super::finding::Finding;
use super::{acl, faults};

const CHECK: &str = "redis";

/// Contacts it, with the rights that the daemon has on this machine.
pub(super) fn look(config: &Config, unit: &Unit, account: Option<&Account>) -> Vec<Finding> {
    let visited = match account {
        // Without the right to act as that user, this user's rights have to do.
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
        None => Finding::ok(CHECK, format_args!("{endpoint}, which pushes changes")),
        Some(why) => {
            let says = format_args!("{endpoint} does not push changes, so they are polled");
            let todo = format_args!(
                "use Redis 6 or later, and in Redis: ACL SETUSER {} +client|tracking",
                probe.user
            );
            let finding = Finding::warning(CHECK, says, todo).code(Code::Polled);
            finding.evidence(why)
        }
    }];
    if probe.master_link == Some(MasterLink::Down) {
        let says = format_args!("{endpoint} is a replica whose link to its master is down");
        let todo = "start the master, or promote a replica; changes do not arrive until then";
        let finding = Finding::wrong(CHECK, says, todo).code(Code::MasterDown);
        findings.push(finding.evidence("master_link_status:down in INFO replication"));
    }
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
        let says = format_args!("there are no fields in {}", keys.join(", "));
        let todo = "check that this is the right Redis and the right hash";
        findings.push(Finding::warning(CHECK, says, todo).code(Code::Empty));
    }
    findings.extend(probe.time.map(clock_of_redis));
    findings
}

/// A hash that can't be read. Missing rights are reported by [`acl`].
fn unreadable(key: &str, unread: &Unreadable) -> Option<Finding> {
    let (code, says, todo) = match unread.code {
        UnreadableCode::NoPerm => return None,
        UnreadableCode::Moved => (
            Code::OtherNode,
            format!("{key} lives on another node of the Redis Cluster"),
            "let this machine reach that node, or, if it has other hashes, put the same braces into \
             the names of all in the configuration: hashes = [\"{cloudhosts}:private\", \
             \"{cloudhosts}\"]"
                .to_owned(),
        ),
        UnreadableCode::WrongType => (
            Code::WrongType,
            format!("the key {key} is not a hash"),
            format!("name another key in `hashes`, or in Redis: DEL {key}"),
        ),
        UnreadableCode::TooLarge => (
            Code::TooLarge,
            format!("{key} is too large to be read"),
            "remove fields, or raise max_fields, and MemoryMax= in: systemctl edit cloudhosts-cached"
                .to_owned(),
        ),
    };
    let finding = Finding::wrong(CHECK, says, todo).code(code);
    Some(finding.evidence(&unread.why))
}

/// How this Redis may lose names.
fn losses(probe: &Probe) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(policy) = &probe.evicts_all_keys {
        let says = "Redis evicts any key when it runs out of memory, so names may be lost";
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
        let says = "Redis does not save changes: a restart loses them";
        let todo = "in Redis: CONFIG SET appendonly yes";
        let finding = Finding::warning("persistence", says, todo).code(Code::Unsaved);
        findings.push(finding.evidence("see INFO persistence, and the log of Redis"));
    }
    findings
}
