//! What a publication changes in the answers of roles, for the log: each one
//! where they are few, else their number. Only roles that change are looked at.

use std::fmt;
use std::net::IpAddr;

use cloudhosts_config::Counted;
use cloudhosts_registry::follow::Attribution;
use cloudhosts_table::{Canonical, View};
use tracing::info;

use crate::mirror::Changed;

/// More roles than this are not logged one by one.
const FEW: usize = 30;

/// Of more roles, this many are named.
const NAMED: usize = 10;

/// Most addresses of one role that are logged.
const SHOWN: usize = 8;

/// What a publication changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RoleChanges {
    /// These answers, one role each.
    Few(Vec<RoleChange>),
    /// The answers of this many roles, of which the first are named.
    Many {
        /// How many.
        count: usize,
        /// The first of them.
        first: Vec<Box<str>>,
    },
    /// Every answer may have changed.
    All,
}

/// A role whose answer has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleChange {
    role: Box<str>,
    before: Answered,
    after: Answered,
}

/// What a role answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Answered {
    /// What it is in the end, if not itself.
    canonical: Option<String>,
    /// Its addresses; none where it has no answer.
    addresses: Vec<IpAddr>,
    pick: u16,
}

impl RoleChanges {
    /// The roles that are about to change, and what the table as it stands has
    /// of them.
    pub(crate) fn before(changed: &Changed, table: Option<View<'_>>) -> RoleChanges {
        match (changed, table) {
            (Changed::Nothing, _) => RoleChanges::Few(Vec::new()),
            (Changed::Roles(roles), Some(table)) if roles.len() <= FEW => {
                let roles = roles.iter().map(|role| RoleChange {
                    role: role.clone(),
                    before: Answered::of(role, &table),
                    after: Answered::default(),
                });
                RoleChanges::Few(roles.collect())
            }
            (Changed::Roles(roles), Some(_)) => RoleChanges::Many {
                count: roles.len(),
                first: roles.iter().take(NAMED).cloned().collect(),
            },
            (Changed::All, _) | (Changed::Roles(_), None) => RoleChanges::All,
        }
    }

    /// The same when they have changed: what a table has of them now.
    pub(crate) fn after(mut self, table: &View<'_>) -> RoleChanges {
        if let RoleChanges::Few(roles) = &mut self {
            for one in roles.iter_mut() {
                one.after = Answered::of(&one.role, table);
            }
            roles.retain(|one| one.before != one.after);
        }
        self
    }

    /// Logs them: one line for each role, or one for all, with who did it if the
    /// change log says so.
    pub(crate) fn log(&self, attributions: &[Attribution], names: u64) {
        match self {
            RoleChanges::Few(roles) => {
                for change in roles {
                    let by = attributions.iter().find(|one| *one.role == *change.role);
                    info!("{change}{}", Who(by));
                }
            }
            RoleChanges::Many { count, first } => {
                let same = |one: &Attribution| {
                    let first = attributions.first();
                    first.is_some_and(|first| one.verb == first.verb && one.by == first.by)
                };
                let by = attributions
                    .first()
                    .filter(|_| attributions.iter().all(same));
                info!(
                    "{} changed at once: {} and {} more{}",
                    Counted::new(*count as u64, "role"),
                    first.join(", "),
                    count - first.len(),
                    Who(by)
                );
            }
            RoleChanges::All => info!(
                "too many changes to log each role; now {}",
                Counted::new(names, "name")
            ),
        }
    }
}

impl Answered {
    fn of(role: &str, table: &View<'_>) -> Answered {
        let Some(answer) = table.role(role) else {
            return Answered::default();
        };
        let v4 = answer.v4().map(IpAddr::from);
        let addresses = v4.chain(answer.v6().map(IpAddr::from)).collect();
        Answered {
            canonical: match answer.canonical() {
                Canonical::Meant(_) => None,
                Canonical::Other(name) => Some(name.to_string()),
            },
            addresses,
            pick: answer.pick(),
        }
    }
}

impl fmt::Display for RoleChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}", self.role, self.before, self.after)
    }
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.addresses.is_empty() {
            return f.write_str("nothing");
        }
        let shown: Vec<String> = self
            .addresses
            .iter()
            .take(SHOWN)
            .map(IpAddr::to_string)
            .collect();
        let shown = shown.join(" ");
        let more = match self.addresses.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let pick = match self.pick {
            0 => String::new(),
            pick => format!(" pick={pick}"),
        };
        match &self.canonical {
            Some(name) => write!(f, "{name} ({shown}{more}{pick})"),
            None => write!(f, "{shown}{more}{pick}"),
        }
    }
}

/// Who did it, at the end of a line.
struct Who<'a>(Option<&'a Attribution>);

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.map(|one| (one.verb.as_deref(), one.by.as_deref())) {
            Some((Some(verb), Some(by))) => write!(f, " ({verb} by {by})"),
            Some((Some(verb), None)) => write!(f, " ({verb})"),
            Some((None, Some(by))) => write!(f, " (by {by})"),
            Some((None, None)) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(canonical: Option<&str>, addresses: u8, pick: u16) -> Answered {
        Answered {
            canonical: canonical.map(str::to_owned),
            addresses: (1..=addresses)
                .map(|n| IpAddr::from([10, 0, 0, n]))
                .collect(),
            pick,
        }
    }

    #[test]
    fn an_answer_is_told_in_a_few_words() {
        assert_eq!(answered(None, 0, 0).to_string(), "nothing");
        assert_eq!(answered(None, 2, 1).to_string(), "10.0.0.1 10.0.0.2 pick=1");
        assert_eq!(answered(Some("db-2"), 1, 0).to_string(), "db-2 (10.0.0.1)");
        let many = answered(None, 200, 0).to_string();
        assert!(many.ends_with("10.0.0.8 and 192 more"), "{many}");
    }
}
