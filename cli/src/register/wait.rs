//! `--wait`: until the daemon of this machine has published what was written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use cloudhosts_registry::config::Config;
use cloudhosts_registry::register::{Accept, Change, Import, Verb, Where};
use cloudhosts_table::client::AttachError;
use cloudhosts_table::clock::monotonic;
use cloudhosts_table::handover::HandoverError;
use cloudhosts_table::{Client, Edition, RoleEntry, View, client};

use crate::inspect::roles;
use crate::local::paths;
use crate::outcome::{Failure, Outcome, Plain};
use crate::progress::Progress;

/// What the table must have been made from, in one hash.
pub(super) struct Wanted {
    hash: String,
    /// The value of each field, by role and member (empty for the plain field);
    /// none where there must be no such field.
    fields: BTreeMap<(String, String), Option<String>>,
    /// Which other fields there must not be.
    alone: Alone,
    /// Of which roles nothing may be there that Redis has lost.
    accepted: Accepted,
}

/// Of which roles nothing may be there that Redis has lost.
enum Accepted {
    /// It does not matter.
    None,
    These(BTreeSet<String>),
    All,
}

/// Which other fields there must not be.
enum Alone {
    /// None: they do not matter.
    No,
    /// Others of that role.
    In(String),
    /// Any others.
    Everywhere,
}

/// What a change leaves behind.
pub(super) fn of_change(change: &Change) -> Vec<Wanted> {
    let role = change.role.name();
    let field = (
        role.to_owned(),
        change.role.member().unwrap_or_default().to_owned(),
    );
    let wanted = change.places.iter().map(|place| Wanted {
        hash: place.hash.clone(),
        fields: BTreeMap::from([(field.clone(), place.at.as_ref().map(Where::to_string))]),
        alone: match change.verb {
            Verb::Claim | Verb::Point | Verb::Release => Alone::In(role.to_owned()),
            Verb::Join | Verb::Leave => Alone::No,
        },
        accepted: Accepted::None,
    });
    wanted.collect()
}

/// What an import leaves behind.
pub(super) fn of_import(import: &Import) -> Vec<Wanted> {
    let fields = import.roles.iter().map(|(role, at)| {
        let field = (role.name().to_owned(), String::new());
        (field, Some(at.to_string()))
    });
    vec![Wanted {
        hash: import.hash.clone(),
        fields: fields.collect(),
        alone: match import.replace {
            true => Alone::Everywhere,
            false => Alone::No,
        },
        accepted: Accepted::None,
    }]
}

/// What accepting a loss leaves behind.
pub(super) fn of_accept(accept: &Accept) -> Vec<Wanted> {
    let wanted = accept.hashes.iter().map(|hash| Wanted {
        hash: hash.clone(),
        fields: BTreeMap::new(),
        alone: Alone::No,
        accepted: if accept.roles.is_empty() {
            Accepted::All
        } else {
            let roles = accept.roles.iter().map(|role| role.name().to_owned());
            Accepted::These(roles.collect())
        },
    });
    wanted.collect()
}

impl Wanted {
    /// Whether a table is as wanted; none where it has nothing of this hash.
    fn is_in(&self, view: &View<'_>) -> Option<bool> {
        let hashes = view.hashes();
        let hash = hashes.iter().position(|hash| *hash == self.hash)?;
        let all = self.fields.iter();
        let there =
            all.map(|((role, member), value)| has(view, hash, role, member, value.as_deref()));
        let nothing_else = match &self.alone {
            Alone::No => true,
            Alone::In(role) => self.is_alone(view.role_entry(role).as_ref(), hash),
            Alone::Everywhere => view.roles().all(|role| self.is_alone(Some(&role), hash)),
        };
        let accepted = match &self.accepted {
            Accepted::None => true,
            Accepted::These(roles) => roles.iter().all(|role| {
                let entry = view.role_entry(role);
                entry.is_none_or(|entry| !retains(&entry, hash))
            }),
            Accepted::All => view.roles().all(|role| !retains(&role, hash)),
        };
        Some(nothing_else && accepted && there.into_iter().all(|there| there))
    }

    /// Whether a role has no other fields in this hash than those wanted.
    fn is_alone(&self, role: Option<&RoleEntry>, hash: usize) -> bool {
        role.is_none_or(|role| {
            let mut here = role.sources.iter().filter(|source| source.hash == hash);
            here.all(|source| {
                let member = source.member.clone().unwrap_or_default();
                self.fields.contains_key(&(role.name.clone(), member))
            })
        })
    }
}

/// Whether a field is in a table, in this hash, and says what this value does;
/// or is not there, where there is to be none.
fn has(view: &View<'_>, hash: usize, role: &str, member: &str, value: Option<&str>) -> bool {
    let entry = view.role_entry(role);
    let sources = entry.iter().flat_map(|entry| &entry.sources);
    let mut here = sources.filter(|source| source.hash == hash);
    let found = here.find(|source| source.member.as_deref().unwrap_or_default() == member);
    match (found, value) {
        (None, None) => true,
        // What Redis has lost is there once more only when it was read.
        (Some(found), Some(value)) => !found.retained && roles::value(found) == value,
        _ => false,
    }
}

/// Whether something of a role is there that Redis has lost, in this hash.
fn retains(role: &RoleEntry, hash: usize) -> bool {
    let mut sources = role.sources.iter();
    sources.any(|source| source.hash == hash && source.retained)
}

/// Waits until the table has it, in each of the hashes that the daemon mirrors.
///
/// # Errors
/// There is no daemon.
pub(super) fn until_published(
    mut wanted: Vec<Wanted>,
    patience: Duration,
    config: &Config,
) -> Result<Outcome, Failure> {
    let start = Instant::now();
    let allowed = |(role, _): &(String, String)| config.allow.allows(role);
    let mut fields = wanted.iter().flat_map(|one| one.fields.keys()).peekable();
    if fields.peek().is_some() && !fields.any(allowed) {
        eprintln!(
            "cloudhosts: it is written, but not mirrored here: allow in the configuration leaves \
             it out"
        );
        return Ok(Outcome::No);
    }
    for one in &mut wanted {
        one.fields.retain(|field, _| allowed(field));
    }
    let daemon = paths(config).ok_or(AttachError::Path);
    match daemon.and_then(|paths| client::pulse(&paths)) {
        // It has not read Redis yet, or is slow, and will.
        Ok(_) | Err(AttachError::Handover(HandoverError::NothingYet | HandoverError::Silence)) => {}
        Err(error) => {
            return Err(Failure::Unreachable(format!(
                "it is written, but there is no daemon to wait for: {error}; is \
                 cloudhosts-cached running? (cloudhosts status)"
            )));
        }
    }
    let (table, mut looked_at) = (Client::new(), None);
    let progress = Progress::waiting("Waiting for publication...");
    loop {
        let look = |view: &View<'_>| look(view, &wanted, &mut looked_at);
        match table.with(|| paths(config), monotonic(), look) {
            Ok(Look::Published) => return Ok(Outcome::Yes),
            Ok(Look::NotMirrored) => {
                drop(progress);
                let hashes: Vec<&str> = wanted.iter().map(|one| one.hash.as_str()).collect();
                eprintln!(
                    "cloudhosts: it is written, but the daemon of this machine does not mirror \
                     {}: there is nothing to wait for",
                    Plain(&hashes.join(" nor "))
                );
                return Ok(Outcome::No);
            }
            Ok(Look::NotYet) | Err(_) => {}
        }
        if start.elapsed() > patience {
            drop(progress);
            let shown = humantime::format_duration(patience);
            eprintln!(
                "cloudhosts: it is written, but the daemon has not published it within {shown} \
                 (--wait); `cloudhosts status` says how the daemon is"
            );
            return Ok(Outcome::No);
        }
        table.wait(looked_at, patience.saturating_sub(start.elapsed()));
    }
}

/// What a look at the table shows.
enum Look {
    Published,
    NotYet,
    /// In none of the hashes will it ever be published.
    NotMirrored,
}

/// Looks at a table, once: the next look is at a later one.
fn look(view: &View<'_>, wanted: &[Wanted], looked_at: &mut Option<Edition>) -> Look {
    let edition = Some(view.edition());
    if std::mem::replace(looked_at, edition) == edition {
        return Look::NotYet;
    }
    let mirrored: Vec<bool> = wanted.iter().filter_map(|one| one.is_in(view)).collect();
    match mirrored.as_slice() {
        [] => Look::NotMirrored,
        all if all.iter().all(|&good| good) => Look::Published,
        _ => Look::NotYet,
    }
}
