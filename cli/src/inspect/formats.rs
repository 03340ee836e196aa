//! The forms in which the table is exported. None holds a time or a generation,
//! so that what has not changed is the same text.

use std::fmt::Write as _;

use cloudhosts_table::View;
use cloudhosts_table::name::MAX_NAME;
use serde_json::json;

use super::list::role_json;
use super::roles::{self, Role};
use crate::progress::Steps;

/// What hosts(5) needs to be one for a machine that has no other.
const LOOPBACK: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

/// What is above the roles.
const MADE: &str = "# Made by \"cloudhosts export\", which overwrites changes.\n";

/// A form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// hosts(5): a line for each address of each role; wildcards are left out
    Hosts,
    /// One JSON object, as that of list
    Json,
    /// Lines for dnsmasq(8)'s configuration
    Dnsmasq,
}

/// A table in one of them.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) text: String,
    /// The roles in it that have an address.
    pub(super) roles: usize,
}

impl Format {
    /// The table in this form.
    pub(super) fn text(self, view: View<'_>) -> Text {
        view.settled(|| self.text_now(view))
    }

    fn text_now(self, view: View<'_>) -> Text {
        let mut steps = Steps::of(view.names() as usize, "roles");
        let all = roles::all(view).inspect(|_| steps.next());
        let with_address = all.filter(|role| role.answer.is_some());
        let mut roles = 0;
        let counted = with_address.inspect(|_| roles += 1);
        let text = match self {
            Format::Hosts => hosts(counted, view.domain()),
            Format::Json => as_json(counted, view),
            Format::Dnsmasq => dnsmasq(counted, view.domain()),
        };
        Text { text, roles }
    }
}

/// The names that a role answers to: its own, and that below the domain.
fn names(role: &str, domain: &str) -> Vec<String> {
    let mut names = vec![role.to_owned()];
    let long = format!("{role}.{domain}");
    if !domain.is_empty() && long.len() <= MAX_NAME {
        names.push(long);
    }
    names
}

fn hosts(roles: impl Iterator<Item = Role>, domain: &str) -> String {
    let mut text = format!("{MADE}{LOOPBACK}");
    for role in roles {
        if role.name.starts_with("*.") {
            continue;
        }
        let names = names(&role.name, domain).join(" ");
        for address in role.addresses() {
            // A string takes it, here and below.
            let _ = writeln!(text, "{address}\t{names}");
        }
    }
    text
}

fn dnsmasq(roles: impl Iterator<Item = Role>, domain: &str) -> String {
    let mut text = MADE.to_owned();
    for role in roles {
        for address in role.addresses() {
            let _ = match role.name.strip_prefix("*.") {
                Some(suffix) => writeln!(text, "address=/{suffix}/{address}"),
                None => {
                    let names = names(&role.name, domain).join(",");
                    writeln!(text, "host-record={names},{address}")
                }
            };
        }
    }
    text
}

fn as_json(roles: impl Iterator<Item = Role>, view: View<'_>) -> String {
    let hashes = view.hashes();
    let roles: Vec<_> = roles.map(|role| role_json(&role, &hashes)).collect();
    format!("{}\n", json!({ "roles": roles }))
}
