//! Why a name answers what it does.

use std::net::IpAddr;

use cloudhosts_config::status::RejectedField;
use cloudhosts_config::{Allow, Config};
use cloudhosts_registry::record::Field;
use cloudhosts_registry::register::{Holding, Role as WrittenRole};
use cloudhosts_table::{Name, View};
use serde_json::{Value, json};

use super::field::{self, Shown};
use crate::getent;
use crate::inspect::around::{self, Around};
use crate::inspect::held;
use crate::inspect::roles::{self, addresses};
use crate::local;
use crate::outcome::{Failure, Lines, Outcome, Plain, print};

/// Most pointers in a row that are followed; one more than the daemon follows.
const MAX_CHAIN: usize = 9;

/// What the table says of a name.
#[derive(Debug, Default)]
struct Inside {
    /// The roles on the way, the one that decides the name first.
    steps: Vec<Step>,
    /// Why there is none.
    undecided: Option<Absent>,
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
    /// What it points at in vain.
    astray: Vec<Astray>,
}

/// A name that is pointed at in vain.
#[derive(Debug)]
struct Astray {
    name: String,
    why: WhyAstray,
}

/// Why it leads nowhere to point at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhyAstray {
    /// The pointers lead in a circle.
    Circle,
    /// There are more pointers in a row than are followed.
    TooFar,
    /// There is no such role here.
    Absent(Absent),
}

/// Why the table has no role for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absent {
    /// `allow` in the configuration leaves it out.
    Filtered,
    /// No field and no wildcard is for it.
    Unknown,
}

impl Absent {
    /// Why it is that of a name which no role decides. Under the domain a name
    /// may be that of another role.
    fn of(name: &str, config: &Config) -> Absent {
        let domain = config.domain.as_ref().map(Name::as_str);
        let inner = domain.and_then(|domain| name.strip_suffix(domain)?.strip_suffix('.'));
        match [Some(name), inner]
            .into_iter()
            .flatten()
            .any(|role| config.allow.allows(role))
        {
            true => Absent::Unknown,
            false => Absent::Filtered,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Absent::Filtered => "filtered",
            Absent::Unknown => "unknown",
        }
    }
}

impl WhyAstray {
    fn code(self) -> &'static str {
        match self {
            WhyAstray::Circle => "circle",
            WhyAstray::TooFar => "too_far",
            WhyAstray::Absent(why) => why.code(),
        }
    }
}

impl Astray {
    fn says(&self, allow: &Allow) -> String {
        let name = Plain(&self.name);
        match self.why {
            WhyAstray::Circle => format!("{name}, which is on the way already"),
            WhyAstray::TooFar => format!("{name}, which is too many pointers away"),
            WhyAstray::Absent(Absent::Filtered) => format!("{name}: {}", left_out(allow)),
            WhyAstray::Absent(Absent::Unknown) => format!("{name}, which is not in the table"),
        }
    }
}

/// That `allow` leaves a name out.
fn left_out(allow: &Allow) -> String {
    format!("no glob of {allow} in the configuration matches it")
}

pub(super) fn explain(given: &str, json: bool, config: &Config) -> Result<Outcome, Failure> {
    let name = Name::parse(given.as_bytes())
        .map_err(|error| Failure::Usage(format!("{}: {error}", Plain(given))))?;
    let look = |view: &View<'_>| view.settled(|| inside(*view, &name, config));
    let mut inside = local::table(config, look)?;
    if config.zone.is_some() {
        inside.set_zones_apart();
    }
    let refused = refused(&name, &inside, config);
    let around = Around::look(
        |service| getent::addresses(&name, service),
        !inside.addresses.is_empty(),
        |told| around::compare(told, &inside.addresses, inside.pick),
    );
    let held = held::read(config, Some(&roles_on_the_way(&name, &inside)));
    for field in inside.steps.iter_mut().flat_map(|step| &mut step.fields) {
        field.set_held(&held);
    }
    let text = if json {
        let mut said = as_json(&name, &inside, &refused, &around);
        held::add_to_json(&mut said, &held);
        format!("{said}\n")
    } else {
        as_lines(&name, &inside, &refused, &around, &held, &config.allow)
    };
    print(&text)?;
    Ok(super::outcome(around.told()))
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

fn inside(view: View<'_>, name: &Name, config: &Config) -> Inside {
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
    follow(view, first, config, &mut inside.steps, 0);
    if inside.steps.is_empty() {
        inside.undecided = Some(Absent::of(name.as_str(), config));
    }
    inside
}

/// Adds a role and those it leads to.
fn follow(view: View<'_>, role: &str, config: &Config, steps: &mut Vec<Step>, depth: usize) {
    let Some(role) = roles::one(view, role) else {
        return;
    };
    let hashes = view.hashes();
    let at = steps.len();
    steps.push(Step {
        role: role.name.clone(),
        hash: hashes.get(role.hash()).cloned().unwrap_or_default(),
        fields: field::fields(&role, &hashes),
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
                let why = if passed {
                    WhyAstray::Circle
                } else if depth == MAX_CHAIN {
                    WhyAstray::TooFar
                } else {
                    WhyAstray::Absent(Absent::of(target, config))
                };
                let name = target.to_owned();
                step.astray.push(Astray { name, why });
            }
            continue;
        }
        follow(view, next, config, steps, depth + 1);
    }
}

/// What the daemon refused of the name and of the roles on the way.
fn refused(name: &Name, inside: &Inside, config: &Config) -> Vec<RejectedField> {
    let Ok((_, status)) = local::status(config) else {
        return Vec::new();
    };
    let concerns = |field: &RejectedField| {
        let raw = field.name().unwrap_or_default();
        Field::parse(&raw).is_ok_and(|parsed| {
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
    around: &Around<IpAddr>,
    held: &Result<Vec<Holding>, Failure>,
    allow: &Allow,
) -> String {
    let mut lines = Lines::default();
    lines.add("name", name);
    if let Some(first) = inside.steps.first() {
        let (role, hash) = (Plain(&first.role), Plain(&first.hash));
        lines.add("decided by", format_args!("{role} in {hash}"));
    } else if inside.undecided == Some(Absent::Filtered) {
        lines.add("decided by", format_args!("nothing: {}", left_out(allow)));
    } else {
        lines.add("decided by", "nothing: no field and no wildcard is for it");
    }
    for step in &inside.steps {
        for field in &step.fields {
            field.add_to(&mut lines);
        }
        for astray in &step.astray {
            let (role, says) = (Plain(&step.role), astray.says(allow));
            lines.add("", format_args!("{role} points at {says}"));
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
    around.add_to(&mut lines);
    lines.0
}

fn as_json(
    name: &Name,
    inside: &Inside,
    refused: &[RejectedField],
    around: &Around<IpAddr>,
) -> Value {
    let steps = inside.steps.iter().map(|step| {
        let astray = step.astray.iter();
        let astray = astray.map(|one| json!({ "name": one.name, "code": one.why.code() }));
        json!({
            "role": step.role,
            "hash": step.hash,
            "fields": step.fields.iter().map(Shown::as_json).collect::<Vec<_>>(),
            "astray": astray.collect::<Vec<_>>(),
        })
    });
    json!({
        "name": name.as_str(),
        "steps": steps.collect::<Vec<_>>(),
        "undecided": inside.undecided.map(Absent::code),
        "refused": refused,
        "canonical": inside.canonical,
        "addresses": inside.addresses,
        "pick": inside.pick,
        "generation": inside.generation,
        "around": around.as_json(),
    })
}
