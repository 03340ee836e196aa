//! The memory file that a region lives in, as its writer has it.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, ftruncate, memfd_create,
};
use rustix::io::Errno;
use rustix::thread::futex;

use super::mapping::{Mapping, Words};
use crate::format::{WORD, Word};

/// The seals of a region: it keeps its size and its pages, and nobody but its
/// maker, who has it mapped already, can write to it. Linux 5.1 and above.
pub(super) const REGION_SEALS: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::FUTURE_WRITE)
    .union(SealFlags::SEAL);

/// A memory file, sealed, and mapped by the one who writes it. The table begins
/// at its second page; the first one holds nothing.
#[derive(Debug)]
pub(crate) struct MemoryFile {
    file: OwnedFd,
    mapping: Mapping,
    /// The word at which the table begins.
    begin: usize,
}

impl MemoryFile {
    /// Makes one of so many words, which are whole pages, all zero. Every page
    /// is there from the beginning: a reader must never be the one to need
    /// memory for it.
    pub(crate) fn new(words: usize) -> io::Result<MemoryFile> {
        let page = page_size();
        let len = page + words * WORD;
        let file = make()?;
        ftruncate(&file, len as u64)?;
        // Says that there is no memory, where a page could not.
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

    /// The file to hand over.
    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    pub(crate) fn words(&self) -> Words<'_> {
        self.mapping.words().behind(self.begin)
    }

    fn atomic(&self, at: usize) -> Option<&AtomicU64> {
        self.mapping.atomic(self.begin + at)
    }

    /// Stores a word of something that nobody can find yet.
    pub(crate) fn put(&self, at: usize, word: u64) {
        if let Some(place) = self.atomic(at) {
            place.store(word.to_le(), Ordering::Relaxed);
        }
    }

    /// Stores a word by which others find what was stored before it.
    pub(crate) fn publish(&self, at: usize, word: u64) {
        if let Some(place) = self.atomic(at) {
            place.store(word.to_le(), Ordering::Release);
        }
    }

    /// Stores one of the words that change.
    pub(crate) fn tell(&self, word: Word, value: u64) {
        self.publish(word.0, value);
    }

    /// Wakes up all who wait for a change, whoever they are.
    pub(crate) fn wake(&self) {
        let Some(word) = self.atomic(Word::WAKES.0) else {
            return;
        };
        let wakes = u64::from_le(word.load(Ordering::Relaxed));
        word.store(wakes.wrapping_add(1).to_le(), Ordering::Release);
        let half = core::ptr::from_ref::<AtomicU64>(word).cast::<AtomicU32>();
        let half = half.wrapping_add(usize::from(cfg!(target_endian = "big")));
        // SAFETY: half of an atomic word is aligned, and lives as long as the
        // mapping; only its address is used.
        let half = unsafe { &*half };
        let _ = futex::wake(half, futex::Flags::empty(), i32::MAX as u32);
    }
}

/// An empty memory file that can be sealed.
///
/// It is never to be executed, and says so: a kernel that is set to
/// `vm.memfd_noexec=2` refuses any other, and one before 6.3 does not know the
/// flag.
fn make() -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create(c"cloudhosts-table", flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create(c"cloudhosts-table", flags),
        made => made,
    }
}

/// Bytes of a page. Answered by libc from what the kernel told at the start.
pub(crate) fn page_size() -> usize {
    // SAFETY: a plain call, which fails for no system.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}
