//! Why a name resolves as it does.

use std::net::IpAddr;

use cloudhosts_config::printable::Escaped;
use cloudhosts_config::status::RejectedField;
use cloudhosts_config::{Allow, Config};
use cloudhosts_registry::record::Field;
use cloudhosts_registry::register::{Holding, Role};
use cloudhosts_table::{Name, View};
use serde_json::{Value, json};

use super::field::{self, ExplainedField};
use crate::getent;
use crate::inspect::holdings;
use crate::inspect::nss_context::{self, NssContext};
use crate::local_daemon;
use crate::outcome::{Failure, Outcome};
use crate::output::{LabelledLines, print};
use crate::table_roles::{self, addresses};

/// Most pointers in a row that are followed; one more than the daemon follows.
const MAX_CHAIN: usize = 9;

/// How the table resolves a name.
#[derive(Debug, Default)]
struct NameTrace {
    /// The roles that pointers lead through, the one that decides the name first.
    steps: Vec<RoleStep>,
    /// Why there is none.
    undecided: Option<Absent>,
    canonical: Option<String>,
    addresses: Vec<IpAddr>,
    pick: u16,
    generation: u64,
}

/// One of these roles.
#[derive(Debug)]
struct RoleStep {
    role: String,
    /// Which hash decides it.
    hash: String,
    fields: Vec<ExplainedField>,
    /// The pointers of it that lead nowhere.
    dangling: Vec<DanglingPointer>,
}

/// A pointer that leads nowhere.
#[derive(Debug)]
struct DanglingPointer {
    name: String,
    why: DanglingReason,
}

/// Why a pointer leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DanglingReason {
    /// The pointers lead back to a role they came from.
    Circle,
    /// More pointers in a row than are followed.
    TooFar,
    /// There is no such role in the table.
    Absent(Absent),
}

/// Why the table has no role for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absent {
    /// `allow` in the configuration leaves it out.
    Filtered,
    /// No field or wildcard matches it.
    Unknown,
}

impl Absent {
    /// Why no role decides this name. Below the domain it may also be the short name of a
    /// role.
    fn of(name: &str, config: &Config) -> Absent {
        let domain = config.domain.as_ref().map(Name::as_str);
        let inner = domain.and_then(|domain| name.strip_suffix(domain)?.strip_suffix('.'));
        let mut roles = [Some(name), inner].into_iter().flatten();
        if roles.any(|role| config.allow.allows(role)) {
            Absent::Unknown
        } else {
            Absent::Filtered
        }
    }

    fn code(self) -> &'static str {
        match self {
            Absent::Filtered => "filtered",
            Absent::Unknown => "unknown",
        }
    }
}

impl DanglingReason {
    fn code(self) -> &'static str {
        match self {
            DanglingReason::Circle => "circle",
            DanglingReason::TooFar => "too_far",
            DanglingReason::Absent(why) => why.code(),
        }
    }
}

impl DanglingPointer {
    fn says(&self, allow: &Allow) -> String {
        let name = Escaped(&self.name);
        match self.why {
            DanglingReason::Circle => format!("{name}, which leads back here"),
            DanglingReason::TooFar => format!("{name}, after too many pointers in a row"),
            DanglingReason::Absent(Absent::Filtered) => format!("{name}: {}", left_out(allow)),
            DanglingReason::Absent(Absent::Unknown) => format!("{name}, which is not in the table"),
        }
    }
}

/// Says that `allow` leaves a name out.
fn left_out(allow: &Allow) -> String {
    format!("no glob of {allow} in the configuration matches it")
}

pub(super) fn explain(given: &str, json: bool, config: &Config) -> Result<Outcome, Failure> {
    let name = Name::parse(given.as_bytes())
        .map_err(|error| Failure::Usage(format!("{}: {error}", Escaped(given))))?;
    let look = |view: &View<'_>| view.settled(|| trace(*view, &name, config));
    let mut trace = local_daemon::table(config, look)?;
    if config.zone.is_some() {
        trace.set_zones_apart();
    }
    let rejected = rejected(&name, &trace, config);
    let nss = NssContext::query(
        |service| getent::addresses(&name, service),
        !trace.addresses.is_empty(),
        |got| nss_context::compare(got, &trace.addresses, trace.pick),
    );
    let held = holdings::read(config, Some(&roles_on_the_way(&name, &trace)));
    for field in trace.steps.iter_mut().flat_map(|step| &mut step.fields) {
        field.set_held(&held);
    }
    let text = if json {
        let mut said = as_json(&name, &trace, &rejected, &nss);
        holdings::add_to_json(&mut said, &held);
        format!("{said}\n")
    } else {
        as_lines(&name, &trace, &rejected, &nss, &held, &config.allow)
    };
    print(&text)?;
    Ok(super::outcome(nss.programs_get()))
}

impl NameTrace {
    /// Marks the fields whose addresses are left out although nothing overrules them: only
    /// members of this machine's zone are answered.
    fn set_zones_apart(&mut self) {
        let answered = &self.addresses;
        let fields = self.steps.iter_mut().flat_map(|step| &mut step.fields);
        for field in fields.filter(|field| !field.overruled && !answered.is_empty()) {
            let none = !field.addresses.iter().any(|one| answered.contains(one));
            field.other_zone = !field.addresses.is_empty() && none;
        }
    }
}

fn trace(view: View<'_>, name: &Name, config: &Config) -> NameTrace {
    let mut trace = NameTrace {
        generation: view.generation(),
        ..NameTrace::default()
    };
    if let Some(answer) = View::lookup(&view, name) {
        trace.canonical = Some(answer.canonical().as_str().to_owned());
        trace.addresses = addresses(&answer);
        trace.pick = answer.pick();
    }
    // A role without an address does not resolve, but its fields say why.
    let first = view.decider(name).map(|role| role.to_string());
    let first = first.as_deref().unwrap_or(name.as_str());
    follow(view, first, config, &mut trace.steps, 0);
    if trace.steps.is_empty() {
        trace.undecided = Some(Absent::of(name.as_str(), config));
    }
    trace
}

/// Adds a role and those it points at.
fn follow(view: View<'_>, role: &str, config: &Config, steps: &mut Vec<RoleStep>, depth: usize) {
    let Some(role) = table_roles::one(view, role) else {
        return;
    };
    let hashes = view.hashes();
    let at = steps.len();
    steps.push(RoleStep {
        role: role.name.clone(),
        hash: hashes.get(role.hash()).cloned().unwrap_or_default(),
        fields: field::fields(&role, &hashes),
        dangling: Vec::new(),
    });
    for target in role.pointers() {
        let parsed = Name::parse(target.as_bytes()).ok();
        let next = parsed.as_ref().and_then(|name| view.decider(name));
        let next = next.map(|role| role.to_string());
        let next = next.as_deref().unwrap_or(target);
        let passed = steps.iter().any(|step| step.role == next);
        if passed || depth == MAX_CHAIN || table_roles::one(view, next).is_none() {
            if let Some(step) = steps.get_mut(at) {
                let why = if passed {
                    DanglingReason::Circle
                } else if depth == MAX_CHAIN {
                    DanglingReason::TooFar
                } else {
                    DanglingReason::Absent(Absent::of(target, config))
                };
                let name = target.to_owned();
                step.dangling.push(DanglingPointer { name, why });
            }
            continue;
        }
        follow(view, next, config, steps, depth + 1);
    }
}

/// The fields of the name and of these roles that the daemon rejected.
fn rejected(name: &Name, trace: &NameTrace, config: &Config) -> Vec<RejectedField> {
    let Ok((_, status)) = local_daemon::status(config) else {
        return Vec::new();
    };
    let concerns = |field: &RejectedField| {
        let raw = field.name().unwrap_or_default();
        Field::parse(&raw).is_ok_and(|parsed| {
            let role = parsed.role.to_string();
            role == name.as_str() || trace.steps.iter().any(|step| step.role == role)
        })
    };
    let all = status.rejected.fields.into_iter();
    all.filter(concerns).collect()
}

/// The roles that decide a name, and the role of that name.
fn roles_on_the_way(name: &Name, trace: &NameTrace) -> Vec<Role> {
    let on_the_way = trace.steps.iter().map(|step| step.role.as_str());
    let names = std::iter::once(name.as_str()).chain(on_the_way);
    let mut roles: Vec<Role> = Vec::new();
    for role in names.filter_map(|name| Role::parse(name).ok()) {
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    roles
}

fn as_lines(
    name: &Name,
    trace: &NameTrace,
    rejected: &[RejectedField],
    nss: &NssContext<IpAddr>,
    held: &Result<Vec<Holding>, Failure>,
    allow: &Allow,
) -> String {
    let mut lines = LabelledLines::default();
    lines.add("name", name);
    if let Some(first) = trace.steps.first() {
        let (role, hash) = (Escaped(&first.role), Escaped(&first.hash));
        lines.add("decided by", format_args!("{role} in {hash}"));
    } else if trace.undecided == Some(Absent::Filtered) {
        lines.add("decided by", format_args!("nothing: {}", left_out(allow)));
    } else {
        lines.add("decided by", "nothing: no field or wildcard matches it");
    }
    for step in &trace.steps {
        for field in &step.fields {
            field.add_to(&mut lines);
        }
        for dangling in &step.dangling {
            let (role, says) = (Escaped(&step.role), dangling.says(allow));
            lines.add("", format_args!("{role} points at {says}"));
        }
    }
    for field in rejected {
        let (name, hash) = (Escaped(&field.field), Escaped(&field.hash));
        let reason = Escaped(&field.reason);
        lines.add(
            "refused",
            format_args!("{name} in {hash}: {reason} ({})", field.effect),
        );
    }
    holdings::add_to(&mut lines, held);
    if let Some(canonical) = &trace.canonical {
        lines.add("canonical", canonical);
    }
    table_roles::add_addresses(&mut lines, &trace.addresses, trace.pick);
    nss.add_to(&mut lines);
    lines.0
}

fn as_json(
    name: &Name,
    trace: &NameTrace,
    rejected: &[RejectedField],
    nss: &NssContext<IpAddr>,
) -> Value {
    let steps = trace.steps.iter().map(|step| {
        let dangling = step.dangling.iter();
        let dangling = dangling.map(|one| json!({ "name": one.name, "code": one.why.code() }));
        json!({
            "role": step.role,
            "hash": step.hash,
            "fields": step.fields.iter().map(ExplainedField::as_json).collect::<Vec<_>>(),
            "astray": dangling.collect::<Vec<_>>(),
        })
    });
    json!({
        "name": name.as_str(),
        "steps": steps.collect::<Vec<_>>(),
        "undecided": trace.undecided.map(Absent::code),
        "refused": rejected,
        "canonical": trace.canonical,
        "addresses": trace.addresses,
        "pick": trace.pick,
        "generation": trace.generation,
        "around": nss.as_json(),
    })
}
