//! Names of the table, looked up as programs do.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;

use cloudhosts_config::status::HashStatus;
use cloudhosts_config::{Config, Counted};
use cloudhosts_table::{Cursor, Name, View};

use super::code::Code;
use super::finding::Finding;
use crate::getent;
use crate::local_daemon;
use crate::table_roles::{addresses, joined};

const CHECK: &str = "names";

/// The file whose names take precedence.
const HOSTS: &str = "/etc/hosts";

/// How many names are looked up.
const SAMPLE_SIZE: u64 = 3;

/// Names, with the addresses that the table has for them.
type Sample = BTreeMap<String, Vec<IpAddr>>;

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let mut findings: Vec<Finding> = filtered(config).into_iter().collect();
    // A missing table is reported elsewhere.
    let Ok(sample) = local_daemon::table(config, sample) else {
        return findings;
    };
    findings.extend(shadowed(config));
    let wrong: Vec<Finding> = sample
        .iter()
        .filter_map(|(name, known)| ask(name, known))
        .collect();
    if wrong.is_empty() && !sample.is_empty() {
        let names: Vec<&String> = sample.keys().collect();
        let says = format_args!("programs get what the table has for {}", joined(&names));
        findings.push(Finding::ok(CHECK, says));
    }
    findings.extend(wrong);
    findings
}

/// How much of Redis `allow` leaves out, by the status.
fn filtered(config: &Config) -> Option<Finding> {
    let (_, status) = local_daemon::status(config).ok()?;
    let sum = |count: fn(&HashStatus) -> Option<usize>| -> usize {
        status.hashes.iter().filter_map(count).sum()
    };
    let (filtered, all) = (sum(|hash| hash.filtered), sum(|hash| hash.in_redis));
    if filtered == 0 {
        return None;
    }
    let fields = Counted::new(all as u64, "field");
    let says = format!(
        "{} leaves out {filtered} of {fields} in Redis",
        config.allow
    );
    Some(if filtered == all {
        let remedy = "add a glob to allow, and run: systemctl reload cloudhosts-cached";
        Finding::warning(CHECK, says, remedy).code(Code::Filtered)
    } else {
        Finding::ok(CHECK, says)
    })
}

/// A few names, spread over the table. Names with `pick` can't be compared, nor those with
/// IPv6 addresses only, which programs get only if the machine has one itself
/// (AI_ADDRCONFIG).
fn sample(view: &View<'_>) -> Sample {
    let stride = (view.names() / SAMPLE_SIZE).max(1);
    let mut sample = Sample::new();
    let (mut at, mut n) = (Cursor::default(), 0);
    while let Some(listed) = view.list(at) {
        let answer = listed.answer();
        if n % stride == 0
            && answer.pick() == 0
            && answer.v4().len() > 0
            && sample.len() < SAMPLE_SIZE as usize
        {
            sample.insert(listed.name.to_string(), addresses(answer));
        }
        (at, n) = (Cursor(listed.at.0 + 1), n + 1);
    }
    sample
}

fn ask(name: &str, known: &[IpAddr]) -> Option<Finding> {
    let name = Name::parse(name.as_bytes()).ok()?;
    let got = match getent::addresses(&name, None) {
        Ok(got) => got,
        Err(error) => {
            let says = format_args!("getent ahosts {name}: {error}");
            return Some(Finding::wrong(
                CHECK,
                says,
                "see the check of the module above",
            ));
        }
    };
    let mut known = known.to_vec();
    known.sort_unstable();
    let same = !got.is_empty() && got.iter().all(|address| known.contains(address));
    (!same).then(|| {
        let got = if got.is_empty() {
            "nothing".into()
        } else {
            joined(&got)
        };
        let says = format!(
            "programs get {got} for {name}, the table has {}",
            joined(&known)
        );
        Finding::wrong(CHECK, says, format_args!("run: cloudhosts explain {name}"))
    })
}

/// Names for which `/etc/hosts` has other addresses, which take precedence.
fn shadowed(config: &Config) -> Option<Finding> {
    let text = fs::read(HOSTS).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut files: BTreeMap<&str, Vec<IpAddr>> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line
            .split('#')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse) else {
            continue;
        };
        for name in words {
            files.entry(name).or_default().push(address);
        }
    }
    let differs = |view: &View<'_>| {
        let names = files.iter().filter(|(name, own)| {
            let Ok(name) = Name::parse(name.as_bytes()) else {
                return false;
            };
            View::lookup(view, &name).is_some_and(|answer| {
                let known = addresses(&answer);
                !own.iter().all(|address| known.contains(address))
            })
        });
        names
            .map(|(name, _)| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let differs = local_daemon::table(config, differs).ok()?;
    (!differs.is_empty()).then(|| {
        let says = format!(
            "{HOSTS} has other addresses, which take precedence, for {}",
            joined(&differs)
        );
        Finding::warning(CHECK, says, "remove them there, unless that is intended")
    })
}
