//! The mirror: what the Redis hashes hold, as far as it can be believed and
//! used, and the table that follows from it.
//!
//! - [`Fields`]: the fields of a hash, compact and in order;
//! - [`struct@Hash`]: one hash: bad values, last good values, lost data;
//! - [`resolve`]: which hash decides, members, pointers;
//! - [`Problems`]: what can't be used, for the status file.
//!
//! A table holds the fields it was made from, so the mirror of a daemon that
//! starts is that of the one before it.

mod again;
mod fields;
mod hash;
mod problems;
mod resolve;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use cloudhosts_registry::config::{Allow, Config};
use cloudhosts_registry::follow::Pass;
use cloudhosts_registry::status::{Effect, HashStatus};
use cloudhosts_table::{BuildError, Builder, Role, Settings, Source, View};

pub use fields::{FieldRef, Fields};
pub use hash::Hash;
pub use problems::Problems;
use resolve::{Deciding, Fault, Resolved, Resolver};

/// The state of all hashes.
#[derive(Debug)]
pub struct Mirror {
    settings: Settings,
    allow: Allow,
    hashes: Vec<Hash>,
    faults: Problems,
}

impl Mirror {
    /// A mirror that has seen nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Mirror {
        let domain = config.domain.map(|domain| domain.to_string());
        Mirror {
            settings: Settings {
                generation: 0,
                published: SystemTime::UNIX_EPOCH,
                stale_max: config.stale_max,
                order: config.order,
                domain: domain.unwrap_or_default(),
                hashes: config.hashes.clone(),
            },
            allow: config.allow.clone(),
            hashes: config.hashes.iter().map(|key| Hash::new(key)).collect(),
            faults: Problems::default(),
        }
    }

    /// Takes up the fields that a table was made from, of the hashes that are
    /// mirrored still, and goes on with its generation.
    pub fn restore(&mut self, table: &View<'_>) {
        let keys: Vec<&str> = table.hashes().collect();
        for hash in &mut self.hashes {
            let mut fields = Fields::default();
            for source in table.sources() {
                let allowed = self.allow.allows(source.role);
                if allowed && keys.get(source.hash) == Some(&hash.key()) {
                    fields.push(FieldRef {
                        role: source.role,
                        member: source.member.unwrap_or_default(),
                        value: source.value,
                        kept: source.kept,
                    });
                }
            }
            *hash = Hash::restored(hash.key(), fields);
        }
        self.settings.generation = table.generation();
    }

    /// Takes in what was read; true when a new table follows from it.
    pub fn apply(&mut self, pass: Pass) -> bool {
        let mut changed = false;
        for read in pass.hashes {
            let Some(hash) = self.hashes.get_mut(read.hash) else {
                continue;
            };
            match read.outcome {
                Ok(pairs) => changed |= hash.read(&pairs, read.trust, &self.allow),
                Err(unreadable) => hash.unreadable(unreadable),
            }
        }
        changed
    }

    /// Makes the table of the next generation.
    ///
    /// # Errors
    /// It would be larger than a table can be.
    pub fn table(&mut self, now: SystemTime) -> Result<Vec<u8>, BuildError> {
        self.settings.generation += 1;
        self.settings.published = now;
        match self.build(Pointers::Linked) {
            // Where pointers were too many to follow them all, one can be
            // left without its target: then each gets its own addresses.
            Err(BuildError::Pointer(_)) => self.build(Pointers::Copied),
            done => done,
        }
    }

    fn build(&mut self, pointers: Pointers) -> Result<Vec<u8>, BuildError> {
        let mut builder = Builder::new(self.settings.clone())?;
        let resolver = Resolver::new(&self.hashes, &self.settings.domain);
        let mut problems = Problems::default();
        let mut faults = Vec::new();
        let mut at = vec![0; self.hashes.len()];
        while let Some(role) = first_role(&self.hashes, &at) {
            let mut decided = None;
            for (hash, at) in self.hashes.iter().zip(&at) {
                let range = hash.fields().rest_of_role(*at, role);
                if !range.is_empty() {
                    decided = Some((hash.key(), Deciding::new(hash.fields(), range)));
                    break;
                }
            }
            let Some((key, deciding)) = decided else {
                break;
            };
            let resolved = resolver.resolve(&deciding, &mut faults);
            report(&mut problems, key, faults.drain(..), resolved.is_some());
            if let Some(resolved) = &resolved {
                builder.role(pointers.role(role, resolved))?;
            }
            for (number, (hash, at)) in self.hashes.iter().zip(&mut at).enumerate() {
                let range = hash.fields().rest_of_role(*at, role);
                *at = range.end;
                for field in hash.fields().range(range) {
                    builder.source(&source(number, field));
                }
            }
        }
        self.faults = problems;
        builder.build()
    }

    /// Whether Redis has lost fields that are kept.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.hashes.iter().any(|hash| hash.status().kept > 0)
    }

    /// How the hashes are.
    #[must_use]
    pub fn hashes(&self) -> Vec<HashStatus> {
        self.hashes.iter().map(Hash::status).collect()
    }

    /// What in them can't be used.
    #[must_use]
    pub fn problems(&self) -> Problems {
        let mut all = Problems::default();
        for hash in &self.hashes {
            all.extend(hash.problems());
        }
        all.extend(&self.faults);
        all
    }
}

/// How a pointer stands in the table.
#[derive(Debug, Clone, Copy)]
enum Pointers {
    /// By a link to the role it points at, whose addresses stand there once.
    Linked,
    /// With a copy of the addresses.
    Copied,
}

impl Pointers {
    fn role<'r>(self, name: &'r str, resolved: &'r Resolved) -> Role<'r> {
        let linked =
            matches!(self, Pointers::Linked) && resolved.end.as_ref().is_some_and(|end| end.entry);
        let (v4, v6) = match linked {
            true => (&[][..], &[][..]),
            false => (&resolved.v4[..], &resolved.v6[..]),
        };
        Role {
            name,
            canonical: resolved.end.as_ref().map(|end| end.name.as_str()),
            v4,
            v6,
            pick: resolved.pick,
        }
    }
}

/// The next role, in the order of names, of all that the hashes hold.
fn first_role<'m>(hashes: &'m [Hash], at: &[usize]) -> Option<&'m str> {
    let next = hashes
        .iter()
        .zip(at)
        .filter_map(|(hash, &at)| hash.fields().get(at));
    next.map(|field| field.role).min()
}

fn source(hash: usize, field: FieldRef<'_>) -> Source<'_> {
    Source {
        hash,
        role: field.role,
        member: (!field.member.is_empty()).then_some(field.member),
        value: field.value,
        kept: field.kept,
    }
}

fn report(
    problems: &mut Problems,
    hash: &str,
    faults: impl Iterator<Item = Fault>,
    answered: bool,
) {
    for fault in faults {
        let effect = match answered {
            true => Effect::Used,
            false => Effect::Ignored,
        };
        problems.add(
            hash,
            fault.field.as_bytes(),
            None,
            || fault.what.to_string(),
            effect,
        );
    }
}
