//! Getting a table: from the daemon, else from the file it left.

use core::fmt;
use core::time::Duration;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::{Errno, read};

use super::Paths;
use crate::clock::{Monotonic, monotonic};
use crate::format::{MAX_TABLE, OpenError, checksum_holds};
use crate::handover::{self, HandoverError};
use crate::shm::{Attached, Descriptor, Epoch, MapError, Orphan, Pages, Pulse, TABLE_SEALS};
use crate::view::View;

/// How much of the file is read between two looks at the clock.
const CHUNK: usize = 1 << 20;

/// From the daemon. What it hands over is mapped only if its seals keep it as
/// it is, and taken only if it is a table.
pub(super) fn from_daemon(paths: &Paths, deadline: Monotonic) -> Result<Attached, AttachError> {
    let handover = handover::receive(&paths.socket, deadline).map_err(AttachError::Handover)?;
    let table = Pages::sealed(&handover.table, TABLE_SEALS).map_err(AttachError::Map)?;
    let epoch = Epoch::map(&handover.epoch).map_err(AttachError::Map)?;
    View::open(table.bytes()).map_err(AttachError::Open)?;
    Ok(Attached {
        table,
        epoch: Some(epoch),
        // Counted from only where the epoch tells nothing that can be true.
        orphan: Orphan {
            age: 0,
            at: monotonic(),
        },
    })
}

/// The epoch of the daemon alone.
pub(super) fn pulse(paths: &Paths, deadline: Monotonic) -> Result<Pulse, AttachError> {
    let handover = handover::receive(&paths.socket, deadline).map_err(AttachError::Handover)?;
    let epoch = Epoch::map(&handover.epoch).map_err(AttachError::Map)?;
    Ok(epoch.pulse())
}

/// From the file, into memory of our own: a file that is mapped could shrink
/// under us, and its missing pages would kill the process.
pub(super) fn from_file(path: &Path, deadline: Monotonic) -> Result<Attached, AttachError> {
    // Not blocking, in case somebody put a FIFO there; and no links.
    let flags =
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = open(path, flags, Mode::empty())
        .map(Descriptor::from)
        .map_err(AttachError::File)?;
    let stat = fstat(&file).map_err(AttachError::File)?;
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !regular || size == 0 || size > MAX_TABLE {
        return Err(AttachError::Map(MapError::Size));
    }
    let mut table = Pages::anonymous(size as usize).map_err(AttachError::Map)?;
    let mut rest = table.bytes_mut();
    while !rest.is_empty() {
        let chunk = rest.len().min(CHUNK);
        let part = rest.get_mut(..chunk).unwrap_or_default();
        match read(&file, part) {
            Ok(0) => return Err(AttachError::Open(OpenError::Truncated)),
            Ok(count) => rest = rest.get_mut(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(AttachError::File(errno)),
        }
        // What is complete is not thrown away for having taken long.
        if !rest.is_empty() && monotonic() > deadline {
            return Err(AttachError::Slow);
        }
    }
    View::open(table.bytes()).map_err(AttachError::Open)?;
    if !checksum_holds(table.bytes()) {
        return Err(AttachError::Open(OpenError::Damaged));
    }
    // The daemon touches the file as long as it lives.
    let touched = Duration::new(
        u64::try_from(stat.st_mtime).unwrap_or(0),
        u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
    );
    let age = SystemTime::UNIX_EPOCH
        .checked_add(touched)
        .and_then(|touched| SystemTime::now().duration_since(touched).ok())
        .unwrap_or_default();
    Ok(Attached {
        table,
        epoch: None,
        orphan: Orphan {
            age: u64::try_from(age.as_nanos()).unwrap_or(u64::MAX),
            at: monotonic(),
        },
    })
}

/// Why a process has no table, or no newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachError {
    /// The daemon did not hand one over.
    Handover(HandoverError),
    /// What it handed over, or the file, can't be mapped.
    Map(MapError),
    /// It is no table that this program reads.
    Open(OpenError),
    /// The file can't be read.
    File(Errno),
    /// Reading the file took too long.
    Slow,
    /// It was tried less than a second ago.
    TriedJustNow,
    /// The path of the socket is too long.
    Path,
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttachError::Handover(error) => error.fmt(f),
            AttachError::Map(error) => error.fmt(f),
            AttachError::Open(error) => error.fmt(f),
            AttachError::File(errno) => write!(f, "can't read the last table: {errno}"),
            AttachError::Slow => f.write_str("reading the last table takes too long"),
            AttachError::TriedJustNow => f.write_str("tried less than a second ago"),
            AttachError::Path => f.write_str("the socket's path is longer than 107 bytes"),
        }
    }
}

impl core::error::Error for AttachError {}
