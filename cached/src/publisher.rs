//! From the mirror to the processes: writes changes into the region in place, and
//! creates a new region where there is no room left.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{
    Canonical, Capacity, Region, RegionWriter, Role, RoleAnswer, Settings, Snapshot, View,
    WriteError,
};
use tracing::{debug, warn};

use crate::mirror::{Changed, Mirror};
use crate::role_changes::RoleChanges;
use crate::status_file::TableFacts;

/// Writes the region.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    writer: Option<RegionWriter>,
    /// The settings of the region.
    settings: Option<Settings>,
    /// That a larger region could not be created was logged.
    cramped: bool,
}

/// What was published.
#[derive(Debug)]
pub(crate) struct Published {
    /// Figures for the status.
    pub(crate) facts: TableFacts,
    /// The region, if it is a new one, which is to be handed out from now on.
    pub(crate) region: Option<Arc<Region>>,
    /// The roles whose answers have changed.
    pub(crate) roles: RoleChanges,
}

impl Publisher {
    /// Publishes what was changed in the mirror; where nothing is different in
    /// the table, nothing. `anew`: all of it, in a new region, as it is where
    /// there is none yet or it is to say something else of itself.
    ///
    /// # Errors
    /// There is no memory for the region it needs.
    pub(crate) fn publish(
        &mut self,
        mirror: &Mirror,
        changed: &Changed,
        anew: bool,
    ) -> io::Result<Option<Published>> {
        let before = self.writer.as_ref().map(RegionWriter::generation);
        let roles = if anew {
            RoleChanges::All
        } else {
            RoleChanges::before(changed, self.view())
        };
        let differs = *changed != Changed::Nothing && !self.says(mirror.settings());
        let is_new = anew || differs || !self.write(mirror, changed)?;
        if is_new {
            self.writer = Some(self.build(mirror)?);
            self.settings = Some(mirror.settings().clone());
        }
        let moved = self.make_room();
        let Some(writer) = &self.writer else {
            return Ok(None);
        };
        if before == Some(writer.generation()) && !is_new && !moved {
            return Ok(None);
        }
        let view = writer.view();
        Ok(Some(Published {
            facts: TableFacts {
                generation: view.generation(),
                names: view.names(),
                addresses: view.addresses(),
                bytes: view.size() as u64,
            },
            region: (is_new || moved).then(|| Arc::clone(writer.region())),
            roles: roles.after(&view),
        }))
    }

    /// What the file of the last good table is to hold now.
    #[must_use]
    pub(crate) fn snapshot(&self) -> Option<Snapshot> {
        self.writer.as_ref().map(RegionWriter::snapshot)
    }

    /// The table as it is, if there is one.
    #[must_use]
    pub(crate) fn view(&self) -> Option<View<'_>> {
        self.writer.as_ref().map(RegionWriter::view)
    }

    /// Whether the region says this of itself, but for the generation.
    fn says(&self, settings: &Settings) -> bool {
        self.settings.as_ref().is_some_and(|said| {
            let said = Settings {
                generation: settings.generation,
                ..said.clone()
            };
            said == *settings
        })
    }

    /// Writes a change into the region at hand. False where that can't be: a
    /// new one is needed.
    fn write(&mut self, mirror: &Mirror, changed: &Changed) -> io::Result<bool> {
        let Some(writer) = &mut self.writer else {
            return Ok(*changed == Changed::Nothing);
        };
        let written = match changed {
            Changed::Nothing => return Ok(true),
            Changed::Roles(answers) => write_roles(writer, mirror, answers.union(mirror.touched())),
            Changed::All => {
                let names = all_names(writer, mirror);
                write_roles(writer, mirror, names.iter())
            }
        };
        match written.and_then(|()| writer.commit(SystemTime::now())) {
            Ok(_) => Ok(true),
            Err(WriteError::Full) => Ok(false),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// A region of all there is in the mirror.
    fn build(&self, mirror: &Mirror) -> io::Result<RegionWriter> {
        let last = self.writer.as_ref().map(RegionWriter::generation);
        let last = last.unwrap_or_default().max(mirror.settings().generation);
        let settings = Settings {
            generation: last,
            ..mirror.settings().clone()
        };
        let mut capacity = Capacity::default();
        let mut roles = mirror.roles();
        let counted: Result<(), Infallible> = roles.all(|role| {
            capacity.add(role);
            Ok(())
        });
        let Ok(()) = counted;
        let mut writer = RegionWriter::create(settings, &capacity, monotonic())?;
        let written = roles.all(|role| set(&mut writer, role));
        written.map_err(io::Error::other)?;
        writer.commit(SystemTime::now()).map_err(io::Error::other)?;
        debug!("a new region of {} bytes", writer.region().size());
        Ok(writer)
    }

    /// Moves to a new region where the room for changes is running short; true
    /// if it did. The change that was just made is in both.
    fn make_room(&mut self) -> bool {
        let Some(writer) = self.writer.as_ref().filter(|writer| writer.needs_rebuild()) else {
            return false;
        };
        match writer.rebuild(monotonic()) {
            Ok(next) => {
                debug!("moved to a region of {} bytes", next.region().size());
                self.writer = Some(next);
                self.cramped = false;
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut self.cramped, true) {
                    warn!("cannot create a larger region, the current one remains in use: {error}");
                }
                false
            }
        }
    }
}

/// The names of all roles in the mirror and in the region.
fn all_names(writer: &RegionWriter, mirror: &Mirror) -> BTreeSet<Box<str>> {
    let mut names: BTreeSet<Box<str>> = writer.view().role_names().map(Into::into).collect();
    let added: Result<(), Infallible> = mirror.roles().all(|role| {
        names.insert(role.name.into());
        Ok(())
    });
    let Ok(()) = added;
    names
}

/// Writes these roles as they are in the mirror now.
///
/// Processes may look at any moment in between, so that nobody may ever find an
/// alias of what is no longer there, or no longer has addresses itself: first
/// those that have addresses are written, then aliases, last of them those that
/// others may still have been aliases of, and in the end what has no answer.
fn write_roles<'n>(
    writer: &mut RegionWriter,
    mirror: &Mirror,
    names: impl Iterator<Item = &'n Box<str>>,
) -> Result<(), WriteError> {
    let mut roles = mirror.roles();
    let (mut aliases, mut unanswered) = (Vec::new(), Vec::new());
    for name in names {
        roles.one(name, |role| match role.map(|role| role.answer) {
            Some(Some(RoleAnswer::Addresses { .. })) => {
                role.map_or(Ok(()), |role| set(writer, role))
            }
            Some(Some(RoleAnswer::Alias { .. })) => {
                aliases.push(name);
                Ok(())
            }
            Some(None) | None => {
                unanswered.push(name);
                Ok(())
            }
        })?;
    }
    aliases.sort_by_cached_key(|name| has_addresses(writer, name));
    for name in aliases.into_iter().chain(unanswered) {
        roles.one(name, |role| match role {
            Some(role) => set(writer, role),
            None => writer.remove(name),
        })?;
    }
    Ok(())
}

/// Whether a role answers addresses of its own in the region.
fn has_addresses(writer: &RegionWriter, role: &str) -> bool {
    let view = writer.view();
    let answer = view.role(role);
    answer.is_some_and(|answer| matches!(answer.canonical(), Canonical::Meant(_)))
}

/// Writes a role. One that can't stand in a table, which no grammar lets
/// through, is left as it is.
fn set(writer: &mut RegionWriter, role: &Role<'_>) -> Result<(), WriteError> {
    match writer.set(role) {
        Err(error @ (WriteError::Name(_) | WriteError::Answer(_) | WriteError::Source(_))) => {
            warn!("cannot publish {}: {error}", role.name);
            Ok(())
        }
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use cloudhosts_config::Config;
    use cloudhosts_registry::Pairs;
    use cloudhosts_registry::follow::{Batch, Changes, Checkpoint, HashBatch};
    use cloudhosts_table::Name;

    use super::*;

    fn mirror() -> Mirror {
        let thread = std::thread::current().id();
        let path =
            std::env::temp_dir().join(format!("publisher-{}-{thread:?}", std::process::id()));
        std::fs::write(&path, "").unwrap();
        let config = Config::load(Some(&path)).unwrap();
        std::fs::remove_file(path).unwrap();
        Mirror::new(&config)
    }

    fn batch(set: &[(&str, &str)], removed: &[&str]) -> Batch {
        let mut pairs = Pairs::new();
        for (field, value) in set {
            pairs.push(field.as_bytes(), value.as_bytes()).unwrap();
        }
        let changes = Changes {
            set: pairs,
            removed: removed
                .iter()
                .map(|field| field.as_bytes().into())
                .collect(),
            ..Changes::default()
        };
        Batch {
            hashes: vec![HashBatch {
                hash: 0,
                outcome: Ok(changes),
            }],
            full: None,
            latency: Duration::ZERO,
            checkpoint: Checkpoint::default(),
        }
    }

    /// Roles that become aliases of each other, and names that a wildcard takes
    /// over: before and after each change they have an answer, and so they do in
    /// between.
    #[test]
    fn what_has_an_answer_before_and_after_has_one_in_between() {
        let (mut mirror, mut publisher) = (mirror(), Publisher::default());
        let one = [
            ("web", "10.0.0.1"),
            ("www", "web"),
            ("far", "www"),
            ("a.x", "10.0.0.2"),
        ];
        let other = [
            ("www", "10.0.0.1"),
            ("web", "www"),
            ("far", "web"),
            ("*.x", "10.0.0.2"),
        ];
        mirror.apply(&batch(&one, &[]));
        let published = publisher.publish(&mirror, &Changed::All, true);
        let region = published.unwrap().unwrap().region.unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let names = ["web", "www", "far", "a.x"].map(|name| Name::parse(name.as_bytes()));
                while !stop.load(Ordering::Relaxed) {
                    for name in names.iter().flatten() {
                        assert!(region.view().lookup(name).is_some(), "{name}");
                    }
                }
            });
            for n in 0..2_000 {
                let changed = if n % 2 == 0 {
                    mirror.apply(&batch(&other, &["a.x"]))
                } else {
                    mirror.apply(&batch(&one, &["*.x"]))
                };
                let published = publisher.publish(&mirror, &changed, false).unwrap();
                // The reader has the first region.
                if published.is_some_and(|published| published.region.is_some()) {
                    break;
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn a_publication_says_whose_answers_are_others() {
        let (mut mirror, mut publisher) = (mirror(), Publisher::default());
        let changed = mirror.apply(&batch(&[("web", "10.0.0.1"), ("www", "web")], &[]));
        let first = publisher.publish(&mirror, &changed, false).unwrap();
        assert_eq!(first.unwrap().roles, RoleChanges::All);
        let mut roles = |set: &[(&str, &str)], removed: &[&str]| {
            let changed = mirror.apply(&batch(set, removed));
            let published = publisher.publish(&mirror, &changed, false).unwrap();
            published.unwrap().roles
        };
        let told = |roles: RoleChanges| match roles {
            RoleChanges::Few(roles) => roles.iter().map(ToString::to_string).collect(),
            other => vec![format!("{other:?}")],
        };
        // Its alias goes with it.
        assert_eq!(
            told(roles(&[("web", "10.0.0.2")], &[])),
            ["web: 10.0.0.1 -> 10.0.0.2"]
        );
        assert_eq!(
            told(roles(&[("db", "10.0.0.3"), ("www", "db")], &[])),
            [
                "db: nothing -> 10.0.0.3",
                "www: web (10.0.0.2) -> db (10.0.0.3)"
            ]
        );
        assert_eq!(told(roles(&[], &["web"])), ["web: 10.0.0.2 -> nothing"]);
        let many: Vec<String> = (10..41).map(|n| format!("m{n}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (&**name, "10.1.0.1")).collect();
        let RoleChanges::Many { count, first } = roles(&many, &[]) else {
            panic!("31 are many");
        };
        assert_eq!((count, &*first[0], first.len()), (31, "m10", 10));
    }

    #[test]
    fn what_changes_no_answer_is_no_new_generation_and_a_full_region_is_left() {
        let (mut mirror, mut publisher) = (mirror(), Publisher::default());
        let changed = mirror.apply(&batch(&[("web", "10.0.0.1")], &[]));
        let first = publisher
            .publish(&mirror, &changed, false)
            .unwrap()
            .unwrap();
        assert!(first.region.is_some());
        let changed = mirror.apply(&batch(&[("web", " 10.0.0.1")], &[]));
        assert!(
            publisher
                .publish(&mirror, &changed, false)
                .unwrap()
                .is_none()
        );
        let mut last = first.facts;
        let mut moved = 0;
        for n in 0..40_000u32 {
            let [_, a, b, c] = n.to_be_bytes();
            let changed = mirror.apply(&batch(&[("web", &format!("10.{a}.{b}.{c}"))], &[]));
            if let Some(published) = publisher.publish(&mirror, &changed, false).unwrap() {
                assert!(published.facts.generation > last.generation);
                last = published.facts;
                moved += u32::from(published.region.is_some());
            }
        }
        assert!(moved >= 2, "{moved}");
        assert_eq!(last.names, 1);
    }
}
