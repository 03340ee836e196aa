//! Descriptors that are closed without libc, and those of strangers.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};

use rustix::fs::fcntl_get_seals;
use rustix::net::AddressFamily;
use rustix::net::sockopt::{set_socket_linger, socket_domain};
use rustix::pipe::fcntl_getpipe_size;

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

/// A descriptor that somebody handed over, of whatever it may be. To close it
/// may take as long as the sender likes: a socket lingers (SO_LINGER), a Unix
/// socket closes whatever waits in its queue, and a file waits for whoever
/// stands behind its file system (FUSE).
#[derive(Debug)]
pub(crate) struct Stranger(Descriptor);

impl Stranger {
    pub(crate) fn new(fd: OwnedFd) -> Stranger {
        Stranger(Descriptor::from(fd))
    }

    /// The descriptor, of which it is known now that it is a memory file.
    pub(crate) fn into_known(self) -> Descriptor {
        self.0
    }

    /// Closes it, where that can't take long. Otherwise it stays open for good,
    /// and the answer is false.
    pub(crate) fn close(self) -> bool {
        let quick = fcntl_get_seals(&self.0).is_ok()
            || set_linger_off(&self.0)
            || fcntl_getpipe_size(&self.0).is_ok();
        if !quick {
            core::mem::forget(self.0);
        }
        quick
    }
}

/// Sees to it that a socket closes at once. Other sockets may wait in the queue
/// of a Unix socket, so that one is refused.
fn set_linger_off(socket: &Descriptor) -> bool {
    let carries_none = socket_domain(socket).is_ok_and(|domain| domain != AddressFamily::UNIX);
    carries_none && set_socket_linger(socket, None).is_ok()
}

impl AsFd for Stranger {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
