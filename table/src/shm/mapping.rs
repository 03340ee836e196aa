//! Mapped memory: a region, or anonymous pages.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering};
use std::os::fd::AsFd;

use rustix::fs::{SeekFrom, fcntl_get_seals, seek};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use super::memory_file::{REGION_SEALS, page_size};
use crate::format::{MAX_TABLE, WORD};

/// Bytes of a huge page. On machines where they have another size, none are used.
const HUGE: usize = 2 << 20;

/// How far below this library's own addresses tables are mapped: far enough that
/// libraries and thread stacks are not in the way.
#[cfg(target_pointer_width = "64")]
const BELOW: usize = 16 << 30;

/// A mapping, unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread, and its bytes are
// only accessed as atomics.
unsafe impl Send for Mapping {}
// SAFETY: as for `Send`.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps a received region for reading.
    ///
    /// It must be a memory file that can neither shrink, nor be written to by
    /// others, nor lose a page: then no access to it can fail, whatever its
    /// creator does. Only what lies before the first hole is mapped; the kernel
    /// looks at each page to find that.
    ///
    /// The table begins at the file's second page. A file of hugetlbfs, whose
    /// pages can be missing although it has no hole, can't be mapped from there
    /// (EINVAL).
    pub(crate) fn of_region(file: &impl AsFd) -> Result<Mapping, MapError> {
        // Only memory files have seals: anything else fails here.
        let has = fcntl_get_seals(file).map_err(|_| MapError::Unsealed)?;
        if !has.contains(REGION_SEALS) {
            return Err(MapError::Unsealed);
        }
        let begin = page_size() as u64;
        // The end of the file counts as a hole. Seeking moves the file's position
        // for all processes, but none of them uses it.
        let end = match seek(file, SeekFrom::Hole(begin)) {
            Ok(end) => end,
            // It ends before its second page.
            Err(Errno::NXIO) => return Err(MapError::Size),
            Err(errno) => return Err(MapError::System(errno)),
        };
        let len = end.saturating_sub(begin);
        if len == 0 || len > MAX_TABLE {
            return Err(MapError::Size);
        }
        let len = usize::try_from(len).map_err(|_| MapError::Size)?;
        if isize::try_from(len).is_err() {
            return Err(MapError::Size);
        }
        Mapping::shared(file, begin, len, ProtFlags::READ)
    }

    /// Maps a memory file for the one who writes it.
    pub(super) fn writable(file: &impl AsFd, len: usize) -> Result<Mapping, MapError> {
        Mapping::shared(file, 0, len, ProtFlags::READ | ProtFlags::WRITE)
    }

    /// Maps a part of a memory file, if possible where its huge pages can be mapped
    /// as such.
    fn shared(
        file: &impl AsFd,
        begin: u64,
        len: usize,
        access: ProtFlags,
    ) -> Result<Mapping, MapError> {
        let hint = ptr::without_provenance_mut(huge_page_hint(begin, len));
        // SAFETY: without MAP_FIXED the kernel takes another address where something
        // is mapped at the hint, so no memory of ours is replaced.
        let start = unsafe { mmap(hint, len, access, MapFlags::SHARED, file, begin) };
        Mapping::owned(start, len)
    }

    /// Asks the kernel to back the mapping with huge pages where it can. A lookup
    /// in a large table then waits for memory half as long, and for an attach the
    /// kernel has fewer pages to look at.
    pub(super) fn collapse(&self) {
        for at in (0..=self.len.saturating_sub(HUGE)).step_by(HUGE) {
            let start = self.start.as_ptr().wrapping_add(at);
            // SAFETY: the range lies within the mapping, and the advice does not
            // change its contents. A kernel that does not know it (before Linux
            // 6.1), or has no huge page to spare, does nothing.
            let done = unsafe { libc::madvise(start.cast(), HUGE, libc::MADV_COLLAPSE) };
            if done != 0 {
                return;
            }
        }
    }

    /// Zeroed private pages, for reading and writing.
    fn anonymous(len: usize) -> Result<Mapping, MapError> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses the address, so no memory is replaced.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), len, access, MapFlags::PRIVATE) };
        Mapping::owned(start, len)
    }

    /// Private pages with a copy of these words.
    pub(crate) fn copied(words: &[[u8; WORD]]) -> Result<Mapping, MapError> {
        let mapping = Mapping::anonymous(words.as_flattened().len())?;
        for (at, word) in words.iter().enumerate() {
            if let Some(place) = mapping.atomic(at) {
                place.store(u64::from_ne_bytes(*word), Ordering::Relaxed);
            }
        }
        Ok(mapping)
    }

    fn owned(
        start: Result<*mut core::ffi::c_void, Errno>,
        len: usize,
    ) -> Result<Mapping, MapError> {
        let start = NonNull::new(start.map_err(MapError::System)?.cast());
        let start = start.ok_or(MapError::System(Errno::NOMEM))?;
        Ok(Mapping { start, len })
    }

    /// The address and length, for [`Mapping::from_parts`], which unmaps it.
    pub(super) fn into_parts(self) -> (*mut u8, usize) {
        let parts = (self.start.as_ptr(), self.len);
        core::mem::forget(self);
        parts
    }

    /// The mapping that [`Mapping::into_parts`] took apart.
    ///
    /// # Safety
    /// The parts are those of one mapping, which nothing else owns.
    pub(super) unsafe fn from_parts(start: *mut u8, len: usize) -> Option<Mapping> {
        let start = NonNull::new(start)?;
        Some(Mapping { start, len })
    }

    /// Its words, for reading.
    pub(crate) fn words(&self) -> Words<'_> {
        // SAFETY: the mapping is readable for `len` bytes for as long as `self`
        // is borrowed.
        unsafe { Words::new(self.start, self.len) }
    }

    /// A word, for the writer; none beyond the end. The words of a mapping for
    /// reading must not be stored to.
    pub(super) fn atomic(&self, at: usize) -> Option<&AtomicU64> {
        self.words().atomic(at)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `self` owns the mapping, and no borrow of its words outlives it.
        // Unmapping a whole mapping can't fail.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// Where to map a file from that offset on, so that a huge page of the file is one
/// of the address space too; 0 leaves it to the kernel. The distance to this
/// library is fixed, so the address is as random as the library's. A small table
/// has no huge page.
#[cfg(target_pointer_width = "64")]
fn huge_page_hint(begin: u64, len: usize) -> usize {
    use core::sync::atomic::AtomicUsize;

    /// Mappings made so far. Their places alternate, because a region that has
    /// moved is still mapped while the next one is.
    static MADE: AtomicUsize = AtomicUsize::new(0);
    const PLACES: usize = 4;

    if len < 2 * HUGE {
        return 0;
    }
    let place = MADE.fetch_add(1, Ordering::Relaxed) % PLACES;
    let here = (&raw const MADE).addr();
    let below = here.saturating_sub(BELOW + place * MAX_TABLE as usize);
    match below - below % HUGE {
        0 => 0,
        aligned => aligned + begin as usize % HUGE,
    }
}

/// An address space of 4 GiB is too full to choose from.
#[cfg(not(target_pointer_width = "64"))]
fn huge_page_hint(_begin: u64, _len: usize) -> usize {
    0
}

/// The words of a mapping. Each load may give another value, because the daemon
/// stores to them.
#[derive(Clone, Copy)]
pub(crate) struct Words<'m> {
    start: NonNull<AtomicU64>,
    len: usize,
    mapping: PhantomData<&'m AtomicU64>,
}

impl core::fmt::Debug for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} words", self.len)
    }
}

impl<'m> Words<'m> {
    /// # Safety
    /// `start` is the start of a mapping that is readable for so many bytes during
    /// `'m`, and that this process only writes to as atomics.
    pub(super) unsafe fn new(start: NonNull<u8>, bytes: usize) -> Words<'m> {
        Words {
            // The start of a page is aligned for words.
            start: start.cast(),
            len: bytes / WORD,
            mapping: PhantomData,
        }
    }

    /// The words after the first `count`.
    pub(super) fn skip(self, count: usize) -> Words<'m> {
        let count = count.min(self.len);
        Words {
            // SAFETY: it is at most the end of the mapping.
            start: unsafe { self.start.add(count) },
            len: self.len - count,
            mapping: PhantomData,
        }
    }

    /// The number of words.
    pub(crate) fn len(self) -> usize {
        self.len
    }

    #[inline]
    fn atomic(self, at: usize) -> Option<&'m AtomicU64> {
        if at >= self.len {
            return None;
        }
        // SAFETY: it lies within the mapping.
        let word = unsafe { self.start.add(at) };
        // SAFETY: it is readable for `'m`, as the caller of `new` promised, it is
        // aligned, and any bits are valid for an atomic.
        Some(unsafe { word.as_ref() })
    }

    /// Loads a word (relaxed).
    #[inline]
    pub(crate) fn relaxed(self, at: usize) -> Option<u64> {
        #[cfg(test)]
        super::trace::load();
        let word = self.atomic(at)?.load(Ordering::Relaxed);
        Some(u64::from_le(word))
    }

    /// Loads a word (acquire): later loads see what was stored before it.
    #[inline]
    pub(crate) fn acquire(self, at: usize) -> Option<u64> {
        #[cfg(test)]
        super::trace::load();
        let word = self.atomic(at)?.load(Ordering::Acquire);
        Some(u64::from_le(word))
    }

    /// Sleeps until the lower half of a word is not `seen`, it is woken (futex(2)),
    /// or `most` has passed.
    pub(crate) fn wait(self, at: usize, seen: u32, most: core::time::Duration) {
        let Some(word) = self.atomic(at) else { return };
        let half = ptr::from_ref(word).cast::<core::sync::atomic::AtomicU32>();
        let half = half.wrapping_add(usize::from(cfg!(target_endian = "big")));
        // SAFETY: half of an atomic word is aligned and readable for as long, and
        // only the kernel loads it.
        let half = unsafe { &*half };
        let most = rustix::thread::futex::Timespec::try_from(most).ok();
        // Not private, because it is shared with other processes. The caller
        // looks again, whatever the result.
        let flags = rustix::thread::futex::Flags::empty();
        let _ = rustix::thread::futex::wait(half, flags, seen, most.as_ref());
    }
}

/// Why a received descriptor can't be mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapError {
    /// It is not a memory file, or one that can still shrink or be written to.
    Unsealed,
    /// It is empty, or larger than a table can be.
    Size,
    /// The kernel refused.
    System(Errno),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapError::Unsealed => f.write_str("the daemon sent no sealed memory file"),
            MapError::Size => {
                f.write_str("the daemon sent a memory file that is empty or too large")
            }
            MapError::System(errno) => write!(f, "can't map the daemon's memory file: {errno}"),
        }
    }
}

impl core::error::Error for MapError {}
