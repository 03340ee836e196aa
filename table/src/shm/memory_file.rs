//! The memory file of a region, on its writer's side.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, ftruncate, memfd_create,
};
use rustix::io::Errno;
use rustix::thread::futex;

use super::mapping::{Mapping, Words};
use crate::format::{LiveWord, WORD};

/// The seals of a region: it keeps its size and its pages, and only its creator,
/// who has mapped it already, can write to it. They need Linux 5.1.
pub(super) const REGION_SEALS: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::FUTURE_WRITE)
    .union(SealFlags::SEAL);

/// A sealed memory file, mapped for its writer. The table begins at its second
/// page; the first one is empty.
#[derive(Debug)]
pub(crate) struct MemoryFile {
    file: OwnedFd,
    mapping: Mapping,
    /// The number of the word at which the table begins.
    begin: usize,
}

impl MemoryFile {
    /// Creates one for so many words, which are whole pages, all zero. All its
    /// pages are allocated, because a reader that touched a missing one could be
    /// killed by SIGBUS.
    pub(crate) fn new(words: usize) -> io::Result<MemoryFile> {
        let page = page_size();
        let len = page + words * WORD;
        let file = create()?;
        ftruncate(&file, len as u64)?;
        // Fails if there is not enough memory; touching a page would kill.
        fallocate(&file, FallocateFlags::empty(), 0, len as u64)?;
        let mapping = Mapping::writable(&file, len).map_err(io::Error::other)?;
        for at in (0..len / WORD).step_by(page / WORD) {
            if let Some(word) = mapping.atomic(at) {
                word.store(0, Ordering::Relaxed);
            }
        }
        mapping.collapse();
        fcntl_add_seals(&file, REGION_SEALS)?;
        Ok(MemoryFile {
            file,
            mapping,
            begin: page / WORD,
        })
    }

    /// The file, to be sent to clients.
    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    pub(crate) fn words(&self) -> Words<'_> {
        self.mapping.words().skip(self.begin)
    }

    fn atomic(&self, at: usize) -> Option<&AtomicU64> {
        self.mapping.atomic(self.begin + at)
    }

    /// Stores a word that no reader can find yet.
    pub(crate) fn store_relaxed(&self, at: usize, word: u64) {
        if let Some(place) = self.atomic(at) {
            place.store(word.to_le(), Ordering::Relaxed);
            #[cfg(test)]
            super::trace::store(at, word, false);
        }
    }

    /// Stores a word by which readers find what was stored before it.
    pub(crate) fn store_release(&self, at: usize, word: u64) {
        if let Some(place) = self.atomic(at) {
            place.store(word.to_le(), Ordering::Release);
            #[cfg(test)]
            super::trace::store(at, word, true);
        }
    }

    /// Stores a live word.
    pub(crate) fn store_live(&self, word: LiveWord, value: u64) {
        self.store_release(word.0, value);
    }

    /// Wakes all processes that wait for a change.
    pub(crate) fn wake(&self) {
        let Some(word) = self.atomic(LiveWord::WAKES.0) else {
            return;
        };
        let wakes = u64::from_le(word.load(Ordering::Relaxed));
        self.store_live(LiveWord::WAKES, wakes.wrapping_add(1));
        let half = core::ptr::from_ref::<AtomicU64>(word).cast::<AtomicU32>();
        let half = half.wrapping_add(usize::from(cfg!(target_endian = "big")));
        // SAFETY: half of an atomic word is aligned and exists as long as the
        // mapping; only its address is used.
        let half = unsafe { &*half };
        let _ = futex::wake(half, futex::Flags::empty(), i32::MAX as u32);
    }
}

/// Creates an empty memory file that can be sealed.
///
/// It can't be executed: a kernel with `vm.memfd_noexec=2` allows no other. One
/// before 6.3 does not know that flag.
fn create() -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create(c"cloudhosts-table", flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create(c"cloudhosts-table", flags),
        created => created,
    }
}

/// Bytes of a page. libc knows this without a system call.
pub(crate) fn page_size() -> usize {
    // SAFETY: sysconf takes no pointer.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}
