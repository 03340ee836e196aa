//! Redis, visited as the daemon would.

use cloudhosts_registry::config::Config;
use cloudhosts_registry::{NotRead, UnreadableCode, probe};

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
    let (mut refused, mut unreadable) = (Vec::new(), Vec::new());
    for (key, fields) in &probe.hashes {
        if let Err(NotRead { code, why }) = fields {
            let list = match code {
                Some(UnreadableCode::NoPerm) => &mut refused,
                _ => &mut unreadable,
            };
            list.push(format!("{key}: {why}"));
        }
    }
    if !unreadable.is_empty() {
        findings.push(Finding::wrong("redis", unreadable.join("; "), ""));
    }
    let ping = probe.no_ping.iter().map(|why| format!("PING: {why}"));
    refused.extend(ping);
    const REMEDY: &str = "the line that grants them is in cloudhosts-registry(7)";
    findings.push(
        match (refused.is_empty(), &probe.no_info, &probe.no_measuring) {
            (true, None, None) => Finding::ok("acl", "all that the daemon asks is allowed"),
            (true, Some(why), _) => {
                let says =
                    format_args!("a Redis that was started again looks like the same: INFO: {why}");
                Finding::warning("acl", says, REMEDY)
            }
            (true, None, Some(why)) => {
                let says =
                    format_args!("one value that is too large makes its hash unreadable: {why}");
                Finding::warning("acl", says, REMEDY)
            }
            (false, _, _) => Finding::wrong("acl", refused.join("; "), REMEDY),
        },
    );
    let readable: Vec<u64> = probe
        .hashes
        .iter()
        .filter_map(|(_, fields)| fields.as_ref().ok().copied())
        .collect();
    if !readable.is_empty() && readable.iter().all(|&fields| fields == 0) {
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
