//! `--wait`: until the daemon of this machine has published what was written.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use cloudhosts_registry::config::{Allow, Config};
use cloudhosts_registry::register::{Accept, Change, Entries, Import, Role, Verb, Where};
use cloudhosts_table::client::AttachError;
use cloudhosts_table::clock::monotonic;
use cloudhosts_table::handover::HandoverError;
use cloudhosts_table::{Client, Edition, RoleEntry, View, client};

use crate::escape::Escaped;
use crate::local_daemon::paths;
use crate::outcome::{Failure, Outcome};
use crate::progress::Progress;
use crate::table_roles;

/// Of roles that `allow` leaves out, so many are named.
const NAMED: usize = 3;

/// What the table must have been made from, in one hash.
pub(super) struct Expectation<'w> {
    hash: String,
    fields: ExpectedFields<'w>,
    /// Which other fields there must not be.
    alone: OtherFields,
    /// Of which roles nothing may be there that Redis has lost.
    accepted: AcceptedLoss,
    /// The role that is to be answered as this hash says.
    answered: Option<String>,
}

/// What came of waiting.
pub(super) enum WaitResult {
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
                Escaped(hashes)
            ),
            Unpublished::Overruled { role, by } => write!(
                f,
                "programs of this machine do not get it: {} comes before it in hashes, and has \
                 {role} too (cloudhosts explain {role})",
                Escaped(by)
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

impl WaitResult {
    /// What JSON says of it: whether it is published, and if not, why. Both are
    /// null where nobody waited.
    pub(super) fn describe(waited: Option<&WaitResult>) -> (Option<bool>, Option<&'static str>) {
        match waited {
            None => (None, None),
            Some(WaitResult::Published) => (Some(true), None),
            Some(WaitResult::Unpublished(why)) => (Some(false), Some(why.code())),
            Some(WaitResult::Gone(_)) => (Some(false), Some("no_daemon")),
        }
    }

    /// How the verb ends.
    ///
    /// # Errors
    /// There is no daemon.
    pub(super) fn outcome(waited: Option<WaitResult>) -> Result<Outcome, Failure> {
        match waited {
            None | Some(WaitResult::Published) => Ok(Outcome::Yes),
            Some(WaitResult::Unpublished(_)) => Ok(Outcome::No),
            Some(WaitResult::Gone(failure)) => Err(failure),
        }
    }
}

/// Which fields there must be.
enum ExpectedFields<'w> {
    /// They do not matter.
    None,
    /// This one with this value; without one there must be no such field.
    One(&'w Role, Option<String>),
    /// The plain fields of these roles.
    Of(&'w Entries),
}

impl ExpectedFields<'_> {
    /// The role, the member (empty for the plain field) and the value of each.
    fn all(&self) -> Box<dyn Iterator<Item = (&str, &str, Option<&str>)> + '_> {
        match self {
            ExpectedFields::None => Box::new(std::iter::empty()),
            ExpectedFields::One(role, value) => Box::new(std::iter::once((
                role.name(),
                role.member().unwrap_or_default(),
                value.as_deref(),
            ))),
            ExpectedFields::Of(entries) => {
                Box::new(entries.iter().map(|(role, at)| (role, "", Some(at))))
            }
        }
    }

    /// Whether this field is one of them.
    fn has(&self, role: &str, member: &str) -> bool {
        match self {
            ExpectedFields::None => false,
            ExpectedFields::One(one, _) => {
                one.name() == role && one.member().unwrap_or_default() == member
            }
            ExpectedFields::Of(entries) => member.is_empty() && entries.contains(role.as_bytes()),
        }
    }
}

/// Of which roles nothing may be there that Redis has lost.
enum AcceptedLoss {
    /// It does not matter.
    None,
    These(BTreeSet<String>),
    All,
}

/// Which other fields there must not be.
enum OtherFields {
    /// None: they do not matter.
    No,
    /// Others of that role.
    In(String),
    /// Any others.
    Everywhere,
}

/// What a change leaves behind.
pub(super) fn after_change(change: &Change) -> Vec<Expectation<'_>> {
    let wanted = change.places.iter().map(|place| Expectation {
        hash: place.hash.clone(),
        fields: ExpectedFields::One(&change.role, place.at.as_ref().map(Where::to_string)),
        alone: match change.verb {
            Verb::Claim | Verb::Point | Verb::Release => {
                OtherFields::In(change.role.name().to_owned())
            }
            Verb::Join | Verb::Leave => OtherFields::No,
        },
        accepted: AcceptedLoss::None,
        answered: place.at.as_ref().map(|_| change.role.name().to_owned()),
    });
    wanted.collect()
}

/// What an import leaves behind.
pub(super) fn after_import(import: &Import) -> Vec<Expectation<'_>> {
    vec![Expectation {
        hash: import.hash.clone(),
        fields: ExpectedFields::Of(&import.roles),
        alone: match import.replace {
            true => OtherFields::Everywhere,
            false => OtherFields::No,
        },
        accepted: AcceptedLoss::None,
        answered: None,
    }]
}

/// What accepting a loss leaves behind.
pub(super) fn after_accept(accept: &Accept) -> Vec<Expectation<'_>> {
    let wanted = accept.hashes.iter().map(|hash| Expectation {
        hash: hash.clone(),
        fields: ExpectedFields::None,
        alone: OtherFields::No,
        accepted: if accept.roles.is_empty() {
            AcceptedLoss::All
        } else {
            let roles = accept.roles.iter().map(|role| role.name().to_owned());
            AcceptedLoss::These(roles.collect())
        },
        answered: None,
    });
    wanted.collect()
}

impl Expectation<'_> {
    /// Whether a table is as wanted, but for what is not mirrored; none where it has
    /// nothing of this hash.
    fn is_in(&self, view: &View<'_>, allow: &Allow) -> Option<bool> {
        let hashes = view.hashes();
        let hash = hashes.iter().position(|hash| *hash == self.hash)?;
        let mut all = self.fields.all().filter(|(role, ..)| allow.allows(role));
        let nothing_else = match &self.alone {
            OtherFields::No => true,
            OtherFields::In(role) => self.is_alone(view.role_entry(role).as_ref(), hash),
            OtherFields::Everywhere => view.roles().all(|role| self.is_alone(Some(&role), hash)),
        };
        let accepted = match &self.accepted {
            AcceptedLoss::None => true,
            AcceptedLoss::These(roles) => roles.iter().all(|role| {
                let entry = view.role_entry(role);
                entry.is_none_or(|entry| !retains(&entry, hash))
            }),
            AcceptedLoss::All => view.roles().all(|role| !retains(&role, hash)),
        };
        let there = all.all(|(role, member, value)| has(view, hash, role, member, value));
        Some(nothing_else && accepted && there)
    }

    /// Who has the role that this hash was to decide, where that is an earlier
    /// hash than all that were written to.
    fn overruled(&self, view: &View<'_>, all: &[Expectation<'_>]) -> Option<Unpublished> {
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
        (Some(found), Some(value)) => !found.retained && table_roles::value(found) == value,
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
    wanted: Vec<Expectation<'_>>,
    patience: Duration,
    config: &Config,
) -> WaitResult {
    let waited = wait(wanted, patience, config);
    if let WaitResult::Unpublished(why) = &waited {
        eprintln!("cloudhosts: {why}");
    }
    waited
}

fn wait(wanted: Vec<Expectation<'_>>, patience: Duration, config: &Config) -> WaitResult {
    let start = Instant::now();
    let mut fields = wanted.iter().flat_map(|one| one.fields.all()).peekable();
    if fields.peek().is_some() && !fields.any(|(role, ..)| config.allow.allows(role)) {
        return WaitResult::Unpublished(filtered(&wanted, config));
    }
    let daemon = paths(config).ok_or(AttachError::Path);
    match daemon.and_then(|paths| client::pulse(&paths)) {
        // It has not read Redis yet, or is slow, and will.
        Ok(_) | Err(AttachError::Handover(HandoverError::NothingYet | HandoverError::Silence)) => {}
        Err(error) => {
            return WaitResult::Gone(Failure::Unreachable(format!(
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
            Ok(Verdict::Published) => return WaitResult::Published,
            Ok(Verdict::Never(why)) => return WaitResult::Unpublished(why),
            Ok(Verdict::NotYet) | Err(_) => {}
        }
        if start.elapsed() > patience {
            return WaitResult::Unpublished(Unpublished::Late(patience));
        }
        table.wait(looked_at, patience.saturating_sub(start.elapsed()));
    }
}

/// Which of the roles that are waited for `allow` leaves out: all of them.
fn filtered(wanted: &[Expectation<'_>], config: &Config) -> Unpublished {
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
enum Verdict {
    Published,
    NotYet,
    /// However long one waits.
    Never(Unpublished),
}

/// Looks at a table, once: the next look is at a later one.
fn look(
    view: &View<'_>,
    wanted: &[Expectation<'_>],
    allow: &Allow,
    looked_at: &mut Option<Edition>,
) -> Verdict {
    let edition = Some(view.edition());
    if std::mem::replace(looked_at, edition) == edition {
        return Verdict::NotYet;
    }
    if let Some(overruled) = wanted.iter().find_map(|one| one.overruled(view, wanted)) {
        return Verdict::Never(overruled);
    }
    let mirrored = wanted.iter().filter_map(|one| one.is_in(view, allow));
    let mirrored: Vec<bool> = mirrored.collect();
    match mirrored.as_slice() {
        [] => {
            let hashes: Vec<&str> = wanted.iter().map(|one| one.hash.as_str()).collect();
            let hashes = hashes.join(" nor ");
            Verdict::Never(Unpublished::NotMirrored { hashes })
        }
        all if all.iter().all(|&good| good) => Verdict::Published,
        _ => Verdict::NotYet,
    }
}
