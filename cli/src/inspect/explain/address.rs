//! By which names an address is called, and why by these.

use std::net::IpAddr;

use cloudhosts_config::Config;
use cloudhosts_registry::register::{Holding, Role as WrittenRole};
use cloudhosts_table::View;
use serde_json::{Value, json};

use super::field::{self, Shown};
use crate::getent;
use crate::inspect::around::{Around, Compared};
use crate::inspect::held;
use crate::inspect::roles::Role;
use crate::local;
use crate::outcome::{Failure, Lines, Outcome, Plain, print};

/// Of so many roles Redis is asked who holds them.
const MOST_HELD: usize = 100;

/// What the table says of an address.
#[derive(Debug, Default)]
struct Inside {
    /// The names it is called by, the canonical one first.
    names: Vec<String>,
    /// All roles that have to do with it, those that answer first.
    roles: Vec<Concerned>,
    /// Whether addresses are looked up at all.
    reverses: bool,
    generation: u64,
}

/// A role that has the address, or would have it.
#[derive(Debug)]
struct Concerned {
    role: String,
    /// Which hash decides it.
    hash: String,
    why: Why,
    /// Its fields that say the address, or that point.
    fields: Vec<Shown>,
}

/// Why a role is a name of the address, or is not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    /// It has the address.
    Has,
    /// It points at this role, which has it.
    PointsAt(String),
    /// `reverse = false`: addresses are not looked up here.
    Off,
    /// A wildcard stands for many names, and for none in particular.
    Wildcard,
    /// An earlier hash decides it, and says something else.
    Overruled,
    /// Members of this machine's zone are answered instead.
    OtherZone,
    /// The address has more names than a lookup answers.
    TooMany,
}

impl Why {
    fn answers(&self) -> bool {
        matches!(self, Why::Has | Why::PointsAt(_))
    }

    fn code(&self) -> &'static str {
        match self {
            Why::Has => "has",
            Why::PointsAt(_) => "points_at",
            Why::Off => "reverse_off",
            Why::Wildcard => "wildcard",
            Why::Overruled => "overruled",
            Why::OtherZone => "other_zone",
            Why::TooMany => "too_many",
        }
    }

    fn says(&self) -> String {
        match self {
            Why::Has => "has the address".into(),
            Why::PointsAt(role) => format!("points at {}", Plain(role)),
            Why::Off => "reverse = false in the configuration".into(),
            Why::Wildcard => "a wildcard is no name".into(),
            Why::Overruled => "an earlier hash has the role".into(),
            Why::OtherZone => "this machine's zone has members".into(),
            Why::TooMany => "the address has too many names".into(),
        }
    }
}

pub(super) fn explain(address: IpAddr, json: bool, config: &Config) -> Result<Outcome, Failure> {
    let address = address.to_canonical();
    let look = |view: &View<'_>| view.settled(|| inside(*view, address));
    let mut inside = local::table(config, look)?;
    let around = Around::look(
        |service| getent::names(address, service),
        !inside.names.is_empty(),
        |told| compare(told, &inside.names),
    );
    let held = held::read(config, Some(&inside.written()));
    for field in inside.roles.iter_mut().flat_map(|role| &mut role.fields) {
        field.set_held(&held);
    }
    let text = if json {
        let mut said = as_json(address, &inside, &around);
        held::add_to_json(&mut said, &held);
        format!("{said}\n")
    } else {
        as_lines(address, &inside, &around, &held)
    };
    print(&text)?;
    Ok(super::outcome(around.told()))
}

/// Programs are told all the names, or those that fit.
fn compare(told: &[String], table: &[String]) -> Compared {
    let known = told.iter().all(|name| table.contains(name));
    match known && told.is_empty() == table.is_empty() {
        true => Compared::Same,
        false => Compared::Differs,
    }
}

fn inside(view: View<'_>, address: IpAddr) -> Inside {
    let mut names = Vec::new();
    if let Some(found) = view.reverse(address) {
        names.push(found.canonical().to_owned());
        names.extend(found.aliases().map(|name| name.to_string()));
    }
    let hashes = view.hashes();
    // What answers is found by the address; what does not, only by looking at
    // every role.
    let roles = view.roles().filter_map(|entry| {
        let role = Role::from(entry);
        let why = why(&role, address, &names, view.reverses())?;
        let says = |field: &Shown| field.addresses.is_empty() || field.addresses.contains(&address);
        Some(Concerned {
            hash: hashes.get(role.hash()).cloned().unwrap_or_default(),
            why,
            fields: field::fields(&role, &hashes)
                .into_iter()
                .filter(says)
                .collect(),
            role: role.name,
        })
    });
    let mut roles: Vec<Concerned> = roles.collect();
    let place = |one: &Concerned| names.iter().position(|name| *name == one.role);
    roles.sort_by_cached_key(|one| (place(one).unwrap_or(usize::MAX), one.role.clone()));
    Inside {
        names,
        roles,
        reverses: view.reverses(),
        generation: view.generation(),
    }
}

/// What a role has to do with an address; none where it has nothing.
fn why(role: &Role, address: IpAddr, names: &[String], reverses: bool) -> Option<Why> {
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
        target.map_or(Why::Has, Why::PointsAt)
    } else if role.name.starts_with("*.") {
        Why::Wildcard
    } else if answers && !reverses {
        Why::Off
    } else if answers {
        Why::TooMany
    } else if role.deciding().any(says) {
        Why::OtherZone
    } else {
        Why::Overruled
    })
}

impl Inside {
    /// The roles whose holders are asked for.
    fn written(&self) -> Vec<WrittenRole> {
        let roles = self.roles.iter().take(MOST_HELD);
        roles
            .filter_map(|one| WrittenRole::parse(&one.role).ok())
            .collect()
    }
}

fn as_lines(
    address: IpAddr,
    inside: &Inside,
    around: &Around<String>,
    held: &Result<Vec<Holding>, Failure>,
) -> String {
    let mut lines = Lines::default();
    lines.add("address", address);
    match inside.names.split_first() {
        Some((canonical, aliases)) => {
            lines.add("name", Plain(canonical));
            for alias in aliases {
                lines.add("alias", Plain(alias));
            }
        }
        None if inside.reverses => lines.add("name", "none in the table"),
        None => lines.add("name", "none: reverse = false in the configuration"),
    }
    for one in &inside.roles {
        let word = if one.why.answers() {
            "answers"
        } else {
            "left out"
        };
        let (role, hash) = (Plain(&one.role), Plain(&one.hash));
        lines.add(word, format_args!("{role} in {hash}: {}", one.why.says()));
        for field in &one.fields {
            field.add_to(&mut lines);
        }
    }
    held::add_to(&mut lines, held);
    around.add_to(&mut lines);
    lines.0
}

fn as_json(address: IpAddr, inside: &Inside, around: &Around<String>) -> Value {
    let roles = inside.roles.iter().map(|one| {
        json!({
            "role": one.role,
            "hash": one.hash,
            "answers": one.why.answers(),
            "code": one.why.code(),
            "points_at": match &one.why {
                Why::PointsAt(role) => Some(role),
                _ => None,
            },
            "fields": one.fields.iter().map(Shown::as_json).collect::<Vec<_>>(),
        })
    });
    json!({
        "address": address,
        "names": inside.names,
        "reverse": inside.reverses,
        "roles": roles.collect::<Vec<_>>(),
        "generation": inside.generation,
        "around": around.as_json(),
    })
}
