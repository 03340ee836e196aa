//! `--wait`: until the daemon of this machine has published what was written.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use cloudhosts_config::{Allow, Config};
use cloudhosts_registry::register::{Accept, Change, Import, ImportedRoles, Role, Verb, Where};
use cloudhosts_table::client::AttachError;
use cloudhosts_table::clock::monotonic;
use cloudhosts_table::handover::HandoverError;
use cloudhosts_table::{Client, Edition, RoleEntry, View, client};

use crate::inspect::roles;
use crate::local::paths;
use crate::outcome::{Failure, Outcome, Plain};
use crate::progress::Progress;

/// Of roles that `allow` leaves out, so many are named.
const NAMED: usize = 3;

/// What the table must have been made from, in one hash.
pub(super) struct Wanted<'w> {
    hash: String,
    fields: Fields<'w>,
    /// Which other fields there must not be.
    alone: Alone,
    /// Of which roles nothing may be there that Redis has lost.
    accepted: Accepted,
    /// The role that is to be answered as this hash says.
    answered: Option<String>,
}

/// What came of waiting.
pub(super) enum Waited {
    /// The table has it.
    Published,
    /// It has not, or programs get something else all the same.
    Unpublished(Unpublished),
    /// There is no daemon.
    Gone(Failure),
}

/// Why programs of this machine do not get what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unpublished {
    /// `allow`, which is given, leaves these roles out.
    Filtered { roles: String, allow: String },
    /// The daemon mirrors none of these hashes.
    NotMirrored { hashes: String },
    /// An earlier hash has the role, and decides it.
    Overruled { role: String, by: String },
    /// It was not published within this time.
    Late(Duration),
}

impl Unpublished {
    /// What it is called in JSON.
    fn code(&self) -> &'static str {
        match self {
            Unpublished::Filtered { .. } => "filtered",
            Unpublished::NotMirrored { .. } => "not_mirrored",
            Unpublished::Overruled { .. } => "overruled",
            Unpublished::Late(_) => "late",
        }
    }
}

impl fmt::Display for Unpublished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is written, but ")?;
        match self {
            Unpublished::Filtered { roles, allow } => write!(
                f,
                "not mirrored here: {allow} in the configuration leaves {roles} out, no glob \
                 matches; add one and run systemctl reload cloudhosts-cached if that is not meant"
            ),
            Unpublished::NotMirrored { hashes } => write!(
                f,
                "the daemon of this machine does not mirror {}: there is nothing to wait for",
                Plain(hashes)
            ),
            Unpublished::Overruled { role, by } => write!(
                f,
                "programs of this machine do not get it: {} comes before it in hashes, and has \
                 {role} too (cloudhosts explain {role})",
                Plain(by)
            ),
            Unpublished::Late(patience) => write!(
                f,
                "the daemon has not published it within {} (--wait); `cloudhosts status` says how \
                 the daemon is",
                humantime::format_duration(*patience)
            ),
        }
    }
}

impl Waited {
    /// What JSON says of it: whether it is published, and if not, why. Both are
    /// null where nobody waited.
    pub(super) fn describe(waited: Option<&Waited>) -> (Option<bool>, Option<&'static str>) {
        match waited {
            None => (None, None),
            Some(Waited::Published) => (Some(true), None),
            Some(Waited::Unpublished(why)) => (Some(false), Some(why.code())),
            Some(Waited::Gone(_)) => (Some(false), Some("no_daemon")),
        }
    }

    /// How the verb ends.
    ///
    /// # Errors
    /// There is no daemon.
    pub(super) fn outcome(waited: Option<Waited>) -> Result<Outcome, Failure> {
        match waited {
            None | Some(Waited::Published) => Ok(Outcome::Yes),
            Some(Waited::Unpublished(_)) => Ok(Outcome::No),
            Some(Waited::Gone(failure)) => Err(failure),
        }
    }
}

/// Which fields there must be.
enum Fields<'w> {
    /// They do not matter.
    None,
    /// This one with this value; without one there must be no such field.
    One(&'w Role, Option<String>),
    /// The plain fields of these roles.
    Of(&'w ImportedRoles),
}

impl Fields<'_> {
    /// The role, the member (empty for the plain field) and the value of each.
    fn all(&self) -> Box<dyn Iterator<Item = (&str, &str, Option<&str>)> + '_> {
        match self {
            Fields::None => Box::new(std::iter::empty()),
            Fields::One(role, value) => Box::new(std::iter::once((
                role.name(),
                role.member().unwrap_or_default(),
                value.as_deref(),
            ))),
            Fields::Of(entries) => Box::new(entries.iter().map(|(role, at)| (role, "", Some(at)))),
        }
    }

    /// Whether this field is one of them.
    fn has(&self, role: &str, member: &str) -> bool {
        match self {
            Fields::None => false,
            Fields::One(one, _) => one.name() == role && one.member().unwrap_or_default() == member,
            Fields::Of(entries) => member.is_empty() && entries.contains(role.as_bytes()),
        }
    }
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
pub(super) fn of_change(change: &Change) -> Vec<Wanted<'_>> {
    let wanted = change.places.iter().map(|place| Wanted {
        hash: place.hash.clone(),
        fields: Fields::One(&change.role, place.at.as_ref().map(Where::to_string)),
        alone: match change.verb {
            Verb::Claim | Verb::Point | Verb::Release => Alone::In(change.role.name().to_owned()),
            Verb::Join | Verb::Leave => Alone::No,
        },
        accepted: Accepted::None,
        answered: place.at.as_ref().map(|_| change.role.name().to_owned()),
    });
    wanted.collect()
}

/// What an import leaves behind.
pub(super) fn of_import(import: &Import) -> Vec<Wanted<'_>> {
    vec![Wanted {
        hash: import.hash.clone(),
        fields: Fields::Of(&import.roles),
        alone: match import.replace {
            true => Alone::Everywhere,
            false => Alone::No,
        },
        accepted: Accepted::None,
        answered: None,
    }]
}

/// What accepting a loss leaves behind.
pub(super) fn of_accept(accept: &Accept) -> Vec<Wanted<'_>> {
    let wanted = accept.hashes.iter().map(|hash| Wanted {
        hash: hash.clone(),
        fields: Fields::None,
        alone: Alone::No,
        accepted: if accept.roles.is_empty() {
            Accepted::All
        } else {
            let roles = accept.roles.iter().map(|role| role.name().to_owned());
            Accepted::These(roles.collect())
        },
        answered: None,
    });
    wanted.collect()
}

impl Wanted<'_> {
    /// Whether a table is as wanted, but for what is not mirrored; none where it has
    /// nothing of this hash.
    fn is_in(&self, view: &View<'_>, allow: &Allow) -> Option<bool> {
        let hashes = view.hashes();
        let hash = hashes.iter().position(|hash| *hash == self.hash)?;
        let mut all = self.fields.all().filter(|(role, ..)| allow.allows(role));
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
        let there = all.all(|(role, member, value)| has(view, hash, role, member, value));
        Some(nothing_else && accepted && there)
    }

    /// Who has the role that this hash was to decide, where that is an earlier
    /// hash than all that were written to.
    fn overruled(&self, view: &View<'_>, all: &[Wanted<'_>]) -> Option<Unpublished> {
        let role = self.answered.as_ref()?;
        let entry = view.role_entry(role)?;
        let decides = entry.sources.iter().map(|source| source.hash).min()?;
        let hashes = view.hashes();
        let written = |key: &String| all.iter().any(|one| one.hash == *key);
        let first = hashes.iter().position(written)?;
        let by = hashes.get(decides)?;
        (decides < first).then(|| Unpublished::Overruled {
            role: role.clone(),
            by: by.clone(),
        })
    }

    /// Whether a role has no other fields in this hash than those wanted.
    fn is_alone(&self, role: Option<&RoleEntry>, hash: usize) -> bool {
        role.is_none_or(|role| {
            let mut here = role.sources.iter().filter(|source| source.hash == hash);
            here.all(|source| {
                let member = source.member.as_deref().unwrap_or_default();
                self.fields.has(&role.name, member)
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

/// Waits until the table has it, in each of the hashes that the daemon mirrors,
/// and says why it has not, or why that is of no use.
pub(super) fn until_published(
    wanted: Vec<Wanted<'_>>,
    patience: Duration,
    config: &Config,
) -> Waited {
    let waited = wait(wanted, patience, config);
    if let Waited::Unpublished(why) = &waited {
        eprintln!("cloudhosts: {why}");
    }
    waited
}

fn wait(wanted: Vec<Wanted<'_>>, patience: Duration, config: &Config) -> Waited {
    let start = Instant::now();
    let mut fields = wanted.iter().flat_map(|one| one.fields.all()).peekable();
    if fields.peek().is_some() && !fields.any(|(role, ..)| config.allow.allows(role)) {
        return Waited::Unpublished(filtered(&wanted, config));
    }
    let daemon = paths(config).ok_or(AttachError::Path);
    match daemon.and_then(|paths| client::pulse(&paths)) {
        // It has not read Redis yet, or is slow, and will.
        Ok(_) | Err(AttachError::Handover(HandoverError::NothingYet | HandoverError::Silence)) => {}
        Err(error) => {
            return Waited::Gone(Failure::Unreachable(format!(
                "it is written, but there is no daemon to wait for: {error}; is \
                 cloudhosts-cached running? (cloudhosts status)"
            )));
        }
    }
    let (table, mut looked_at) = (Client::new(), None);
    let _progress = Progress::waiting("Waiting for publication...");
    loop {
        let look = |view: &View<'_>| look(view, &wanted, &config.allow, &mut looked_at);
        match table.with(|| paths(config), monotonic(), look) {
            Ok(Look::Published) => return Waited::Published,
            Ok(Look::Never(why)) => return Waited::Unpublished(why),
            Ok(Look::NotYet) | Err(_) => {}
        }
        if start.elapsed() > patience {
            return Waited::Unpublished(Unpublished::Late(patience));
        }
        table.wait(looked_at, patience.saturating_sub(start.elapsed()));
    }
}

/// Which of the roles that are waited for `allow` leaves out: all of them.
fn filtered(wanted: &[Wanted<'_>], config: &Config) -> Unpublished {
    let fields = wanted.iter().flat_map(|one| one.fields.all());
    let roles: BTreeSet<&str> = fields.map(|(role, ..)| role).collect();
    let shown: Vec<&str> = roles.iter().take(NAMED).copied().collect();
    let more = match roles.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Unpublished::Filtered {
        roles: shown.join(", ") + &more,
        allow: config.allow.to_string(),
    }
}

/// What a look at the table shows.
enum Look {
    Published,
    NotYet,
    /// However long one waits.
    Never(Unpublished),
}

/// Looks at a table, once: the next look is at a later one.
fn look(
    view: &View<'_>,
    wanted: &[Wanted<'_>],
    allow: &Allow,
    looked_at: &mut Option<Edition>,
) -> Look {
    let edition = Some(view.edition());
    if std::mem::replace(looked_at, edition) == edition {
        return Look::NotYet;
    }
    if let Some(overruled) = wanted.iter().find_map(|one| one.overruled(view, wanted)) {
        return Look::Never(overruled);
    }
    let mirrored = wanted.iter().filter_map(|one| one.is_in(view, allow));
    let mirrored: Vec<bool> = mirrored.collect();
    match mirrored.as_slice() {
        [] => {
            let hashes: Vec<&str> = wanted.iter().map(|one| one.hash.as_str()).collect();
            let hashes = hashes.join(" nor ");
            Look::Never(Unpublished::NotMirrored { hashes })
        }
        all if all.iter().all(|&good| good) => Look::Published,
        _ => Look::NotYet,
    }
}
