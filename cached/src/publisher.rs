//! From the mirror to the processes: makes a table, seals it, and keeps the
//! file of the last good one up to date.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant, SystemTime};

use cloudhosts_registry::follow::Pass;
use cloudhosts_table::View;
use cloudhosts_table::shm::seal_table;

use crate::last_good::LastGood;
use crate::mirror::Mirror;
use crate::report::TableFacts;

/// A table that is ready to be handed out.
#[derive(Debug)]
pub struct Sealed {
    /// What to say of it.
    pub facts: TableFacts,
    /// The memory it is in.
    pub file: File,
}

impl Sealed {
    /// A descriptor to hand out.
    ///
    /// # Errors
    /// There is none left.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.file.try_clone().map(OwnedFd::from)
    }
}

/// Takes in what was read and, when that or `force` asks for it, makes the new
/// table. Takes time in proportion to all names; to be run off the loop that
/// keeps the heart beating.
///
/// # Errors
/// The table is too large, or there is no memory for it.
pub fn digest(mirror: &mut Mirror, pass: Option<Pass>, force: bool) -> io::Result<Option<Sealed>> {
    let changed = pass.is_some_and(|pass| mirror.apply(pass));
    if !changed && !force {
        return Ok(None);
    }
    let bytes = mirror.table(SystemTime::now()).map_err(io::Error::other)?;
    let view = View::open(&bytes).map_err(io::Error::other)?;
    let facts = TableFacts {
        generation: view.generation(),
        names: view.names(),
        addresses: view.addresses(),
        bytes: bytes.len() as u64,
    };
    let file = File::from(seal_table(&bytes)?);
    Ok(Some(Sealed { facts, file }))
}

/// After a write that took T, the next waits at least so many T: a storm of
/// changes does not wear the disk out.
const REST: u32 = 9;
/// And at least so long.
const LEAST: Duration = Duration::from_secs(1);
/// How often the file is touched, as a sign that a daemon stands behind it.
const TOUCH: Duration = Duration::from_secs(60);

/// Writes the newest table to the file, soon but not too often.
#[derive(Debug)]
pub struct Keeper {
    file: LastGood,
    newest: Option<File>,
    rested: Option<Instant>,
    touched: Option<Instant>,
}

/// What is to be done with the file next. Done where it may take its time.
#[derive(Debug)]
pub struct Chore {
    file: LastGood,
    table: Option<File>,
}

impl Chore {
    /// Does it; returns how long it took.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn run(self) -> io::Result<Duration> {
        let start = Instant::now();
        match &self.table {
            Some(table) => self.file.save(table)?,
            None => self.file.touch()?,
        }
        Ok(start.elapsed())
    }
}

impl Keeper {
    /// Keeps this file.
    #[must_use]
    pub fn new(file: LastGood) -> Keeper {
        Keeper {
            file,
            newest: None,
            rested: None,
            touched: None,
        }
    }

    /// There is a new table to write.
    pub fn keep(&mut self, table: File) {
        self.newest = Some(table);
    }

    /// What is to be done now, if anything.
    pub fn chore(&mut self, now: Instant) -> Option<Chore> {
        if self.rested.is_some_and(|rested| now < rested) {
            return None;
        }
        let touch = self.touched.is_some_and(|touched| now >= touched + TOUCH);
        if self.newest.is_none() && !touch {
            return None;
        }
        self.touched = Some(now);
        Some(self.pending())
    }

    /// What is left to be done at the end.
    pub fn last_chore(&mut self) -> Chore {
        self.pending()
    }

    fn pending(&mut self) -> Chore {
        Chore {
            file: self.file.clone(),
            table: self.newest.take(),
        }
    }

    /// A chore took so long.
    pub fn done(&mut self, now: Instant, took: Duration) {
        self.rested = Some(now + (took * REST).max(LEAST));
    }

    /// When there is something to do.
    #[must_use]
    pub fn wakes(&self, now: Instant) -> Option<Instant> {
        let touch = self.touched.map(|touched| touched + TOUCH);
        let write = self.newest.as_ref().map(|_| now);
        let wanted = write.or(touch)?;
        Some(self.rested.map_or(wanted, |rested| rested.max(wanted)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn keeper() -> Keeper {
        Keeper::new(LastGood::new(&std::env::temp_dir()))
    }

    #[test]
    fn the_first_table_is_written_at_once_and_the_next_after_a_rest() {
        let mut keeper = keeper();
        let table = || File::from(seal_table(b"table").unwrap());
        let start = Instant::now();
        assert!(keeper.chore(start).is_none());
        keeper.keep(table());
        assert!(
            keeper
                .chore(start)
                .is_some_and(|chore| chore.table.is_some())
        );
        keeper.done(start, Duration::from_millis(500));
        keeper.keep(table());
        let early = start + Duration::from_millis(4400);
        assert!(keeper.chore(early).is_none());
        let rested = start + Duration::from_millis(4500);
        assert_eq!(keeper.wakes(early), Some(rested));
        assert!(keeper.chore(rested).is_some());
    }

    #[test]
    fn the_file_is_touched_while_nothing_changes() {
        let mut keeper = keeper();
        let start = Instant::now();
        keeper.keep(File::from(seal_table(b"table").unwrap()));
        assert!(keeper.chore(start).is_some());
        let early = start + Duration::from_secs(59);
        assert!(keeper.chore(early).is_none());
        assert_eq!(keeper.wakes(early), Some(start + TOUCH));
        let touch = keeper.chore(start + TOUCH).unwrap();
        assert!(touch.table.is_none());
    }
}
