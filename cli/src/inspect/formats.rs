//! The formats of `cloudhosts export`. None contains a time or a generation, so an unchanged
//! table gives the same text.

use std::io::{self, Write};

use cloudhosts_table::name::MAX_NAME;

use super::list::write_roles;
use super::preserved_lines::{LOOPBACK, MADE, PreservedLines};
use crate::progress::Steps;
use crate::table_roles::{SortedRoles, TableRole};

/// An output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// hosts(5): a line for each address of each role, without wildcards
    Hosts,
    /// A JSON object, like that of list
    Json,
    /// Lines for the configuration of dnsmasq(8)
    Dnsmasq,
}

impl Format {
    /// Writes the roles in this format, with the `own` lines of the machine that the file
    /// is for.
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

/// The names of a role: its own, and that below the domain.
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
