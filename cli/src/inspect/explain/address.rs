//! Which names an address resolves to, and why.

use std::net::IpAddr;

use cloudhosts_config::Config;
use cloudhosts_config::printable::Escaped;
use cloudhosts_registry::register::{Holding, Role};
use cloudhosts_table::View;
use serde_json::{Value, json};

use super::field::{self, ExplainedField};
use crate::getent;
use crate::inspect::holdings;
use crate::inspect::nss_context::{NssContext, TableComparison};
use crate::local_daemon;
use crate::outcome::{Failure, Outcome};
use crate::output::{LabelledLines, print};
use crate::table_roles::TableRole;

/// The holders of this many roles are looked up in Redis.
const MAX_HELD: usize = 100;

/// How the table resolves an address.
#[derive(Debug, Default)]
struct AddressTrace {
    /// Its names, the canonical one first.
    names: Vec<String>,
    /// The roles related to it, those that are its names first.
    roles: Vec<RelatedRole>,
    /// Whether reverse lookups are enabled.
    reverses: bool,
    generation: u64,
}

/// A role that has the address, or would have it.
#[derive(Debug)]
struct RelatedRole {
    role: String,
    /// Which hash decides it.
    hash: String,
    relation: Relation,
    /// Its fields that say the address, or that point.
    fields: Vec<ExplainedField>,
}

/// Why a role is a name of the address, or is not one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Relation {
    /// It has the address.
    Has,
    /// It points at this role, which has it.
    PointsAt(String),
    /// Reverse lookups are off (`reverse = false`).
    Off,
    /// A wildcard is no particular name.
    Wildcard,
    /// An earlier hash decides it, and says something else.
    Overruled,
    /// Members of this machine's zone are answered instead.
    OtherZone,
    /// The address has more names than a lookup answers.
    TooMany,
}

impl Relation {
    fn answers(&self) -> bool {
        matches!(self, Relation::Has | Relation::PointsAt(_))
    }

    fn code(&self) -> &'static str {
        match self {
            Relation::Has => "has",
            Relation::PointsAt(_) => "points_at",
            Relation::Off => "reverse_off",
            Relation::Wildcard => "wildcard",
            Relation::Overruled => "overruled",
            Relation::OtherZone => "other_zone",
            Relation::TooMany => "too_many",
        }
    }

    fn says(&self) -> String {
        match self {
            Relation::Has => "has the address".into(),
            Relation::PointsAt(role) => format!("points at {}", Escaped(role)),
            Relation::Off => "reverse = false in the configuration".into(),
            Relation::Wildcard => "wildcards have no reverse lookup".into(),
            Relation::Overruled => "an earlier hash has the role".into(),
            Relation::OtherZone => "this machine's zone has members".into(),
            Relation::TooMany => "the address has too many names".into(),
        }
    }
}

pub(super) fn explain(address: IpAddr, json: bool, config: &Config) -> Result<Outcome, Failure> {
    let address = address.to_canonical();
    let look = |view: &View<'_>| view.settled(|| trace(*view, address));
    let mut trace = local_daemon::table(config, look)?;
    let nss = NssContext::query(
        |service| getent::names(address, service),
        !trace.names.is_empty(),
        |got| compare(got, &trace.names),
    );
    let held = holdings::read(config, Some(&trace.written()));
    for field in trace.roles.iter_mut().flat_map(|role| &mut role.fields) {
        field.set_held(&held);
    }
    let text = if json {
        let mut said = as_json(address, &trace, &nss);
        holdings::add_to_json(&mut said, &held);
        format!("{said}\n")
    } else {
        as_lines(address, &trace, &nss, &held)
    };
    print(&text)?;
    Ok(super::outcome(nss.programs_get()))
}

/// Programs get all the names, or those that fit.
fn compare(got: &[String], table: &[String]) -> TableComparison {
    let known = got.iter().all(|name| table.contains(name));
    if known && got.is_empty() == table.is_empty() {
        TableComparison::Same
    } else {
        TableComparison::Differs
    }
}

fn trace(view: View<'_>, address: IpAddr) -> AddressTrace {
    let mut names = Vec::new();
    if let Some(found) = view.reverse(address) {
        names.push(found.canonical().to_owned());
        names.extend(found.aliases().map(|name| name.to_string()));
    }
    let hashes = view.hashes();
    // Roles that are names of the address are found by it; the others only by reading
    // all roles.
    let roles = view.roles().filter_map(|entry| {
        let role = TableRole::from(entry);
        let relation = relation(&role, address, &names, view.reverses())?;
        let says = |field: &ExplainedField| {
            field.addresses.is_empty() || field.addresses.contains(&address)
        };
        Some(RelatedRole {
            hash: hashes.get(role.hash()).cloned().unwrap_or_default(),
            relation,
            fields: field::fields(&role, &hashes)
                .into_iter()
                .filter(says)
                .collect(),
            role: role.name,
        })
    });
    let mut roles: Vec<RelatedRole> = roles.collect();
    let place = |one: &RelatedRole| names.iter().position(|name| *name == one.role);
    roles.sort_by_cached_key(|one| (place(one).unwrap_or(usize::MAX), one.role.clone()));
    AddressTrace {
        names,
        roles,
        reverses: view.reverses(),
        generation: view.generation(),
    }
}

/// The relation of a role to an address, if there is one.
fn relation(
    role: &TableRole,
    address: IpAddr,
    names: &[String],
    reverses: bool,
) -> Option<Relation> {
    let says = |field: &cloudhosts_table::EntrySource| match address {
        IpAddr::V4(v4) => field.v4.contains(&v4.octets()),
        IpAddr::V6(v6) => field.v6.contains(&v6.octets()),
    };
    let answers = role.answer.as_ref().is_some_and(|answer| match address {
        IpAddr::V4(v4) => answer.v4.contains(&v4.octets()),
        IpAddr::V6(v6) => answer.v6.contains(&v6.octets()),
    });
    if !answers && !role.fields.iter().any(says) {
        return None;
    }
    let target = role
        .answer
        .as_ref()
        .and_then(|answer| answer.canonical.clone());
    Some(if names.contains(&role.name) {
        target.map_or(Relation::Has, Relation::PointsAt)
    } else if role.name.starts_with("*.") {
        Relation::Wildcard
    } else if answers && !reverses {
        Relation::Off
    } else if answers {
        Relation::TooMany
    } else if role.deciding().any(says) {
        Relation::OtherZone
    } else {
        Relation::Overruled
    })
}

impl AddressTrace {
    /// The roles whose holders are looked up.
    fn written(&self) -> Vec<Role> {
        let roles = self.roles.iter().take(MAX_HELD);
        roles
            .filter_map(|one| Role::parse(&one.role).ok())
            .collect()
    }
}

fn as_lines(
    address: IpAddr,
    trace: &AddressTrace,
    nss: &NssContext<String>,
    held: &Result<Vec<Holding>, Failure>,
) -> String {
    let mut lines = LabelledLines::default();
    lines.add("address", address);
    match trace.names.split_first() {
        Some((canonical, aliases)) => {
            lines.add("name", Escaped(canonical));
            for alias in aliases {
                lines.add("alias", Escaped(alias));
            }
        }
        None if trace.reverses => lines.add("name", "none in the table"),
        None => lines.add("name", "none: reverse = false in the configuration"),
    }
    for one in &trace.roles {
        let word = if one.relation.answers() {
            "answers"
        } else {
            "left out"
        };
        let (role, hash) = (Escaped(&one.role), Escaped(&one.hash));
        lines.add(
            word,
            format_args!("{role} in {hash}: {}", one.relation.says()),
        );
        for field in &one.fields {
            field.add_to(&mut lines);
        }
    }
    holdings::add_to(&mut lines, held);
    nss.add_to(&mut lines);
    lines.0
}

fn as_json(address: IpAddr, trace: &AddressTrace, nss: &NssContext<String>) -> Value {
    let roles = trace.roles.iter().map(|one| {
        json!({
            "role": one.role,
            "hash": one.hash,
            "answers": one.relation.answers(),
            "code": one.relation.code(),
            "points_at": match &one.relation {
                Relation::PointsAt(role) => Some(role),
                _ => None,
            },
            "fields": one.fields.iter().map(ExplainedField::as_json).collect::<Vec<_>>(),
        })
    });
    json!({
        "address": address,
        "names": trace.names,
        "reverse": trace.reverses,
        "roles": roles.collect::<Vec<_>>(),
        "generation": trace.generation,
        "around": nss.as_json(),
    })
}
