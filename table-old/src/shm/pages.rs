//! Mapped memory: a sealed file of the daemon's, or pages of our own.

use core::fmt;
use core::ptr::{self, NonNull};
use core::slice;
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, fstatfs, memfd_create,
};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use crate::format::MAX_TABLE;

/// The seals of a table: it can never change again.
pub(crate) const TABLE_SEALS: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::WRITE)
    .union(SealFlags::SEAL);

/// `f_type` of the file system that memory files live in (`statfs(2)`). Those
/// made of huge pages live in another, where a page that can't be had kills
/// the reader with SIGBUS.
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// Bytes of a block as `st_blocks` counts them (`stat(2)`).
const BLOCK: i128 = 512;

/// A mapping, unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Pages {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread; what may be done
// with its bytes at the same time is ruled by the methods that give them out.
unsafe impl Send for Pages {}
// SAFETY: as for `Send`.
unsafe impl Sync for Pages {}

impl Pages {
    /// Maps a file that the daemon has handed over, when it bears at least
    /// these seals, for reading.
    ///
    /// The mapping is private for a file sealed against writing (a kernel
    /// before 6.7 refuses to share one, even for reading only), and shared for
    /// one that its owner goes on writing to.
    pub(crate) fn sealed(file: &impl AsFd, seals: SealFlags) -> Result<Pages, MapError> {
        // Only memory files have seals: anything else fails right here.
        let has = fcntl_get_seals(file).map_err(|_| MapError::Unsealed)?;
        if !has.contains(seals) {
            return Err(MapError::Unsealed);
        }
        let system = fstatfs(file).map_err(MapError::System)?;
        if system.f_type as u64 != TMPFS_MAGIC {
            return Err(MapError::Unsealed);
        }
        let stat = fstat(file).map_err(MapError::System)?;
        let len = usize::try_from(stat.st_size).map_err(|_| MapError::Size)?;
        if len == 0 || len as u64 > MAX_TABLE {
            return Err(MapError::Size);
        }
        // A page that is not there yet would be made when it is read: at the
        // cost of the reader, and with SIGBUS where no memory can be had.
        if i128::from(stat.st_blocks) * BLOCK < i128::from(stat.st_size) {
            return Err(MapError::Holes);
        }
        let share = match seals.contains(SealFlags::WRITE) {
            true => MapFlags::PRIVATE,
            false => MapFlags::SHARED,
        };
        // SAFETY: the kernel chooses the address, so no memory of ours is
        // replaced.
        let start = unsafe { mmap(ptr::null_mut(), len, ProtFlags::READ, share, file, 0) };
        Pages::owned(start, len)
    }

    /// Zeroed pages of our own, for reading and writing.
    pub(crate) fn anonymous(len: usize) -> Result<Pages, MapError> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses the address, so no memory of ours is
        // replaced.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), len, access, MapFlags::PRIVATE) };
        Pages::owned(start, len)
    }

    /// Maps a memory file for its writer.
    pub(super) fn writable(file: &impl AsFd, len: usize) -> Result<Pages, MapError> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses the address, so no memory of ours is
        // replaced.
        let start = unsafe { mmap(ptr::null_mut(), len, access, MapFlags::SHARED, file, 0) };
        Pages::owned(start, len)
    }

    fn owned(start: Result<*mut core::ffi::c_void, Errno>, len: usize) -> Result<Pages, MapError> {
        let start = NonNull::new(start.map_err(MapError::System)?.cast());
        let start = start.ok_or(MapError::System(Errno::NOMEM))?;
        Ok(Pages { start, len })
    }

    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The address and length; the caller sees to it that it is unmapped.
    pub(super) fn into_parts(self) -> (*mut u8, usize) {
        let parts = (self.start.as_ptr(), self.len);
        core::mem::forget(self);
        parts
    }

    /// Takes up again what [`Pages::into_parts`] gave away.
    ///
    /// # Safety
    /// The parts are those of one mapping that nothing else owns.
    pub(super) unsafe fn from_parts(start: *mut u8, len: usize) -> Option<Pages> {
        let start = NonNull::new(start)?;
        Some(Pages { start, len })
    }

    /// The bytes of a mapping that nobody writes to: [`TABLE_SEALS`] forbid
    /// it, or the pages are our own and borrowed here.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is readable for `len` bytes until it is dropped,
        // and the seals (checked in `sealed`) or the borrow (for `anonymous`)
        // keep them from changing. The epoch's pages never come here.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// The bytes of [`Pages::anonymous`], to be filled.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: only `anonymous` pages are asked for this (by the reader of
        // the last-good file), which are writable and ours alone.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and no borrow of its bytes outlives it.
        // Unmapping a whole mapping cannot fail.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// An empty memory file that can be sealed.
///
/// It is never to be executed, and says so: a kernel that is set to
/// `vm.memfd_noexec=2` refuses any other, and one before 6.3 does not know the
/// flag.
pub(super) fn memory_file(name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create(name, flags),
        made => made,
    }
}

/// Copies a table into a memory file and seals it for ever. The daemon's side.
///
/// # Errors
/// There is no memory or no descriptor left.
pub fn seal_table(table: &[u8]) -> std::io::Result<OwnedFd> {
    let file = memory_file(c"cloudhosts-table")?;
    let mut rest = table;
    while !rest.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&file, rest))?;
        rest = rest.get(written..).unwrap_or_default();
    }
    fcntl_add_seals(&file, TABLE_SEALS)?;
    Ok(file)
}

/// Why something that was handed over is not mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapError {
    /// No memory file, or one that could still change or shrink.
    Unsealed,
    /// Empty, or larger than a table can be.
    Size,
    /// Memory is missing within it.
    Holes,
    /// The kernel refused.
    System(Errno),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapError::Unsealed => f.write_str("what was handed over is not sealed memory"),
            MapError::Size => f.write_str("what was handed over is empty or too large"),
            MapError::Holes => f.write_str("what was handed over has holes"),
            MapError::System(errno) => write!(f, "can't map what was handed over: {errno}"),
        }
    }
}

impl core::error::Error for MapError {}
