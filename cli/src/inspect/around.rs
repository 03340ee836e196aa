//! What stands around the table when a program looks a name up: the other
//! services of nsswitch.conf(5), nscd(8), and what comes of all of them.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use cloudhosts_table::Name;
use serde_json::{Value, json};

use super::explain::shown_addresses;
use crate::getent;
use crate::nscd;
use crate::nsswitch::hosts::{self, Service};
use crate::nsswitch::place::{Place, STANDARD};
use crate::outcome::{Lines, Plain};

/// All that is asked beside the table.
#[derive(Debug)]
pub(super) struct Around {
    /// The services, as glibc will ask them; none where there is no line.
    services: Vec<Service>,
    /// What `/etc/hosts` has.
    files: io::Result<Vec<IpAddr>>,
    /// Whether nscd may answer in place of all.
    nscd: bool,
    /// What a program is told.
    told: io::Result<Vec<IpAddr>>,
}

impl Around {
    /// Asks them all.
    pub(super) fn look(name: &Name) -> Around {
        let text = Place::read(Path::new(STANDARD)).map(|place| place.text());
        let line = text.ok().and_then(|text| hosts::effective(&text));
        Around {
            services: line.and_then(|line| line.services.ok()).unwrap_or_default(),
            files: getent::addresses(name, Some("files")),
            nscd: nscd::caches_hosts(),
            told: getent::addresses(name, None),
        }
    }

    /// The services before ours and behind it; none where ours is not asked.
    fn sides(&self) -> Option<(&[Service], &[Service])> {
        let ours = self.services.iter().position(Service::is_ours)?;
        Some((self.services.get(..ours)?, self.services.get(ours + 1..)?))
    }

    /// Why a program is told something else than what the table has.
    fn differs(&self, table: &[IpAddr], pick: u16) -> Option<String> {
        let told = match &self.told {
            Ok(told) => told,
            Err(error) => return Some(format!("can't tell what programs are told: {error}")),
        };
        // Of several addresses all are given, but with pick= some, and only those of
        // families in which the machine has an address itself (AI_ADDRCONFIG).
        let known = told.iter().all(|address| table.contains(address));
        let given = |family: fn(&&IpAddr) -> bool| {
            let ours: Vec<&IpAddr> = table.iter().filter(family).collect();
            let got = ours.iter().filter(|address| told.contains(address)).count();
            got == ours.len() || got == 0 || pick > 0
        };
        let whole = given(|address| address.is_ipv4()) && given(|address| address.is_ipv6());
        if known && whole && told.is_empty() == table.is_empty() {
            return None;
        }
        if told.is_empty() && table.iter().all(IpAddr::is_ipv6) && self.sides().is_some() {
            return Some(
                "it has IPv6 addresses alone, and this machine may have none itself".into(),
            );
        }
        let before = self.sides().map(|(before, _)| before);
        let from_files = self.files.as_ref().is_ok_and(|files| !files.is_empty());
        Some(match before {
            None => "cloudhosts is not on the hosts: line (cloudhosts nsswitch enable)".into(),
            Some(before) if from_files && before.iter().any(|one| one.name == "files") => {
                "/etc/hosts has the name too, and is asked first".into()
            }
            Some(_) if self.nscd => "nscd may have an older answer (nscd -i hosts)".into(),
            Some(_) if table.is_empty() => "another service knows the name".into(),
            Some([]) => "see cloudhosts doctor".into(),
            Some(_) => "a service before cloudhosts knows the name, or ends the search".into(),
        })
    }

    /// For people.
    pub(super) fn add_to(&self, lines: &mut Lines, table: &[IpAddr], pick: u16) {
        match self.sides() {
            None => lines.add(
                "asked",
                format_args!("cloudhosts is not asked: it is not on the hosts: line of {STANDARD}"),
            ),
            Some((before, after)) => {
                lines.add("asked before", listed(before));
                lines.add("asked after", listed(after));
            }
        }
        if let Ok(files) = &self.files
            && !files.is_empty()
        {
            lines.add("/etc/hosts", shown_addresses(files));
        }
        if self.nscd {
            lines.add("nscd", "caches hosts, and answers before all of them");
        }
        match &self.told {
            Ok(told) => lines.add("programs get", shown_addresses(told)),
            Err(error) => lines.add("programs get", Plain(&error.to_string())),
        }
        if let Some(why) = self.differs(table, pick) {
            lines.add("", format_args!("which differs: {}", Plain(&why)));
        }
    }

    /// For programs.
    pub(super) fn as_json(&self, table: &[IpAddr], pick: u16) -> Value {
        let names = |all: &[Service]| all.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        let sides = self.sides();
        json!({
            "asked": sides.is_some(),
            "before": sides.map(|(before, _)| names(before)),
            "after": sides.map(|(_, after)| names(after)),
            "files": self.files.as_ref().ok(),
            "nscd": self.nscd,
            "programs_get": self.told.as_ref().ok(),
            "differs": self.differs(table, pick),
        })
    }
}

/// Services by name, with the answers at which the search ends there.
fn listed(services: &[Service]) -> String {
    let shown = services.iter().map(|service| {
        let ends: Vec<&str> = service.returns.without_answer().collect();
        match ends.is_empty() {
            true => Plain(&service.name).to_string(),
            false => format!(
                "{} (ends the search at {})",
                Plain(&service.name),
                ends.join(", ")
            ),
        }
    });
    match services.is_empty() {
        true => "nothing".into(),
        false => shown.collect::<Vec<_>>().join(", then "),
    }
}
