//! Attaching: receives a region from the daemon, and maps it.

use core::fmt;

use super::Paths;
use crate::clock::{Monotonic, monotonic};
use crate::format::{Layout, OpenError};
use crate::handover::{self, HandoverError};
use crate::last_good::FileError;
use crate::memory;
use crate::shm::{AttachedRegion, MapError, Mapping};

/// Receives a region and maps it, provided that it is sealed and a table.
pub(super) fn from_daemon(
    paths: &Paths,
    deadline: Monotonic,
) -> Result<AttachedRegion, AttachError> {
    let handover = handover::receive(&paths.socket, deadline).map_err(AttachError::Handover)?;
    let ahead = handover.clock.0.wrapping_sub(monotonic().0);
    let mapping = match Mapping::of_region(&handover.region) {
        // Then it is a memory file, which takes no time to close.
        Ok(mapping) => {
            drop(handover.region.into_trusted());
            mapping
        }
        Err(error) => {
            let closed = handover.region.close();
            let left_open = AttachError::Handover(HandoverError::UnsafeDescriptor);
            return Err(if closed {
                AttachError::Map(error)
            } else {
                left_open
            });
        }
    };
    let header = memory::header(mapping.words()).ok_or(AttachError::Open(OpenError::Truncated))?;
    let layout = Layout::read(&header, mapping.words().len()).map_err(AttachError::Open)?;
    Ok(AttachedRegion {
        mapping,
        layout,
        ahead,
    })
}

/// Why a process could not attach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachError {
    /// No region was received.
    Handover(HandoverError),
    /// What was received can't be mapped.
    Map(MapError),
    /// What was received is not a table that this program reads.
    Open(OpenError),
    /// `last-good.table` can't be used either.
    File(FileError),
    /// What was received is a region that no daemon writes to.
    Unserved,
    /// Another thread is attaching, and takes too long.
    Slow,
    /// The last attempt failed less than a second ago.
    TriedJustNow,
    /// Lookups that never ended use all slots for regions.
    NoRoom,
    /// The path of the socket is too long.
    Path,
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttachError::Handover(error) => error.fmt(f),
            AttachError::Map(error) => error.fmt(f),
            AttachError::Open(error) => write!(f, "the daemon's table: {error}"),
            AttachError::File(error) => error.fmt(f),
            AttachError::Unserved => f.write_str("no daemon writes to the table that was received"),
            AttachError::Slow => f.write_str("another thread takes too long to attach"),
            AttachError::TriedJustNow => {
                f.write_str("the last attempt failed less than a second ago")
            }
            AttachError::NoRoom => f.write_str("lookups that never ended use too many tables"),
            AttachError::Path => f.write_str("the socket's path is longer than 107 bytes"),
        }
    }
}

impl core::error::Error for AttachError {}
