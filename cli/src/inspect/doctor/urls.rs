//! The hosts of `urls`, which no name in Redis should cover.

use std::net::IpAddr;

use cloudhosts_config::{Config, Endpoint};
use cloudhosts_table::{Name, View};

use super::code::Code;
use super::finding::Finding;
use crate::local_daemon;
use crate::table_roles::{addresses, joined};

const CHECK: &str = "urls";

/// The host of Redis or a sentinel, and the role that covers it.
struct Covered {
    host: String,
    by: String,
    addresses: Vec<IpAddr>,
}

/// Warns of hosts of `urls`, and of the master of the sentinels, that resolve by the names
/// in Redis.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    let followed = local_daemon::status(config)
        .ok()
        .and_then(|(_, status)| Endpoint::parse(&status.redis?.endpoint).ok());
    let endpoints = config.redis.urls.iter().chain(&followed);
    let mut hosts: Vec<&str> = endpoints.filter_map(Endpoint::host).collect();
    hosts.sort_unstable();
    hosts.dedup();
    // A missing table is reported elsewhere.
    let covered = local_daemon::table(config, |view| {
        let covers = |host: &&str| covers(view, host);
        hosts.iter().filter_map(covers).collect::<Vec<_>>()
    });
    match covered {
        Err(_) => Vec::new(),
        Ok(covered) if covered.is_empty() => {
            let says = "no name in Redis covers a host of `urls`";
            vec![Finding::ok(CHECK, says)]
        }
        Ok(covered) => covered.iter().map(warning).collect(),
    }
}

fn covers(view: &View<'_>, host: &str) -> Option<Covered> {
    let name = Name::parse(host.as_bytes()).ok()?;
    Some(Covered {
        host: host.to_owned(),
        by: view.decider(&name)?.to_string(),
        addresses: addresses(&View::lookup(view, &name)?),
    })
}

fn warning(covered: &Covered) -> Finding {
    let Covered {
        host,
        by,
        addresses,
    } = covered;
    Finding::warning(
        CHECK,
        format_args!(
            "{by} in Redis covers {host}, a host of `urls`: programs get {} for it",
            joined(addresses)
        ),
        "unless that is intended, remove that field, or exclude it with `allow`; the daemon itself \
         asks the other services only",
    )
    .code(Code::Covered)
}
