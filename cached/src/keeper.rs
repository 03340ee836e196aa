//! Keeps the files up to date that outlive the daemon: the last good table, and
//! the daemon's own state beside it.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cloudhosts_config::status::UnwrittenCode;
use cloudhosts_table::Snapshot;

use rustix::fs::IFlags;

use crate::last_good::LastGood;
use crate::state::{State, StateFile};

/// After a write that took T, the next waits at least so many T: a storm of
/// changes does not wear the disk out.
const REST: u32 = 9;
/// And at least so long.
const LEAST: Duration = Duration::from_secs(1);

/// The files that outlive the daemon.
#[derive(Debug, Clone)]
pub struct Files {
    /// The last good table.
    pub table: LastGood,
    /// What else the next daemon has to know.
    pub state: StateFile,
}

impl Files {
    /// The files in this state directory.
    #[must_use]
    pub fn new(state_dir: &Path) -> Files {
        Files {
            table: LastGood::new(state_dir),
            state: StateFile::new(state_dir),
        }
    }
}

/// Knows when the files are to be written: soon after a change, but not too
/// often, and touched while nothing changes.
#[derive(Debug)]
pub struct Keeper {
    files: Files,
    /// How often the table's file is touched, as a sign that a daemon stands
    /// behind it; and a state saved that has no table of its own.
    touch: Duration,
    /// Whether the table, and whether the state is another than in its file.
    table: bool,
    state: bool,
    rested: Option<Instant>,
    touched: Option<Instant>,
}

/// What is to be done with the files next. Done where it may take its time.
#[derive(Debug)]
pub struct Chore {
    files: Files,
    /// The table to write; none where its file is only touched.
    table: Option<Snapshot>,
    /// The state of the same moment, or of a later one with the same table.
    state: Option<State>,
}

/// How a chore went.
#[derive(Debug)]
pub struct Done {
    /// Whether all is in the files now.
    pub outcome: Result<(), Unwritten>,
    took: Duration,
    /// Whether there was a state to write.
    state: bool,
}

/// A file could not be written. Displays with what follows from that.
#[derive(Debug)]
pub struct Unwritten {
    /// Which.
    pub path: PathBuf,
    /// Why, for programs.
    pub code: UnwrittenCode,
    error: io::Error,
    /// What happens as long as it is not.
    meanwhile: &'static str,
}

impl Unwritten {
    fn new(path: &Path, error: io::Error, meanwhile: &'static str) -> Unwritten {
        Unwritten {
            path: path.into(),
            code: code(path, &error),
            error,
            meanwhile,
        }
    }
}

/// Why a file can't be written: by the error, and by what is there.
fn code(path: &Path, error: &io::Error) -> UnwrittenCode {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => UnwrittenCode::Full,
        io::ErrorKind::ReadOnlyFilesystem => UnwrittenCode::ReadOnly,
        io::ErrorKind::NotFound if !path.parent().is_some_and(Path::exists) => {
            UnwrittenCode::NoDirectory
        }
        io::ErrorKind::PermissionDenied => {
            let above = path.parent().unwrap_or(path);
            if is_immutable(path) || is_immutable(above) {
                UnwrittenCode::Immutable
            } else {
                UnwrittenCode::Denied
            }
        }
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => UnwrittenCode::InTheWay,
        _ => UnwrittenCode::Other,
    }
}

/// Whether chattr(1) has made a file or a directory immutable, or one to which is
/// only added. Not where that cannot be told.
fn is_immutable(path: &Path) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    let flags = rustix::fs::ioctl_getflags(file);
    flags.is_ok_and(|flags| flags.intersects(IFlags::IMMUTABLE | IFlags::APPEND))
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
    pub fn run(self) -> Done {
        let start = Instant::now();
        Done {
            outcome: self.write(),
            took: start.elapsed(),
            state: self.state.is_some(),
        }
    }

    /// The table first: a state must never be ahead of it.
    fn write(&self) -> Result<(), Unwritten> {
        let Files { table, state } = &self.files;
        let written = match &self.table {
            Some(newest) => table.save(newest),
            None => table.touch(),
        };
        written.map_err(|error| {
            let meanwhile =
                "processes that start while there is no daemon have no names, or older ones";
            Unwritten::new(table.path(), error, meanwhile)
        })?;
        if let Some(newest) = &self.state {
            state.save(newest).map_err(|error| {
                let meanwhile =
                    "a daemon that starts may retain what is deleted while there is none";
                Unwritten::new(state.path(), error, meanwhile)
            })?;
        }
        Ok(())
    }
}

impl Keeper {
    /// Keeps these files, and touches the table's so often.
    #[must_use]
    pub fn new(files: Files, touch: Duration) -> Keeper {
        Keeper {
            files,
            touch,
            table: false,
            state: false,
            rested: None,
            touched: None,
        }
    }

    /// The table's file is to be touched so often from now on.
    pub fn touch_each(&mut self, touch: Duration) {
        self.touch = touch;
    }

    /// The table has changed.
    pub fn table_changed(&mut self) {
        self.table = true;
    }

    /// The daemon knows something else of Redis than its file says.
    pub fn state_changed(&mut self) {
        self.state = true;
    }

    /// What is to be done now, if anything. `newest` gives table and state as
    /// they are.
    pub fn chore(
        &mut self,
        now: Instant,
        newest: impl FnOnce() -> (Option<Snapshot>, State),
    ) -> Option<Chore> {
        if self.wakes(now).is_none_or(|wakes| now < wakes) {
            return None;
        }
        self.touched = Some(now);
        Some(self.last_chore(newest))
    }

    /// What is left to be done at the end.
    pub fn last_chore(&mut self, newest: impl FnOnce() -> (Option<Snapshot>, State)) -> Chore {
        let (mut table, mut state) = (None, None);
        if self.table || self.state {
            let (newest, of_redis) = newest();
            table = newest.filter(|_| self.table);
            state = Some(of_redis);
        }
        (self.table, self.state) = (false, false);
        Chore {
            files: self.files.clone(),
            table,
            state,
        }
    }

    /// A chore is done, or failed: then it is tried again, with what is newest
    /// by then.
    ///
    /// # Errors
    /// It failed.
    pub fn done(&mut self, now: Instant, done: Done) -> Result<(), Unwritten> {
        self.rested = Some(now + (done.took * REST).max(LEAST));
        if let Err(failure) = &done.outcome {
            // A file that can't even be touched is not there, or not ours: it is
            // written anew.
            self.table |= failure.path == self.files.table.path();
            self.state |= done.state;
        }
        done.outcome
    }

    /// When there is something to do.
    #[must_use]
    pub fn wakes(&self, now: Instant) -> Option<Instant> {
        let touch = self.touched.map(|touched| touched + self.touch);
        let wanted = if self.table { Some(now) } else { touch };
        let wanted = wanted?;
        Some(self.rested.map_or(wanted, |rested| rested.max(wanted)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cloudhosts_table::clock::monotonic;
    use cloudhosts_table::{Capacity, Order, RegionWriter, Settings};
    use std::time::SystemTime;

    const TOUCH: Duration = Duration::from_secs(60);

    fn keeper() -> Keeper {
        Keeper::new(Files::new(&std::env::temp_dir()), TOUCH)
    }

    fn newest() -> (Option<Snapshot>, State) {
        let settings = Settings {
            generation: 0,
            stale_max: None,
            order: Order::Rotate,
            domain: String::new(),
            reverse: true,
            hashes: vec!["cloudhosts".into()],
        };
        let mut writer = RegionWriter::create(settings, &Capacity::default(), monotonic()).unwrap();
        writer.commit(SystemTime::now()).unwrap();
        (Some(writer.snapshot()), State::default())
    }

    fn done(took: Duration) -> Done {
        Done {
            outcome: Ok(()),
            took,
            state: true,
        }
    }

    #[test]
    fn the_first_table_is_written_at_once_and_the_next_after_a_rest() {
        let mut keeper = keeper();
        let start = Instant::now();
        assert!(keeper.chore(start, newest).is_none());
        keeper.table_changed();
        assert!(keeper.chore(start, newest).unwrap().table.is_some());
        let took = Duration::from_millis(500);
        assert!(keeper.done(start, done(took)).is_ok());
        keeper.table_changed();
        let early = start + Duration::from_millis(4400);
        assert!(keeper.chore(early, newest).is_none());
        let rested = start + Duration::from_millis(4500);
        assert_eq!(keeper.wakes(early), Some(rested));
        assert!(keeper.chore(rested, newest).is_some());
    }

    #[test]
    fn the_file_is_touched_while_nothing_changes_and_the_state_saved() {
        let mut keeper = keeper();
        let start = Instant::now();
        keeper.table_changed();
        assert!(keeper.chore(start, newest).is_some());
        keeper.state_changed();
        let early = start + Duration::from_secs(59);
        assert!(keeper.chore(early, newest).is_none());
        assert_eq!(keeper.wakes(early), Some(start + TOUCH));
        let touch = keeper.chore(start + TOUCH, newest).unwrap();
        assert!(touch.table.is_none() && touch.state.is_some());
        keeper.touch_each(Duration::from_secs(5));
        let wakes = keeper.wakes(start + TOUCH);
        assert_eq!(wakes, Some(start + TOUCH + Duration::from_secs(5)));
    }

    #[test]
    fn a_table_that_cannot_be_written_leaves_the_state_as_it_is() {
        let directory = std::env::temp_dir().join(format!("keeper-{}", std::process::id()));
        let mut keeper = Keeper::new(Files::new(&directory), TOUCH);
        let files = keeper.files.clone();
        std::fs::create_dir_all(files.table.path()).unwrap();
        keeper.table_changed();
        keeper.state_changed();
        let done = keeper.last_chore(newest).run();
        assert!(done.outcome.is_err() && files.state.load().unwrap().is_none());
        std::fs::remove_dir(files.table.path()).unwrap();
        assert!(keeper.done(Instant::now(), done).is_err());
        // Both are tried again.
        let done = keeper.last_chore(newest).run();
        assert!(done.outcome.is_ok() && files.state.load().unwrap().is_some());
        assert!(files.table.load().unwrap().is_some());
        std::fs::remove_dir_all(directory).unwrap();
    }
}
