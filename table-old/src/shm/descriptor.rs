//! A descriptor that is closed without libc.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};

/// Owns a descriptor and closes it by the bare system call. libc's `close` is
/// a cancellation point: a thread that is being cancelled would unwind out of
/// it, through frames that must not be unwound.
#[derive(Debug)]
pub(crate) struct Descriptor(ManuallyDrop<OwnedFd>);

impl From<OwnedFd> for Descriptor {
    fn from(fd: OwnedFd) -> Descriptor {
        Descriptor(ManuallyDrop::new(fd))
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: the descriptor is taken only here, and nothing of `self` is
        // used after `drop`.
        let fd = unsafe { ManuallyDrop::take(&mut self.0) };
        // SAFETY: `into_raw_fd` gave up the ownership, so it is ours to close,
        // once.
        unsafe { rustix::io::close(fd.into_raw_fd()) };
    }
}
