//! From the mirror to the processes: makes a table, seals it, and keeps the
//! file of the last good one up to date.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use cloudhosts_registry::follow::{Batch, Checkpoint};
use cloudhosts_table::View;
use cloudhosts_table::shm::seal_table;

use crate::checkpoint::CheckpointFile;
use crate::last_good::LastGood;
use crate::mirror::{Changed, Mirror};
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

/// Takes a batch in and, when that or `force` asks for it, makes the new
/// table. Takes time in proportion to all names; to be run off the loop that
/// keeps the heart beating.
///
/// # Errors
/// The table is too large, or there is no memory for it.
pub fn digest(
    mirror: &mut Mirror,
    batch: Option<&Batch>,
    force: bool,
) -> io::Result<Option<Sealed>> {
    let changed = batch.map_or(Changed::Nothing, |batch| mirror.apply(batch));
    if changed == Changed::Nothing && !force {
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
/// How often the file is touched, as a sign that a daemon stands behind it, and
/// a checkpoint saved that has no table of its own.
const TOUCH: Duration = Duration::from_secs(60);

/// The files that outlive the daemon.
#[derive(Debug, Clone)]
pub struct Files {
    /// The last good table.
    pub table: LastGood,
    /// Which state of Redis it stands for.
    pub checkpoint: CheckpointFile,
}

impl Files {
    /// The files in this state directory.
    #[must_use]
    pub fn new(state_dir: &Path) -> Files {
        Files {
            table: LastGood::new(state_dir),
            checkpoint: CheckpointFile::new(state_dir),
        }
    }
}

/// Writes the newest table to its file, soon but not too often, and after it
/// the checkpoint.
#[derive(Debug)]
pub struct Keeper {
    files: Files,
    newest: Newest,
    rested: Option<Instant>,
    touched: Option<Instant>,
}

/// What is newer than the files. The checkpoint is that of the table, or of one
/// that is in its file already: it must never be ahead of that.
#[derive(Debug, Default)]
struct Newest {
    table: Option<File>,
    checkpoint: Option<Checkpoint>,
}

/// What is to be done with the files next. Done where it may take its time.
#[derive(Debug)]
pub struct Chore {
    files: Files,
    newest: Newest,
}

/// How a chore went.
#[derive(Debug)]
pub struct Done {
    /// Whether all is in the files now.
    pub outcome: Result<(), Unwritten>,
    took: Duration,
    /// What is not.
    left: Newest,
}

/// A file could not be written. Displays with what follows from that.
#[derive(Debug)]
pub struct Unwritten {
    /// Which.
    pub path: PathBuf,
    error: io::Error,
    /// What happens as long as it is not.
    meanwhile: &'static str,
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(f, "can't write {path}: {}; {}", self.error, self.meanwhile)
    }
}

impl Chore {
    /// Does it.
    #[must_use]
    pub fn run(mut self) -> Done {
        let start = Instant::now();
        let outcome = self.write();
        Done {
            outcome,
            took: start.elapsed(),
            left: self.newest,
        }
    }

    fn write(&mut self) -> Result<(), Unwritten> {
        let Files { table, checkpoint } = &self.files;
        let written = match &self.newest.table {
            Some(newest) => table.save(newest),
            None => table.touch(),
        };
        written.map_err(|error| Unwritten {
            path: table.path().into(),
            error,
            meanwhile: "processes that start while there is no daemon have no names, or older ones",
        })?;
        self.newest.table = None;
        if let Some(newest) = &self.newest.checkpoint {
            checkpoint.save(newest).map_err(|error| Unwritten {
                path: checkpoint.path().into(),
                error,
                meanwhile: "a daemon that starts may retain what is deleted while there is none",
            })?;
        }
        self.newest.checkpoint = None;
        Ok(())
    }
}

impl Keeper {
    /// Keeps these files.
    #[must_use]
    pub fn new(files: Files) -> Keeper {
        Keeper {
            files,
            newest: Newest::default(),
            rested: None,
            touched: None,
        }
    }

    /// There is a new table to write.
    pub fn keep(&mut self, table: File) {
        self.newest.table = Some(table);
        // It is one of an older table.
        self.newest.checkpoint = None;
    }

    /// This is the state of Redis that the newest table stands for.
    pub fn keep_checkpoint(&mut self, checkpoint: Checkpoint) {
        self.newest.checkpoint = Some(checkpoint);
    }

    /// What is to be done now, if anything.
    pub fn chore(&mut self, now: Instant) -> Option<Chore> {
        if self.rested.is_some_and(|rested| now < rested) {
            return None;
        }
        let touch = self.touched.is_some_and(|touched| now >= touched + TOUCH);
        if self.newest.table.is_none() && !touch {
            return None;
        }
        self.touched = Some(now);
        Some(self.last_chore())
    }

    /// What is left to be done at the end.
    pub fn last_chore(&mut self) -> Chore {
        Chore {
            files: self.files.clone(),
            newest: std::mem::take(&mut self.newest),
        }
    }

    /// A chore is done, or failed: then what is left of it is tried again,
    /// unless there is something newer.
    ///
    /// # Errors
    /// It failed.
    pub fn done(&mut self, now: Instant, done: Done) -> Result<(), Unwritten> {
        self.rested = Some(now + (done.took * REST).max(LEAST));
        if self.newest.table.is_none() {
            self.newest.table = done.left.table;
            if self.newest.checkpoint.is_none() {
                self.newest.checkpoint = done.left.checkpoint;
            }
        }
        done.outcome
    }

    /// When there is something to do.
    #[must_use]
    pub fn wakes(&self, now: Instant) -> Option<Instant> {
        let touch = self.touched.map(|touched| touched + TOUCH);
        let write = self.newest.table.as_ref().map(|_| now);
        let wanted = write.or(touch)?;
        Some(self.rested.map_or(wanted, |rested| rested.max(wanted)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn keeper() -> Keeper {
        Keeper::new(Files::new(&std::env::temp_dir()))
    }

    fn table() -> File {
        File::from(seal_table(b"table").unwrap())
    }

    fn done(took: Duration, outcome: Result<(), Unwritten>, left: Newest) -> Done {
        Done {
            outcome,
            took,
            left,
        }
    }

    #[test]
    fn the_first_table_is_written_at_once_and_the_next_after_a_rest() {
        let mut keeper = keeper();
        let start = Instant::now();
        assert!(keeper.chore(start).is_none());
        keeper.keep(table());
        let chore = keeper.chore(start).unwrap();
        assert!(chore.newest.table.is_some());
        let took = Duration::from_millis(500);
        assert!(
            keeper
                .done(start, done(took, Ok(()), Newest::default()))
                .is_ok()
        );
        keeper.keep(table());
        let early = start + Duration::from_millis(4400);
        assert!(keeper.chore(early).is_none());
        let rested = start + Duration::from_millis(4500);
        assert_eq!(keeper.wakes(early), Some(rested));
        assert!(keeper.chore(rested).is_some());
    }

    #[test]
    fn the_file_is_touched_while_nothing_changes_and_the_checkpoint_saved() {
        let mut keeper = keeper();
        let start = Instant::now();
        keeper.keep(table());
        assert!(keeper.chore(start).is_some());
        keeper.keep_checkpoint(Checkpoint::default());
        let early = start + Duration::from_secs(59);
        assert!(keeper.chore(early).is_none());
        assert_eq!(keeper.wakes(early), Some(start + TOUCH));
        let touch = keeper.chore(start + TOUCH).unwrap();
        assert!(touch.newest.table.is_none() && touch.newest.checkpoint.is_some());
    }

    #[test]
    fn a_checkpoint_is_never_ahead_of_its_table() {
        let mut keeper = keeper();
        let start = Instant::now();
        keeper.keep(table());
        keeper.keep_checkpoint(Checkpoint::default());
        let failed = keeper.chore(start).unwrap();
        let full = Unwritten {
            path: PathBuf::new(),
            error: io::Error::other("the disk is full"),
            meanwhile: "",
        };
        let failed = done(Duration::ZERO, Err(full), failed.newest);
        assert!(keeper.done(start, failed).is_err());
        // Both are tried again, in their order.
        let again = keeper.chore(start + LEAST).unwrap();
        assert!(again.newest.table.is_some() && again.newest.checkpoint.is_some());
        // A newer table has no checkpoint but its own.
        keeper.keep_checkpoint(Checkpoint::default());
        keeper.keep(table());
        assert!(keeper.last_chore().newest.checkpoint.is_none());
    }

    #[test]
    fn a_table_that_cannot_be_written_leaves_the_checkpoint_as_it_is() {
        let directory = std::env::temp_dir().join(format!("keeper-{}", std::process::id()));
        let mut keeper = Keeper::new(Files::new(&directory));
        let files = keeper.files.clone();
        std::fs::create_dir_all(files.table.path()).unwrap();
        keeper.keep(table());
        keeper.keep_checkpoint(Checkpoint::default());
        let done = keeper.last_chore().run();
        assert!(done.outcome.is_err() && done.left.table.is_some());
        assert!(files.checkpoint.load().unwrap().is_none());
        std::fs::remove_dir(files.table.path()).unwrap();
        assert!(keeper.done(Instant::now(), done).is_err());
        let done = keeper.last_chore().run();
        assert!(done.outcome.is_ok() && done.left.table.is_none());
        assert!(files.checkpoint.load().unwrap().is_some());
        std::fs::remove_dir_all(directory).unwrap();
    }
}
