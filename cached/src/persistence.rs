//! Writes the files that outlive the daemon: the last good table, and the daemon's
//! own state beside it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cloudhosts_config::status::UnwrittenCode;
use cloudhosts_table::Snapshot;
use rustix::fs::IFlags;
use thiserror::Error;

use crate::last_good::LastGood;
use crate::state::{SavedState, StateFile};

/// After a write that took T, the next waits at least this many T, so that a storm
/// of changes does not wear out the disk.
const REST: u32 = 9;
/// And at least this long.
const LEAST: Duration = Duration::from_secs(1);
/// And so long that at most this many bytes a second are written on average: 1,000,000 names are 72 MB,
/// of which the daemon makes a copy first, while it writes no change.
const BYTES_A_SECOND: u64 = 8 << 20;

/// The files that outlive the daemon.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    /// The last good table.
    pub(crate) table: LastGood,
    /// What else the next daemon needs to know.
    pub(crate) state: StateFile,
}

impl Files {
    /// The files in this state directory.
    #[must_use]
    pub(crate) fn new(state_dir: &Path) -> Files {
        Files {
            table: LastGood::new(state_dir),
            state: StateFile::new(state_dir),
        }
    }
}

/// Decides when the files are written: soon after a change, but not too often;
/// and touched while nothing changes.
#[derive(Debug)]
pub(crate) struct Persistence {
    files: Files,
    /// How often the table's file is touched, as a sign that a daemon maintains
    /// it; and a state saved without a new table.
    touch: Duration,
    /// Whether the table, and whether the state differ from their files.
    table: bool,
    state: bool,
    rested: Option<Instant>,
    touched: Option<Instant>,
}

/// The next write of the files, to be run on a thread that may block.
#[derive(Debug)]
pub(crate) struct SaveJob {
    files: Files,
    /// The table to write; none where its file is only touched.
    table: Option<Snapshot>,
    /// The state of the same moment, or of a later one with the same table.
    state: Option<SavedState>,
}

/// How a save went.
#[derive(Debug)]
pub(crate) struct SaveDone {
    /// Whether everything was written.
    pub(crate) outcome: Result<(), SaveError>,
    took: Duration,
    /// Bytes of the table that was to be written.
    bytes: u64,
    /// Whether there was a state to write.
    state: bool,
}

/// A file could not be written. Displays with the consequences.
#[derive(Debug, Error)]
#[error("can't write {}: {error}; {meanwhile}", path.display())]
pub(crate) struct SaveError {
    /// The file.
    pub(crate) path: PathBuf,
    /// Why, for programs.
    pub(crate) code: UnwrittenCode,
    error: io::Error,
    /// The consequences while that lasts.
    meanwhile: &'static str,
}

impl SaveError {
    fn new(path: &Path, error: io::Error, meanwhile: &'static str) -> SaveError {
        SaveError {
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

impl SaveJob {
    /// Writes the files.
    #[must_use]
    pub(crate) fn run(self) -> SaveDone {
        let start = Instant::now();
        SaveDone {
            outcome: self.write(),
            took: start.elapsed(),
            bytes: self.table.as_ref().map_or(0, Snapshot::size),
            state: self.state.is_some(),
        }
    }

    /// The table first: the state must never be ahead of it.
    fn write(&self) -> Result<(), SaveError> {
        let Files { table, state } = &self.files;
        let written = match &self.table {
            Some(newest) => table.save(newest),
            None => table.touch(),
        };
        written.map_err(|error| {
            let meanwhile =
                "processes that start while the daemon is down get no names, or outdated ones";
            SaveError::new(table.path(), error, meanwhile)
        })?;
        if let Some(newest) = &self.state {
            state.save(newest).map_err(|error| {
                let meanwhile =
                    "after a restart the daemon may retain fields that were deleted meanwhile";
                SaveError::new(state.path(), error, meanwhile)
            })?;
        }
        Ok(())
    }
}

impl Persistence {
    /// Writes these files, and touches the table's at this interval.
    #[must_use]
    pub(crate) fn new(files: Files, touch: Duration) -> Persistence {
        Persistence {
            files,
            touch,
            table: false,
            state: false,
            rested: None,
            touched: None,
        }
    }

    /// Sets the interval at which the table's file is touched.
    pub(crate) fn touch_each(&mut self, touch: Duration) {
        self.touch = touch;
    }

    /// The table has changed.
    pub(crate) fn table_changed(&mut self) {
        self.table = true;
    }

    /// The state has changed.
    pub(crate) fn state_changed(&mut self) {
        self.state = true;
    }

    /// What is to be written now, if anything. `newest` returns the table and the
    /// state as they are.
    pub(crate) fn save_job(
        &mut self,
        now: Instant,
        newest: impl FnOnce() -> (Option<Snapshot>, SavedState),
    ) -> Option<SaveJob> {
        if self.wakes(now).is_none_or(|wakes| now < wakes) {
            return None;
        }
        self.touched = Some(now);
        Some(self.last_save(newest))
    }

    /// What is left to be written when the daemon exits.
    pub(crate) fn last_save(
        &mut self,
        newest: impl FnOnce() -> (Option<Snapshot>, SavedState),
    ) -> SaveJob {
        let (mut table, mut state) = (None, None);
        if self.table || self.state {
            let (newest, of_redis) = newest();
            table = newest.filter(|_| self.table);
            state = Some(of_redis);
        }
        (self.table, self.state) = (false, false);
        SaveJob {
            files: self.files.clone(),
            table,
            state,
        }
    }

    /// Takes the result of a save. One that failed is tried again, with what is
    /// newest by then.
    ///
    /// # Errors
    /// It failed.
    pub(crate) fn done(&mut self, now: Instant, done: SaveDone) -> Result<(), SaveError> {
        let by_size = Duration::from_millis(done.bytes.saturating_mul(1_000) / BYTES_A_SECOND);
        self.rested = Some(now + (done.took * REST).max(LEAST).max(by_size));
        if let Err(failure) = &done.outcome {
            // A file that can't even be touched is missing, or not ours: it is
            // rewritten.
            self.table |= failure.path == self.files.table.path();
            self.state |= done.state;
        }
        done.outcome
    }

    /// When the next write is due.
    #[must_use]
    pub(crate) fn wakes(&self, now: Instant) -> Option<Instant> {
        let touch = self.touched.map(|touched| touched + self.touch);
        let wanted = if self.table { Some(now) } else { touch };
        let wanted = wanted?;
        Some(self.rested.map_or(wanted, |rested| rested.max(wanted)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use cloudhosts_table::clock::monotonic;
    use cloudhosts_table::{Capacity, Order, RegionWriter, Settings};

    use super::*;

    const TOUCH: Duration = Duration::from_secs(60);

    fn persistence() -> Persistence {
        Persistence::new(Files::new(&std::env::temp_dir()), TOUCH)
    }

    fn newest() -> (Option<Snapshot>, SavedState) {
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
        (Some(writer.snapshot()), SavedState::default())
    }

    fn done(took: Duration) -> SaveDone {
        SaveDone {
            outcome: Ok(()),
            took,
            bytes: 0,
            state: true,
        }
    }

    #[test]
    fn the_first_table_is_written_at_once_and_the_next_after_a_rest() {
        let mut persistence = persistence();
        let start = Instant::now();
        assert!(persistence.save_job(start, newest).is_none());
        persistence.table_changed();
        assert!(persistence.save_job(start, newest).unwrap().table.is_some());
        let took = Duration::from_millis(500);
        assert!(persistence.done(start, done(took)).is_ok());
        persistence.table_changed();
        let early = start + Duration::from_millis(4400);
        assert!(persistence.save_job(early, newest).is_none());
        let rested = start + Duration::from_millis(4500);
        assert_eq!(persistence.wakes(early), Some(rested));
        assert!(persistence.save_job(rested, newest).is_some());
    }

    #[test]
    fn a_large_table_is_written_less_often() {
        let mut persistence = persistence();
        let start = Instant::now();
        let large = SaveDone {
            bytes: 7 * BYTES_A_SECOND,
            ..done(Duration::from_millis(100))
        };
        assert!(persistence.done(start, large).is_ok());
        persistence.table_changed();
        let rested = start + Duration::from_secs(7);
        assert_eq!(persistence.wakes(start), Some(rested));
    }

    #[test]
    fn the_file_is_touched_while_nothing_changes_and_the_state_saved() {
        let mut persistence = persistence();
        let start = Instant::now();
        persistence.table_changed();
        assert!(persistence.save_job(start, newest).is_some());
        persistence.state_changed();
        let early = start + Duration::from_secs(59);
        assert!(persistence.save_job(early, newest).is_none());
        assert_eq!(persistence.wakes(early), Some(start + TOUCH));
        let touch = persistence.save_job(start + TOUCH, newest).unwrap();
        assert!(touch.table.is_none() && touch.state.is_some());
        persistence.touch_each(Duration::from_secs(5));
        let wakes = persistence.wakes(start + TOUCH);
        assert_eq!(wakes, Some(start + TOUCH + Duration::from_secs(5)));
    }

    #[test]
    fn a_table_that_cannot_be_written_leaves_the_state_as_it_is() {
        let directory = std::env::temp_dir().join(format!("persistence-{}", std::process::id()));
        let mut persistence = Persistence::new(Files::new(&directory), TOUCH);
        let files = persistence.files.clone();
        std::fs::create_dir_all(files.table.path()).unwrap();
        persistence.table_changed();
        persistence.state_changed();
        let done = persistence.last_save(newest).run();
        assert!(done.outcome.is_err() && files.state.load().unwrap().is_none());
        std::fs::remove_dir(files.table.path()).unwrap();
        assert!(persistence.done(Instant::now(), done).is_err());
        // Both are tried again.
        let done = persistence.last_save(newest).run();
        assert!(done.outcome.is_ok() && files.state.load().unwrap().is_some());
        assert!(files.table.load().unwrap().is_some());
        std::fs::remove_dir_all(directory).unwrap();
    }
}
