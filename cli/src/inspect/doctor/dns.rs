//! DNS: whether cloudhosts-dns answers, and whether the resolver of this machine asks it.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;

use cloudhosts_config::{Config, Dns, starts_at_boot};
use cloudhosts_table::{Cursor, Name, View};
use domain::base::iana::Rcode;

use super::code::Code;
use super::finding::Finding;
use super::unit::is_booted;
use crate::dns::drop_in::{DropIn, Route, State};
use crate::dns::query::{self, Reply};
use crate::dns::{present, resolv_conf};
use crate::local_daemon;
use crate::table_roles::{addresses, joined};

/// The check of the server.
const SERVER: &str = "dns";

/// The check of the way to it.
const RESOLVER: &str = "resolver";

/// The server's unit.
const UNIT: &str = "cloudhosts-dns.service";

/// The port at which a resolver answers.
const PORT: u16 = 53;

/// Most addresses of a name that is asked for: more may not fit an answer by UDP.
const MOST_ADDRESSES: usize = 16;

/// The server and the way to it. Nothing where neither is configured.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    let drop_ins = match present(Path::new("/")) {
        Ok(drop_ins) => drop_ins,
        Err(failure) => {
            let finding = Finding::wrong(RESOLVER, failure, "run this as root");
            return vec![finding.code(Code::Unreadable)];
        }
    };
    let enabled = starts_at_boot(UNIT);
    if !enabled && config.dns == Dns::default() && drop_ins.is_empty() {
        return Vec::new();
    }
    let Some(route) = Route::of(config) else {
        let says = "there is no domain, so cloudhosts-dns does not start";
        let todo = "set domain = \"prod.example.com\" at the top of cloudhosts.toml, and restart \
                    cloudhosts-cached and cloudhosts-dns";
        return vec![Finding::wrong(SERVER, says, todo).code(Code::NoDomain)];
    };
    let sample = local_daemon::table(config, |view| sample(view, &route)).ok();
    let (name, known) = sample.flatten().unzip();
    let mut findings = vec![server(&route, name.as_ref(), known.as_deref())];
    if !enabled && is_booted() {
        let says = "cloudhosts-dns does not start at boot";
        let todo = "run: systemctl enable --now cloudhosts-dns";
        findings.push(Finding::warning(SERVER, says, todo).code(Code::NotEnabled));
    }
    for drop_in in &drop_ins {
        findings.extend(outdated(drop_in, &route));
    }
    if let (Some(drop_in), Some(name)) = (drop_ins.first(), name) {
        findings.extend(resolver(drop_in, &route, &name, config.dns.ttl));
    }
    findings
}

/// A name below the domain, with its addresses: of a role that has the same at each lookup.
fn sample(view: &View<'_>, route: &Route) -> Option<(Name, Vec<IpAddr>)> {
    let domain = route.zones.first()?;
    let mut at = Cursor::default();
    while let Some(listed) = view.list(at) {
        at = Cursor(listed.at.0 + 1);
        let role = listed.name.to_string();
        let full = Name::parse(format!("{role}.{domain}").as_bytes());
        if let (false, Ok(full)) = (role.contains('.'), full)
            && let Some(answer) = View::lookup(view, &full)
            && answer.pick() == 0
            && (1..=MOST_ADDRESSES).contains(&answer.v4().len())
        {
            let mut known: Vec<IpAddr> = addresses(&answer);
            known.retain(IpAddr::is_ipv4);
            known.sort_unstable();
            return Some((full, known));
        }
    }
    None
}

/// Whether the server answers at its address, and what the table has.
fn server(route: &Route, name: Option<&Name>, known: Option<&[IpAddr]>) -> Finding {
    let (domain, at) = match (route.zones.first(), route.server) {
        (Some(domain), at) => (domain, at),
        (None, at) => return Finding::ok(SERVER, format_args!("{at} is not asked")),
    };
    let reply = match query::soa(at, domain) {
        Ok(reply) => reply,
        Err(error) => return silent(at, &error),
    };
    match reply.rcode {
        Rcode::NOERROR => {}
        Rcode::SERVFAIL => {
            let says = format_args!("cloudhosts-dns has no table for {domain}");
            let todo = "see the checks of the daemon above; after a change of domain restart \
                        cloudhosts-cached and cloudhosts-dns";
            return Finding::wrong(SERVER, says, todo).code(Code::NoTable);
        }
        other => {
            let says = format_args!("what answers at {at} does not serve {domain}: {other}");
            let todo = format_args!(
                "run: systemctl reload cloudhosts-dns; or find out who else listens at {at} (ss -lunp)"
            );
            return Finding::wrong(SERVER, says, todo).code(Code::NotServed);
        }
    }
    let (Some(name), Some(known)) = (name, known) else {
        return Finding::ok(SERVER, format_args!("{at} answers for {domain}"));
    };
    match query::addresses(at, name) {
        Err(error) => silent(at, &error),
        Ok(reply) if reply.addresses == known => {
            let says = format_args!("{at} answers what the table has for {name}");
            Finding::ok(SERVER, says)
        }
        Ok(reply) => {
            let says = format!(
                "{at} answers {} for {name}, the table has {}",
                told(&reply),
                joined(known)
            );
            let todo = "run this again; if it stays, run: systemctl restart cloudhosts-dns";
            Finding::wrong(SERVER, says, todo).code(Code::Mismatch)
        }
    }
}

fn silent(at: SocketAddr, error: &io::Error) -> Finding {
    let says = format_args!("cloudhosts-dns does not answer at {at}");
    let todo = if is_booted() {
        "run: systemctl enable --now cloudhosts-dns; if it ends, its journal says why"
    } else {
        "start cloudhosts-dns"
    };
    Finding::wrong(SERVER, says, todo)
        .code(Code::NoAnswer)
        .evidence(error)
}

/// A file that asks for something else than the configuration does.
fn outdated(drop_in: &DropIn, route: &Route) -> Option<Finding> {
    (drop_in.state(Some(route)) == State::Outdated).then(|| {
        let says = format_args!("{} is of another configuration", drop_in.path().display());
        let resolver = drop_in.kind().resolver();
        let todo = format_args!(
            "run: cloudhosts dns enable --for {}, and then {}",
            resolver.word(),
            resolver.apply()
        );
        Finding::warning(RESOLVER, says, todo).code(Code::Outdated)
    })
}

/// Whether what programs ask answers as the server does.
fn resolver(drop_in: &DropIn, route: &Route, name: &Name, ttl: u32) -> Option<Finding> {
    let resolver = drop_in.kind().resolver();
    let server = resolv_conf::nameserver(Path::new("/"));
    let asked = SocketAddr::new(server, PORT);
    if !is_of_this_machine(server) {
        let says = format_args!("programs ask {server} and not {} here", resolver.word());
        let todo = "name the address of this machine's resolver in /etc/resolv.conf, or run: \
                    cloudhosts dns disable";
        let finding = Finding::wrong(RESOLVER, says, todo).code(Code::NotAsked);
        return Some(finding.evidence("the first nameserver of /etc/resolv.conf"));
    }
    // What the server itself can't answer is told above.
    let before = query::addresses(route.server, name).ok()?;
    let reply = match query::addresses(asked, name) {
        Ok(reply) => reply,
        Err(error) => {
            let says = format_args!("the resolver at {server} does not answer for {name}");
            let todo = format_args!("run: {}", resolver.apply());
            let finding = Finding::wrong(RESOLVER, says, todo).code(Code::NoAnswer);
            return Some(finding.evidence(error));
        }
    };
    // The role may have moved in between.
    let after = query::addresses(route.server, name).ok()?;
    let same = |own: &Reply| (own.rcode, &own.addresses) == (reply.rcode, &reply.addresses);
    if same(&before) || same(&after) {
        let says = format_args!("{server} answers for {name} as cloudhosts-dns does");
        return Some(Finding::ok(RESOLVER, says));
    }
    let says = format!(
        "{server} answers {} for {name}, and cloudhosts-dns {}",
        told(&reply),
        told(&after)
    );
    let todo = format!(
        "run: {}; if it stays, see whether {} reads {}",
        resolver.apply(),
        resolver.word(),
        drop_in.path().display()
    );
    // It may retain an answer for that long.
    let finding = if ttl > 0 {
        Finding::warning(RESOLVER, says, todo)
    } else {
        Finding::wrong(RESOLVER, says, todo)
    };
    Some(finding.code(Code::Mismatch))
}

/// An answer in a few words.
fn told(reply: &Reply) -> String {
    if reply.addresses.is_empty() {
        reply.rcode.to_string()
    } else {
        joined(&reply.addresses)
    }
}

/// Whether an address is one of this machine's: only these can be bound.
fn is_of_this_machine(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}
