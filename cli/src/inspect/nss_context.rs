//! What else decides when a program looks something up: the other services of
//! nsswitch.conf(5), in order, and nscd(8); and what programs get in the end.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use cloudhosts_config::printable::Escaped;
use serde_json::{Value, json};

use crate::nscd;
use crate::nsswitch::file::{NsswitchFile, STANDARD};
use crate::nsswitch::hosts::{self, Service};
use crate::output::LabelledLines;
use crate::table_roles::joined;

/// A lookup of addresses or of names in all services.
#[derive(Debug)]
pub(super) struct NssContext<T> {
    /// The services in the order in which glibc asks them; empty without a `hosts:` line.
    services: Vec<Service>,
    decision: SearchEnd,
    /// What `/etc/hosts` has.
    files: io::Result<Vec<T>>,
    /// Whether nscd may answer instead of the services.
    nscd: bool,
    /// What programs get.
    programs_get: io::Result<Vec<T>>,
    /// Why that differs from the table.
    differs: Option<String>,
}

/// The service at which the search ends, by its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SearchEnd {
    /// It answers.
    By(usize),
    /// It has no answer, and its actions end the search.
    EndedAt(usize),
    /// No service answers.
    Nobody,
    /// It can't be determined.
    Unknown,
}

/// What programs get, compared with the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableComparison {
    Same,
    Differs,
    /// Programs get nothing, as the table has IPv6 addresses only, and the machine may have
    /// none (AI_ADDRCONFIG).
    NoIpv6,
}

impl<T: ToString> NssContext<T> {
    /// Looks it up. `ask` asks one service by its name, or with none does what a program
    /// does. `compare` compares the result of that with the table.
    pub(super) fn query(
        ask: impl Fn(Option<&str>) -> io::Result<Vec<T>>,
        in_table: bool,
        compare: impl Fn(&[T]) -> TableComparison,
    ) -> NssContext<T> {
        let text = NsswitchFile::read(Path::new(STANDARD)).map(|file| file.text());
        let line = text.ok().and_then(|text| hosts::effective(&text));
        let mut context = NssContext {
            services: line.and_then(|line| line.services.ok()).unwrap_or_default(),
            decision: SearchEnd::Unknown,
            files: ask(Some("files")),
            nscd: nscd::caches_hosts(),
            programs_get: ask(None),
            differs: None,
        };
        context.decision = context.decide(ask, in_table);
        context.differs = match &context.programs_get {
            Err(error) => Some(format!("can't find out what programs get: {error}")),
            Ok(got) => match compare(got) {
                TableComparison::Same => None,
                TableComparison::NoIpv6 if context.is_asked() => Some(
                    "it has IPv6 addresses only, and this machine may have no IPv6 address".into(),
                ),
                _ => Some(context.cause(got.is_empty(), in_table)),
            },
        };
        context
    }

    /// What programs get.
    pub(super) fn programs_get(&self) -> &io::Result<Vec<T>> {
        &self.programs_get
    }

    /// Whether cloudhosts is among the services.
    pub(super) fn is_asked(&self) -> bool {
        self.ours().is_some()
    }

    fn ours(&self) -> Option<usize> {
        self.services.iter().position(Service::is_ours)
    }

    /// The service that decides, given whether the table has an answer. Asks no more
    /// services than a program does.
    fn decide(
        &self,
        ask: impl Fn(Option<&str>) -> io::Result<Vec<T>>,
        in_table: bool,
    ) -> SearchEnd {
        let Ok(got) = &self.programs_get else {
            return SearchEnd::Unknown;
        };
        let mut ended = None;
        for (n, service) in self.services.iter().enumerate() {
            let answers = match service.name.as_str() {
                _ if service.is_ours() => in_table,
                "files" => self.files.as_ref().is_ok_and(|files| !files.is_empty()),
                name => ask(Some(name)).is_ok_and(|answers| !answers.is_empty()),
            };
            match (answers, got.is_empty()) {
                (true, false) => return SearchEnd::By(n),
                (true, true) => return ended.map_or(SearchEnd::Unknown, SearchEnd::EndedAt),
                (false, _) if service.ends_search() => ended = ended.or(Some(n)),
                (false, _) => {}
            }
        }
        match (got.is_empty(), ended) {
            (true, Some(n)) if self.ours().is_some_and(|ours| n < ours) => SearchEnd::EndedAt(n),
            (true, _) => SearchEnd::Nobody,
            (false, _) => SearchEnd::Unknown,
        }
    }

    /// Why programs get something else than the table has.
    fn cause(&self, got_nothing: bool, in_table: bool) -> String {
        let from_files = self.files.as_ref().is_ok_and(|files| !files.is_empty());
        let files = |service: &Service| service.name == "files";
        match self.ours() {
            None => "cloudhosts is not on the hosts: line (cloudhosts nsswitch enable)".into(),
            Some(ours) if from_files && self.services.iter().take(ours).any(files) => {
                "/etc/hosts has it too, and is asked first".into()
            }
            Some(_) if self.nscd => "nscd may have an older answer (nscd -i hosts)".into(),
            Some(_) if !in_table => "another service has it".into(),
            Some(ours) => match self.decision {
                SearchEnd::EndedAt(n) if n < ours => format!(
                    "{} comes before cloudhosts and ends the search (cloudhosts nsswitch enable)",
                    self.services.get(n).map_or("a service", |one| &one.name)
                ),
                SearchEnd::By(n) if n < ours => "a service before cloudhosts has it".into(),
                _ if got_nothing => "the module does not answer: see cloudhosts doctor".into(),
                _ => "see cloudhosts doctor".into(),
            },
        }
    }

    /// The services in order, the one that decides in brackets.
    fn chain(&self) -> String {
        let shown = self.services.iter().enumerate().map(|(n, service)| {
            let name = Escaped(&service.name);
            let ends: Vec<&str> = service.returns.without_answer().collect();
            if self.decision == SearchEnd::By(n) {
                format!("[{name}]")
            } else if ends.is_empty() {
                name.to_string()
            } else {
                format!("{name} (ends the search at {})", ends.join(", "))
            }
        });
        shown.collect::<Vec<_>>().join(" -> ")
    }

    /// For people.
    pub(super) fn add_to(&self, lines: &mut LabelledLines) {
        let name = |n: usize| self.services.get(n).map_or("", |one| one.name.as_str());
        lines.add("services", self.chain());
        if !self.is_asked() {
            lines.add(
                "",
                format_args!("cloudhosts is not on the hosts: line of {STANDARD}"),
            );
        }
        if let Ok(files) = &self.files
            && !files.is_empty()
        {
            lines.add("/etc/hosts", Escaped(&joined(files)));
        }
        if self.nscd {
            lines.add("nscd", "caches hosts, and answers before the services");
        }
        match self.decision {
            SearchEnd::By(n) => lines.add("answered by", Escaped(name(n))),
            SearchEnd::EndedAt(n) => lines.add(
                "answered by",
                format_args!("no service: {} ends the search", Escaped(name(n))),
            ),
            SearchEnd::Nobody => lines.add("answered by", "no service"),
            SearchEnd::Unknown => {}
        }
        match &self.programs_get {
            Ok(got) if got.is_empty() => lines.add("programs get", "nothing"),
            Ok(got) => lines.add("programs get", Escaped(&joined(got))),
            Err(error) => lines.add("programs get", Escaped(&error.to_string())),
        }
        if let Some(why) = &self.differs {
            lines.add("", format_args!("which differs: {}", Escaped(why)));
        }
    }

    /// For programs.
    pub(super) fn as_json(&self) -> Value {
        let services = self.services.iter().map(|service| {
            json!({
                "name": service.name,
                "ends_search_at": service.returns.without_answer().collect::<Vec<_>>(),
            })
        });
        let name = |n: usize| self.services.get(n).map(|service| service.name.as_str());
        let (by, ended_at) = match self.decision {
            SearchEnd::By(n) => (name(n), None),
            SearchEnd::EndedAt(n) => (None, name(n)),
            SearchEnd::Nobody | SearchEnd::Unknown => (None, None),
        };
        let texts = |all: &io::Result<Vec<T>>| {
            let all = all.as_ref().ok()?;
            Some(all.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        json!({
            "asked": self.is_asked(),
            "services": services.collect::<Vec<_>>(),
            "answered_by": by,
            "ended_at": ended_at,
            "files": texts(&self.files),
            "nscd": self.nscd,
            "programs_get": texts(&self.programs_get),
            "differs": self.differs,
        })
    }
}

/// Compares the addresses that programs get with those of the table.
pub(super) fn compare(got: &[IpAddr], table: &[IpAddr], pick: u16) -> TableComparison {
    // Of several addresses all are given, but with pick= some, and only those of
    // families in which the machine has an address itself (AI_ADDRCONFIG).
    let known = got.iter().all(|address| table.contains(address));
    let given = |family: fn(&&IpAddr) -> bool| {
        let ours: Vec<&IpAddr> = table.iter().filter(family).collect();
        let count = ours.iter().filter(|address| got.contains(address)).count();
        count == ours.len() || count == 0 || pick > 0
    };
    let whole = given(|address| address.is_ipv4()) && given(|address| address.is_ipv6());
    if known && whole && got.is_empty() == table.is_empty() {
        TableComparison::Same
    } else if got.is_empty() && table.iter().all(IpAddr::is_ipv6) {
        TableComparison::NoIpv6
    } else {
        TableComparison::Differs
    }
}
