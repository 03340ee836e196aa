//! nsswitch.conf: whether glibc asks cloudhosts.

use std::path::Path;

use super::code::Code;
use super::finding::Finding;
use crate::nsswitch::file::{NsswitchFile, STANDARD};
use crate::nsswitch::hosts::{self, Service};
use crate::nsswitch::{HostsLineState, services};

const CHECK: &str = "nsswitch";

/// The remedy in most cases.
const ENABLE: &str = "run: cloudhosts nsswitch enable";

/// Whether glibc asks cloudhosts, and the services behind it.
pub(super) fn look() -> Vec<Finding> {
    let file = match NsswitchFile::read(Path::new(STANDARD)) {
        Ok(file) => file,
        Err(failure) => {
            let finding = Finding::wrong(CHECK, failure, "run this as root");
            return vec![finding.code(Code::Unreadable)];
        }
    };
    let text = file.text();
    let line = hosts::effective(&text);
    let list = line
        .as_ref()
        .map(hosts::HostsLine::list)
        .unwrap_or_default();
    let shown = services(&file).unwrap_or_default();
    let finding = match file.state() {
        HostsLineState::Enabled => Finding::ok(CHECK, format_args!("{STANDARD} asks: {shown}")),
        HostsLineState::Absent if !file.exists() => {
            let says = format_args!("there is no {STANDARD}");
            Finding::wrong(CHECK, says, ENABLE).code(Code::NoFile)
        }
        HostsLineState::Absent if line.is_none() => {
            let says = format_args!("{STANDARD} has no hosts: line");
            Finding::wrong(CHECK, says, ENABLE).code(Code::NoHostsLine)
        }
        HostsLineState::Absent => {
            let says = format_args!("cloudhosts is not on the hosts: line of {STANDARD}: {shown}");
            Finding::wrong(CHECK, says, ENABLE).code(Code::Absent)
        }
        HostsLineState::Misplaced => misplaced(list),
        HostsLineState::Malformed => Finding::wrong(
            CHECK,
            format_args!("{STANDARD}: {}", hosts::Malformed),
            "correct that line",
        )
        .code(Code::Malformed),
    };
    let mut findings = vec![finding];
    findings.extend(unread(&text, line.as_ref()));
    findings.extend(list.iter().find(|one| one.is_ours()).and_then(ends_here));
    findings
}

fn misplaced(list: &[Service]) -> Finding {
    let before = list.iter().take_while(|service| !service.is_ours());
    let mut before = before.filter(|service| service.ends_search() || service.asks_network());
    match before.next() {
        Some(service) if service.ends_search() => {
            let ends: Vec<&str> = service.returns.without_answer().collect();
            let (name, ends) = (&service.name, ends.join(" or "));
            let says = format_args!("{name} comes before cloudhosts and ends the search at {ends}");
            Finding::wrong(CHECK, says, ENABLE).code(Code::EndsSearch)
        }
        Some(service) => {
            let says = format_args!(
                "{} comes before cloudhosts, so each lookup asks the network first",
                service.name
            );
            Finding::warning(CHECK, says, ENABLE).code(Code::NetworkFirst)
        }
        None => {
            let says = "cloudhosts is on the line more than once";
            Finding::warning(CHECK, says, ENABLE).code(Code::Repeated)
        }
    }
}

/// A last line without a newline, which glibc 2.36 does not read.
fn unread(text: &[u8], line: Option<&hosts::HostsLine>) -> Option<Finding> {
    let line = line?;
    let open = line.end == text.len() && !text.ends_with(b"\n");
    open.then(|| {
        let says = format_args!(
            "{STANDARD} ends without a newline, so glibc does not read its hosts: line"
        );
        let todo = format_args!("run: echo >> {STANDARD}");
        Finding::wrong(CHECK, says, todo).code(Code::NoNewline)
    })
}

/// Actions of cloudhosts that keep the other services from being asked.
fn ends_here(ours: &Service) -> Option<Finding> {
    let ends: Vec<&str> = ours.returns.without_answer().collect();
    (!ends.is_empty()).then(|| {
        let says = format_args!(
            "the actions after cloudhosts end the search at {}: the services after it are not asked \
             for other names",
            ends.join(" and ")
        );
        let todo = "remove the [brackets] after cloudhosts";
        Finding::warning(CHECK, says, todo).code(Code::EndsHere)
    })
}
