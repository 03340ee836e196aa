//! `cloudhosts explain`: why a name answers what it does, from the field in
//! Redis to what a program is told.

use std::net::IpAddr;

use cloudhosts_registry::config::Config;
use cloudhosts_registry::record::Field;
use cloudhosts_registry::register::{Holding, Role as WrittenRole};
use cloudhosts_registry::status::RejectedField;
use cloudhosts_table::{Name, View};
use serde_json::{Value, json};

use super::around::Around;
use super::held;
use super::roles::{self, Role, addresses, joined};
use crate::completions;
use crate::local;
use crate::outcome::{Failure, Lines, Outcome, Plain, print};

/// Most pointers in a row that are followed; one more than the daemon follows.
const MAX_CHAIN: usize = 9;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts explain db-master\n  \
    cloudhosts explain db-master --json | jq .steps")]
pub(crate) struct Arguments {
    /// The name
    #[arg(value_name = "NAME", add = completions::name())]
    name: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What the table says of a name.
#[derive(Debug, Default)]
struct Inside {
    /// The roles on the way, the one that decides the name first.
    steps: Vec<Step>,
    canonical: Option<String>,
    addresses: Vec<IpAddr>,
    pick: u16,
    generation: u64,
}

/// One role on the way.
#[derive(Debug)]
struct Step {
    role: String,
    /// Which hash decides it.
    hash: String,
    fields: Vec<Shown>,
    /// What it points at that is not there, or was there before.
    astray: Vec<String>,
}

/// One field of a role.
#[derive(Debug)]
struct Shown {
    hash: String,
    field: String,
    /// What it says, in the normal form of a value.
    value: String,
    /// The addresses that it says; none where it points.
    addresses: Vec<IpAddr>,
    /// Redis has lost it.
    kept: bool,
    /// An earlier hash has the role.
    overruled: bool,
    /// It is not answered, because members of this machine's zone are.
    other_zone: bool,
}

pub(crate) fn run(arguments: &Arguments, config: &Config) -> Result<Outcome, Failure> {
    let given = Plain(&arguments.name);
    let name = Name::parse(arguments.name.as_bytes())
        .map_err(|error| Failure::Usage(format!("{given}: {error}")))?;
    let mut inside = local::table(config, |view| view.settled(|| inside(*view, &name)))?;
    if config.zone.is_some() {
        inside.set_zones_apart();
    }
    let refused = refused(&name, &inside, config);
    let around = Around::look(&name);
    let held = held::read(config, Some(&roles_on_the_way(&name, &inside)));
    let mut said = as_json(&name, &inside, &refused, &around);
    let text = if arguments.json {
        if let Some(said) = said.as_object_mut() {
            let held = held.as_ref();
            said.insert(
                "held".into(),
                held.ok().map(|all| held::as_json(all)).into(),
            );
            said.insert("held_unknown".into(), held.err().map(held::said).into());
        }
        format!("{said}\n")
    } else {
        as_lines(&name, &inside, &refused, &around, &held)
    };
    print(&text)?;
    match inside.addresses.is_empty() {
        false => Ok(Outcome::Yes),
        true => Ok(Outcome::No),
    }
}

impl Inside {
    /// Marks the fields whose addresses are not answered although nothing
    /// overrules them: members of this machine's zone are answered instead.
    fn set_zones_apart(&mut self) {
        let answered = &self.addresses;
        let fields = self.steps.iter_mut().flat_map(|step| &mut step.fields);
        for field in fields.filter(|field| !field.overruled && !answered.is_empty()) {
            let none = !field.addresses.iter().any(|one| answered.contains(one));
            field.other_zone = !field.addresses.is_empty() && none;
        }
    }
}

fn inside(view: View<'_>, name: &Name) -> Inside {
    let mut inside = Inside {
        generation: view.generation(),
        ..Inside::default()
    };
    if let Some(answer) = View::lookup(&view, name) {
        inside.canonical = Some(answer.canonical().as_ref().to_owned());
        inside.addresses = addresses(&answer);
        inside.pick = answer.pick();
    }
    // A role without an address is no entry, but its fields say why.
    let first = view.decider(name).map(|role| role.to_string());
    let first = first.as_deref().unwrap_or(name.as_str());
    follow(view, first, &mut inside.steps, 0);
    inside
}

/// Adds a role and those it leads to.
fn follow(view: View<'_>, role: &str, steps: &mut Vec<Step>, depth: usize) {
    let Some(role) = roles::one(view, role) else {
        return;
    };
    let hashes = view.hashes();
    let name = |hash: usize| hashes.get(hash).cloned().unwrap_or_default();
    let at = steps.len();
    steps.push(Step {
        role: role.name.clone(),
        hash: name(role.hash()),
        fields: shown(&role, name),
        astray: Vec::new(),
    });
    for target in role.pointers() {
        let parsed = Name::parse(target.as_bytes()).ok();
        let next = parsed.as_ref().and_then(|name| view.decider(name));
        let next = next.map(|role| role.to_string());
        let next = next.as_deref().unwrap_or(target);
        let passed = steps.iter().any(|step| step.role == next);
        if passed || depth == MAX_CHAIN || roles::one(view, next).is_none() {
            if let Some(step) = steps.get_mut(at) {
                step.astray.push(match passed {
                    true => format!("{target}, which is on the way already"),
                    false => format!("{target}, which is not in the table"),
                });
            }
            continue;
        }
        follow(view, next, steps, depth + 1);
    }
}

fn shown(role: &Role, hash: impl Fn(usize) -> String) -> Vec<Shown> {
    let fields = role.fields.iter().map(|source| Shown {
        hash: hash(source.hash),
        field: match &source.member {
            Some(member) => format!("{}/{member}", role.name),
            None => role.name.clone(),
        },
        value: roles::value(source),
        addresses: roles::joint(&source.v4, &source.v6),
        kept: source.retained,
        overruled: source.hash != role.hash(),
        other_zone: false,
    });
    fields.collect()
}

/// What the daemon refused of the name and of the roles on the way.
fn refused(name: &Name, inside: &Inside, config: &Config) -> Vec<RejectedField> {
    let Ok((_, status)) = local::status(config) else {
        return Vec::new();
    };
    let concerns = |field: &RejectedField| {
        Field::parse(field.field.as_bytes()).is_ok_and(|parsed| {
            let role = parsed.role.to_string();
            role == name.as_str() || inside.steps.iter().any(|step| step.role == role)
        })
    };
    let all = status.rejected.fields.into_iter();
    all.filter(concerns).collect()
}

/// The roles that decide a name; where none does, the one it would be.
fn roles_on_the_way(name: &Name, inside: &Inside) -> Vec<WrittenRole> {
    let on_the_way = inside.steps.iter().map(|step| step.role.as_str());
    let names = std::iter::once(name.as_str()).chain(on_the_way);
    let mut roles: Vec<WrittenRole> = Vec::new();
    for role in names.filter_map(|name| WrittenRole::parse(name).ok()) {
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    roles
}

fn as_lines(
    name: &Name,
    inside: &Inside,
    refused: &[RejectedField],
    around: &Around,
    held: &Result<Vec<Holding>, Failure>,
) -> String {
    let mut lines = Lines::default();
    lines.add("name", name);
    if let Some(first) = inside.steps.first() {
        let (role, hash) = (Plain(&first.role), Plain(&first.hash));
        lines.add("decided by", format_args!("{role} in {hash}"));
    } else {
        lines.add("decided by", "nothing: no field and no wildcard is for it");
    }
    for step in &inside.steps {
        for field in &step.fields {
            let note = match (field.overruled, field.kept) {
                _ if field.other_zone => " (this machine's zone has members)",
                (true, _) => " (an earlier hash has the role)",
                (false, true) => " (Redis has lost it; it is kept)",
                (false, false) => "",
            };
            let (hash, field, value) = (Plain(&field.hash), Plain(&field.field), &field.value);
            lines.add(
                "field",
                format_args!("{field} in {hash} = \"{value}\"{note}"),
            );
        }
        for astray in &step.astray {
            lines.add("", format_args!("{} points at {astray}", Plain(&step.role)));
        }
    }
    for field in refused {
        let (name, hash) = (Plain(&field.field), Plain(&field.hash));
        let reason = Plain(&field.reason);
        lines.add(
            "refused",
            format_args!("{name} in {hash}: {reason} ({})", field.effect),
        );
    }
    held::add_to(&mut lines, held);
    if let Some(canonical) = &inside.canonical {
        lines.add("canonical", canonical);
    }
    roles::add_addresses(&mut lines, &inside.addresses, inside.pick);
    around.add_to(&mut lines, &inside.addresses, inside.pick);
    lines.0
}

fn as_json(name: &Name, inside: &Inside, refused: &[RejectedField], around: &Around) -> Value {
    let steps: Vec<Value> = inside
        .steps
        .iter()
        .map(|step| {
            let fields = step.fields.iter().map(|field| {
                json!({
                    "hash": field.hash,
                    "field": field.field,
                    "value": field.value,
                    "kept": field.kept,
                    "overruled": field.overruled,
                    "other_zone": field.other_zone,
                })
            });
            json!({
                "role": step.role,
                "hash": step.hash,
                "fields": fields.collect::<Vec<_>>(),
                "astray": step.astray,
            })
        })
        .collect();
    json!({
        "name": name.as_str(),
        "steps": steps,
        "refused": refused,
        "canonical": inside.canonical,
        "addresses": inside.addresses,
        "pick": inside.pick,
        "generation": inside.generation,
        "around": around.as_json(&inside.addresses, inside.pick),
    })
}

/// Addresses as they are shown in a row; a word where there are none.
pub(super) fn shown_addresses(all: &[IpAddr]) -> String {
    match all.is_empty() {
        true => "no address".into(),
        false => joined(all),
    }
}
