//! The forms in which the table is exported. None holds a time or a generation,
//! so that what has not changed is the same text.

use std::io::{self, Write};

use cloudhosts_table::name::MAX_NAME;

use super::list::write_roles;
use super::preserved_lines::PreservedLines;
use crate::progress::Steps;
use crate::table_roles::{SortedRoles, TableRole};

/// What hosts(5) needs to be one for a machine that has no other.
pub(super) const LOOPBACK: &str =
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

/// The first line of what is written, but for JSON.
pub(super) const MADE: &str = "# Made by \"cloudhosts export\", which overwrites changes.";

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

impl Format {
    /// Writes the roles in this form, beside what is `own` to the machine that the
    /// file is for.
    pub(super) fn write(
        self,
        out: &mut dyn Write,
        roles: &SortedRoles<'_>,
        own: Option<&PreservedLines>,
    ) -> io::Result<()> {
        let mut steps = Steps::of(roles.count(), "roles");
        let all = roles.iter().inspect(|_| steps.next());
        let answered = all.filter(|role| role.answer.is_some());
        match self {
            Format::Hosts => write_hosts(out, answered, roles.domain(), own),
            Format::Json => write_json(out, answered, &roles.hashes()),
            Format::Dnsmasq => write_dnsmasq(out, answered, roles.domain()),
        }
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

fn write_hosts(
    out: &mut dyn Write,
    roles: impl Iterator<Item = TableRole>,
    domain: &str,
    own: Option<&PreservedLines>,
) -> io::Result<()> {
    write!(out, "{MADE}\n{LOOPBACK}")?;
    if let Some(own) = own {
        own.write_before(out)?;
    }
    for role in roles.filter(|role| !role.name.starts_with("*.")) {
        let mut names = names(&role.name, domain);
        names.retain(|name| own.is_none_or(|own| !own.has(name)));
        if names.is_empty() {
            continue;
        }
        let names = names.join(" ");
        for address in role.addresses() {
            writeln!(out, "{address}\t{names}")?;
        }
    }
    own.map_or(Ok(()), |own| own.write_after(out))
}

fn write_dnsmasq(
    out: &mut dyn Write,
    roles: impl Iterator<Item = TableRole>,
    domain: &str,
) -> io::Result<()> {
    writeln!(out, "{MADE}")?;
    for role in roles {
        for address in role.addresses() {
            match role.name.strip_prefix("*.") {
                Some(suffix) => writeln!(out, "address=/{suffix}/{address}")?,
                None => {
                    let names = names(&role.name, domain).join(",");
                    writeln!(out, "host-record={names},{address}")?;
                }
            }
        }
    }
    Ok(())
}

fn write_json(
    out: &mut dyn Write,
    roles: impl Iterator<Item = TableRole>,
    hashes: &[String],
) -> io::Result<()> {
    out.write_all(b"{\"roles\":")?;
    write_roles(out, roles, hashes)?;
    out.write_all(b"}\n")
}
