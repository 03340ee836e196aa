//! Lookups in `last-good.table`, the daemon's copy of its newest table.
//!
//! A process that has no region opens the file at each lookup and reads the few
//! pieces that the lookup needs. So nothing stays open between lookups, the cost
//! does not depend on the number of names, and a file that the daemon has
//! replaced is used at once. The system calls are lseek and read, which hardly
//! any seccomp filter forgets to allow.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::time::Duration;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{FileType, Mode, OFlags, SeekFrom, fstat, open, seek};
use rustix::io::{Errno, read};

use crate::format::{HEAD_WORDS, Layout, LiveWord, MAX_TABLE, OpenError, SOURCES, Shape, WORD};
use crate::memory::{self, Memory};
use crate::shm::Descriptor;

/// How many words are read at once.
const WINDOW: usize = 128;

/// The open file.
#[derive(Debug)]
pub(crate) struct LastGoodFile {
    file: Descriptor,
    /// Words of the file.
    words: usize,
    /// The time since a daemon last touched the file.
    age: Duration,
    window: RefCell<Window>,
    /// A read has failed, or a checksum was wrong: no answer counts that was found
    /// in the file.
    failed: Cell<bool>,
}

/// The part of the file that was read last.
#[derive(Debug)]
struct Window {
    /// The number of its first word, and of its words.
    start: usize,
    len: usize,
    bytes: [u8; WINDOW * WORD],
}

impl LastGoodFile {
    /// Opens the file and reads its header.
    ///
    /// # Errors
    /// The file can't be opened, is not a regular file, or is not a table.
    pub(crate) fn open(path: &Path) -> Result<(LastGoodFile, Layout), FileError> {
        // Without following links, and without blocking on a FIFO.
        let flags =
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = open(path, flags, Mode::empty())
            .map(Descriptor::from)
            .map_err(FileError::System)?;
        let stat = fstat(&file).map_err(FileError::System)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(FileError::NotAFile);
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        if size > MAX_TABLE || !size.is_multiple_of(WORD as u64) {
            return Err(FileError::Open(OpenError::Truncated));
        }
        let touched = Duration::new(
            u64::try_from(stat.st_mtime).unwrap_or(0),
            u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        );
        let last_good = LastGoodFile {
            file,
            words: size as usize / WORD,
            age: since(touched),
            window: RefCell::new(Window {
                start: 0,
                len: 0,
                bytes: [0; WINDOW * WORD],
            }),
            failed: Cell::new(false),
        };
        let header = memory::header(&last_good);
        let header = header.ok_or(FileError::Open(OpenError::Truncated))?;
        let layout = Layout::read(&header, last_good.words).map_err(FileError::Open)?;
        Ok((last_good, layout))
    }

    /// The time since a daemon last touched the file.
    pub(crate) fn age(&self) -> Duration {
        self.age
    }

    /// Whether a read has failed or a checksum was wrong.
    pub(crate) fn failed(&self) -> bool {
        self.failed.get()
    }

    /// Notes that the file is damaged.
    pub(crate) fn fail(&self) {
        self.failed.set(true);
    }

    /// The number of the last change in the file.
    pub(crate) fn generation(&self) -> u64 {
        self.live(LiveWord::GENERATION)
    }

    /// The word of that number; none beyond the end, or if it can't be read.
    pub(crate) fn word(&self, at: usize) -> Option<u64> {
        let mut window = self.window.try_borrow_mut().ok()?;
        if at.wrapping_sub(window.start) >= window.len {
            if at >= self.words {
                return None;
            }
            // After an error the window does not have the word.
            let _ = window.move_to(&self.file, at);
        }
        let word = window.word(at);
        if word.is_none() {
            self.fail();
        }
        word
    }

    /// Whether the record at a word has this checksum. Reads the whole record.
    pub(crate) fn is_whole(&self, at: usize, checksum: u32) -> bool {
        let whole = self::checksum(self, at, self.words) == Some(checksum);
        if !whole {
            self.fail();
        }
        whole
    }
}

/// Computes the checksum of the record at a word, in a table of so many words.
pub(crate) fn checksum(memory: impl Memory, at: usize, words: usize) -> Option<u32> {
    let head: [u64; HEAD_WORDS] = [memory.word(at)?, memory.word(at + 1)?];
    let shape = Shape::read(head);
    let mut end = at * WORD + shape.target_at();
    if shape.has_target() {
        let mut len = [0];
        memory.copy(end, &mut len)?;
        end = (end + 1 + usize::from(len[0])).next_multiple_of(4);
    }
    if shape.is(SOURCES) {
        let len = u32::from_le_bytes(memory.four(end)?) as usize;
        end = end.checked_add(4)?.checked_add(len)?;
    }
    let end = end.div_ceil(WORD);
    if end > words {
        return None;
    }
    let mut sum = xxhash_rust::xxh3::Xxh3::new();
    let [first, _] = head;
    sum.update(first.to_le_bytes().last_chunk::<4>()?);
    for at in at + 1..end {
        sum.update(&memory.word(at)?.to_le_bytes());
    }
    Some(sum.digest() as u32)
}

impl Window {
    /// Reads the words from this one on.
    fn move_to(&mut self, file: &Descriptor, at: usize) -> Result<(), Errno> {
        self.start = at;
        self.len = 0;
        seek(file, SeekFrom::Start((at * WORD) as u64))?;
        let mut count = 0;
        while let Some(rest) = self.bytes.get_mut(count..)
            && !rest.is_empty()
        {
            match read(file, rest) {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        self.len = count / WORD;
        Ok(())
    }

    fn word(&self, at: usize) -> Option<u64> {
        let at = at.checked_sub(self.start).filter(|&at| at < self.len)?;
        let bytes = self.bytes.get(at * WORD..)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes))
    }
}

/// The time since a moment of the wall clock; zero if that is in the future.
fn since(moment: Duration) -> Duration {
    SystemTime::UNIX_EPOCH
        .checked_add(moment)
        .and_then(|moment| SystemTime::now().duration_since(moment).ok())
        .unwrap_or_default()
}

/// Why the file can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileError {
    /// It can't be opened or read.
    System(Errno),
    /// It is a directory, a FIFO or a device.
    NotAFile,
    /// It is not a table that this program reads.
    Open(OpenError),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::System(errno) => write!(f, "can't read last-good.table: {errno}"),
            FileError::NotAFile => f.write_str("last-good.table is not a regular file"),
            FileError::Open(error) => write!(f, "last-good.table: {error}"),
        }
    }
}

impl core::error::Error for FileError {}
