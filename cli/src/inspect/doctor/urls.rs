//! The hosts of `urls`, which no name of the registry should cover.

use std::net::IpAddr;

use cloudhosts_config::{Config, Endpoint};
use cloudhosts_table::{Name, View};

use super::code::Code;
use super::finding::Finding;
use crate::inspect::roles::{addresses, joined};
use crate::local;

const CHECK: &str = "urls";

/// A host at which Redis or a sentinel is found, and the field that has it too.
struct Covered {
    host: String,
    by: String,
    addresses: Vec<IpAddr>,
}

/// Warns of each host of `urls`, and of the master that sentinels name, for which
/// programs are told what Redis says.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    let followed = local::status(config)
        .ok()
        .and_then(|(_, status)| Endpoint::parse(&status.redis?.endpoint).ok());
    let endpoints = config.redis.urls.iter().chain(&followed);
    let mut hosts: Vec<&str> = endpoints.filter_map(Endpoint::host).collect();
    hosts.sort_unstable();
    hosts.dedup();
    // Without a table there is nothing to compare, which is said elsewhere.
    let covered = local::table(config, |view| {
        let covers = |host: &&str| covers(view, host);
        hosts.iter().filter_map(covers).collect::<Vec<_>>()
    });
    match covered {
        Err(_) => Vec::new(),
        Ok(covered) if covered.is_empty() => {
            let says = "no name in Redis covers a host at which Redis is found";
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
            "Redis is found at {host}, which {by} in Redis covers: programs are told {}",
            joined(addresses)
        ),
        "cloudhosts itself asks the other services for it; remove that field, or leave it out \
         with `allow`, unless it is meant for programs",
    )
    .code(Code::Covered)
}
