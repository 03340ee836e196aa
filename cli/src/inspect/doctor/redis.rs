//! Redis, visited as the daemon would.

use cloudhosts_registry::config::Config;
use cloudhosts_registry::probe;

use super::daemon::clock_of_redis;
use super::finding::Finding;

/// While the module crashes whoever looks a name up.
pub(super) fn not_visited() -> Finding {
    Finding::warning(
        "redis",
        "not visited while the module crashes",
        "mend that first",
    )
}

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
    let refused = probe
        .hashes
        .iter()
        .filter_map(|(key, fields)| match fields {
            Ok(_) => None,
            Err(why) => Some(format!("{key}: {why}")),
        });
    let ping = probe.no_ping.iter().map(|why| format!("PING: {why}"));
    let refused: Vec<String> = refused.chain(ping).collect();
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
        .filter_map(|(_, fields)| fields.clone().ok())
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
