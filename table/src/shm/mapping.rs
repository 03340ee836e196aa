//! Mapped memory: the region that the daemon writes, or pages of our own.

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

/// Bytes of a huge page. Where the processor has another size, none is used.
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
// only touched as atomics.
unsafe impl Send for Mapping {}
// SAFETY: as for `Send`.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps a region that was handed over, for reading.
    ///
    /// It has to be a memory file that can neither shrink nor be written to nor
    /// lose a page: then no access to it can fail, whatever its maker does. That
    /// no page is missing is asked of the kernel, which looks at each of them.
    ///
    /// The table begins at the file's second page. Huge pages, which can be
    /// missing though the file has no hole, can't be mapped from there (EINVAL).
    pub(crate) fn of_region(file: &impl AsFd) -> Result<Mapping, MapError> {
        // Only memory files have seals: anything else fails right here.
        let has = fcntl_get_seals(file).map_err(|_| MapError::Unsealed)?;
        if !has.contains(REGION_SEALS) {
            return Err(MapError::Unsealed);
        }
        let begin = page_size() as u64;
        // Where the first hole is, of which the file's end is one. The file has
        // one position for all processes, which none of them uses.
        let end = match seek(file, SeekFrom::Hole(begin)) {
            Ok(end) => end,
            // It ends before it has begun.
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

    /// Asks the kernel to make huge pages of it, where it can: a lookup in a
    /// large table then waits for memory half as long, and a process that
    /// attaches has fewer pages to look at.
    pub(super) fn collapse(&self) {
        for at in (0..=self.len.saturating_sub(HUGE)).step_by(HUGE) {
            let start = self.start.as_ptr().wrapping_add(at);
            // SAFETY: the range lies within the mapping, and the advice changes
            // nothing of its contents. A kernel that does not know it (before
            // Linux 6.1), or has no huge page to spare, leaves it as it is.
            let done = unsafe { libc::madvise(start.cast(), HUGE, libc::MADV_COLLAPSE) };
            if done != 0 {
                return;
            }
        }
    }

    /// Zeroed pages of our own, for reading and writing.
    fn anonymous(len: usize) -> Result<Mapping, MapError> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses the address, so no memory of ours is
        // replaced.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), len, access, MapFlags::PRIVATE) };
        Mapping::owned(start, len)
    }

    /// Pages of our own that hold these words.
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

    /// The address and length; the caller sees to it that it is unmapped.
    pub(super) fn into_parts(self) -> (*mut u8, usize) {
        let parts = (self.start.as_ptr(), self.len);
        core::mem::forget(self);
        parts
    }

    /// Takes up again what [`Mapping::into_parts`] gave away.
    ///
    /// # Safety
    /// The parts are those of one mapping that nothing else owns.
    pub(super) unsafe fn from_parts(start: *mut u8, len: usize) -> Option<Mapping> {
        let start = NonNull::new(start)?;
        Some(Mapping { start, len })
    }

    /// Its words, for reading.
    pub(crate) fn words(&self) -> Words<'_> {
        // SAFETY: the mapping is readable for `len` bytes as long as `self` is
        // borrowed.
        unsafe { Words::new(self.start, self.len) }
    }

    /// One of its words, for the writer. None beyond the end, and of a mapping
    /// that is only for reading none must be stored to.
    pub(super) fn atomic(&self, at: usize) -> Option<&AtomicU64> {
        self.words().atomic(at)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and no borrow of its words outlives it.
        // Unmapping a whole mapping cannot fail.
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

/// The words of a mapping. Whoever has them may load any at any time; what
/// stands there may be different each time.
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
    /// A mapping begins there that is readable for so many bytes during `'m`,
    /// and is written to only as atomics, or elsewhere.
    pub(super) unsafe fn new(start: NonNull<u8>, bytes: usize) -> Words<'m> {
        Words {
            // A mapping begins at a page, so it is aligned for words.
            start: start.cast(),
            len: bytes / WORD,
            mapping: PhantomData,
        }
    }

    /// Those after so many.
    pub(super) fn behind(self, count: usize) -> Words<'m> {
        let count = count.min(self.len);
        Words {
            // SAFETY: it is at most the end of the mapping.
            start: unsafe { self.start.add(count) },
            len: self.len - count,
            mapping: PhantomData,
        }
    }

    /// How many there are.
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
        // SAFETY: it is readable for `'m` (by the promise of `new`), aligned,
        // and an atomic, for which any bits are right.
        Some(unsafe { word.as_ref() })
    }

    /// The word at a place, in no order with others.
    #[inline]
    pub(crate) fn relaxed(self, at: usize) -> Option<u64> {
        let word = self.atomic(at)?.load(Ordering::Relaxed);
        Some(u64::from_le(word))
    }

    /// The word at a place; what was stored before it is seen after it.
    #[inline]
    pub(crate) fn acquire(self, at: usize) -> Option<u64> {
        let word = self.atomic(at)?.load(Ordering::Acquire);
        Some(u64::from_le(word))
    }

    /// Waits until the lower half of a word is another than `seen`, somebody
    /// is woken up on it, or `most` is over.
    pub(crate) fn wait(self, at: usize, seen: u32, most: core::time::Duration) {
        let Some(word) = self.atomic(at) else { return };
        let half = ptr::from_ref(word).cast::<core::sync::atomic::AtomicU32>();
        let half = half.wrapping_add(usize::from(cfg!(target_endian = "big")));
        // SAFETY: half of an atomic word is aligned and readable for as long;
        // nothing but the kernel loads it.
        let half = unsafe { &*half };
        let most = rustix::thread::futex::Timespec::try_from(most).ok();
        // Shared with other processes, so not private. Whatever comes of it,
        // the caller looks again.
        let flags = rustix::thread::futex::Flags::empty();
        let _ = rustix::thread::futex::wait(half, flags, seen, most.as_ref());
    }
}

/// Why something that was handed over is not mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapError {
    /// No memory file, or one that could still shrink or be written to.
    Unsealed,
    /// Empty, or larger than a table can be.
    Size,
    /// The kernel refused.
    System(Errno),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapError::Unsealed => f.write_str("what was handed over is not sealed memory"),
            MapError::Size => f.write_str("what was handed over is empty or too large"),
            MapError::System(errno) => write!(f, "can't map what was handed over: {errno}"),
        }
    }
}

impl core::error::Error for MapError {}
