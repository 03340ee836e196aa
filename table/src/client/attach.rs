//! Getting a region from the daemon.

use core::fmt;

use super::Paths;
use crate::clock::{Monotonic, monotonic};
use crate::format::{Layout, OpenError};
use crate::handover::{self, HandoverError};
use crate::last_good::FileError;
use crate::memory;
use crate::shm::{Attached, MapError, Mapping};

/// What the daemon hands over is mapped only if its seals keep it there, and
/// taken only if it is a table.
pub(super) fn from_daemon(paths: &Paths, deadline: Monotonic) -> Result<Attached, AttachError> {
    let handover = handover::receive(&paths.socket, deadline).map_err(AttachError::Handover)?;
    let ahead = handover.clock.0.wrapping_sub(monotonic().0);
    let mapping = match Mapping::of_region(&handover.region) {
        // Then it is one of a memory file, which is closed in no time.
        Ok(mapping) => {
            drop(handover.region.into_known());
            mapping
        }
        Err(error) => {
            let closed = handover.region.close();
            let intruder = AttachError::Handover(HandoverError::Intruder);
            return Err(if closed {
                AttachError::Map(error)
            } else {
                intruder
            });
        }
    };
    let header = memory::header(mapping.words()).ok_or(AttachError::Open(OpenError::Truncated))?;
    let layout = Layout::read(&header, mapping.words().len()).map_err(AttachError::Open)?;
    Ok(Attached {
        mapping,
        layout,
        ahead,
    })
}

/// Why a process has no region, and no file either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachError {
    /// The daemon did not hand one over.
    Handover(HandoverError),
    /// What it handed over can't be mapped.
    Map(MapError),
    /// It is no table that this program reads.
    Open(OpenError),
    /// The file does not answer.
    File(FileError),
    /// What it handed over is a region that no daemon writes to.
    Unserved,
    /// Another thread is at it, and takes too long.
    Slow,
    /// It was tried less than a second ago.
    TriedJustNow,
    /// Too many regions before this one are held by lookups that never ended.
    NoRoom,
    /// The path of the socket is too long.
    Path,
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttachError::Handover(error) => error.fmt(f),
            AttachError::Map(error) => error.fmt(f),
            AttachError::Open(error) => error.fmt(f),
            AttachError::File(error) => error.fmt(f),
            AttachError::Unserved => f.write_str("what was handed over is served by no daemon"),
            AttachError::Slow => f.write_str("attaching takes too long"),
            AttachError::TriedJustNow => f.write_str("tried less than a second ago"),
            AttachError::NoRoom => f.write_str("lookups that never ended hold too many tables"),
            AttachError::Path => f.write_str("the socket's path is longer than 107 bytes"),
        }
    }
}

impl core::error::Error for AttachError {}
