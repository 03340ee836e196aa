//! The epoch: one page by which the daemon tells every process, without being
//! asked, which table is the newest and that it is alive.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{SealFlags, fcntl_add_seals, ftruncate};

use super::pages::{MapError, Pages, memory_file};
use crate::clock::Monotonic;

/// The seals of an epoch: it keeps its size, and nobody but its maker, who has
/// it mapped already, can write to it. Linux 5.1 and above.
const EPOCH_SEALS: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::FUTURE_WRITE)
    .union(SealFlags::SEAL);

/// Bytes of the epoch's file: one page.
const EPOCH_BYTES: usize = 4096;

/// What the page holds. All zero to begin with, which is a valid state.
#[repr(C)]
struct Layout {
    generation: AtomicU64,
    heartbeat: AtomicU64,
    retired: AtomicU32,
}

/// What the epoch says at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// The generation of the newest table.
    pub generation: u64,
    /// When the daemon last said that it is alive.
    pub heartbeat: Monotonic,
    /// The daemon has gone, and said so.
    pub retired: bool,
}

/// The epoch as a client has it mapped.
#[derive(Debug)]
pub(crate) struct Epoch(Pages);

impl Epoch {
    /// Maps the epoch that the daemon handed over.
    pub(crate) fn map(file: &impl AsFd) -> Result<Epoch, MapError> {
        let pages = Pages::sealed(file, EPOCH_SEALS)?;
        match pages.len() {
            EPOCH_BYTES => Ok(Epoch(pages)),
            _ => Err(MapError::Size),
        }
    }

    /// What it says now.
    pub(crate) fn pulse(&self) -> Pulse {
        // SAFETY: it is mapped as long as `self` lives.
        unsafe { pulse_at(self.0.start()) }
    }

    pub(super) fn into_start(self) -> *mut u8 {
        self.0.into_parts().0
    }

    /// Takes up again what [`Epoch::into_start`] gave away.
    ///
    /// # Safety
    /// The address came from there and nothing else owns it.
    pub(super) unsafe fn from_start(start: *mut u8) -> Option<Epoch> {
        // SAFETY: passed on to the caller; an epoch is always this long.
        unsafe { Pages::from_parts(start, EPOCH_BYTES) }.map(Epoch)
    }
}

/// Reads the epoch mapped at `start`.
///
/// # Safety
/// An [`Epoch`] is mapped there and stays so during the call.
pub(super) unsafe fn pulse_at(start: NonNull<u8>) -> Pulse {
    // SAFETY: the mapping is a page, readable, aligned to pages, and alive (by
    // the caller's promise). All fields are atomics, for which any bits are
    // valid, and no reference to plain bytes of it is ever made.
    let layout = unsafe { start.cast::<Layout>().as_ref() };
    Pulse {
        // Acquire: who sees a generation sees all that was done before it was
        // announced.
        generation: layout.generation.load(Ordering::Acquire),
        heartbeat: Monotonic(layout.heartbeat.load(Ordering::Relaxed)),
        retired: layout.retired.load(Ordering::Relaxed) != 0,
    }
}

/// The epoch as the daemon has it: the only writer.
#[derive(Debug)]
pub struct EpochPage {
    file: OwnedFd,
    pages: Pages,
}

impl EpochPage {
    /// Makes a new epoch, of generation 0, whose heart beats now.
    ///
    /// # Errors
    /// There is no memory or no descriptor left, or the kernel is older than
    /// Linux 5.1 and has no `F_SEAL_FUTURE_WRITE`.
    pub fn new(now: Monotonic) -> io::Result<EpochPage> {
        let file = memory_file(c"cloudhosts-epoch")?;
        ftruncate(&file, EPOCH_BYTES as u64)?;
        let pages = Pages::writable(&file, EPOCH_BYTES).map_err(io::Error::other)?;
        fcntl_add_seals(&file, EPOCH_SEALS)?;
        let page = EpochPage { file, pages };
        page.beat(now);
        Ok(page)
    }

    /// Announces the generation of the newest table. The table must be there
    /// for whoever asks for it by then.
    pub fn announce(&self, generation: u64) {
        self.layout()
            .generation
            .store(generation, Ordering::Release);
    }

    /// Says that the daemon is alive.
    pub fn beat(&self, now: Monotonic) {
        self.layout().heartbeat.store(now.0, Ordering::Relaxed);
    }

    /// Says that the daemon goes.
    pub fn retire(&self) {
        self.layout().retired.store(1, Ordering::Relaxed);
    }

    /// The file to hand over.
    #[must_use]
    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    fn layout(&self) -> &Layout {
        // SAFETY: `new` mapped a whole page, writable, which lives as long as
        // `self`; the fields are atomics, shared with readers elsewhere.
        unsafe { self.pages.start().cast::<Layout>().as_ref() }
    }
}
