//! Descriptors that are closed without libc, and descriptors from a peer that is
//! not trusted.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};

use rustix::fs::fcntl_get_seals;
use rustix::net::AddressFamily;
use rustix::net::sockopt::{set_socket_linger, socket_domain};
use rustix::pipe::fcntl_getpipe_size;

/// Owns a descriptor and closes it by the bare system call. libc's `close` is a
/// cancellation point: a thread that is cancelled would unwind out of it, through
/// frames that must not be unwound.
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
        // SAFETY: the descriptor is only taken here, and `self` is not used after
        // `drop`.
        let fd = unsafe { ManuallyDrop::take(&mut self.0) };
        // SAFETY: `into_raw_fd` gave up the ownership, and this closes it once.
        unsafe { rustix::io::close(fd.into_raw_fd()) };
    }
}

/// A descriptor that was received at the socket, of any kind. Closing it may take
/// as long as its sender likes: a socket may linger (SO_LINGER), a Unix socket
/// closes the descriptors in its queue, and a file of a FUSE file system waits
/// for its server.
#[derive(Debug)]
pub(crate) struct UntrustedDescriptor(Descriptor);

impl UntrustedDescriptor {
    pub(crate) fn new(fd: OwnedFd) -> UntrustedDescriptor {
        UntrustedDescriptor(Descriptor::from(fd))
    }

    /// The descriptor, which must have turned out to be a memory file.
    pub(crate) fn into_trusted(self) -> Descriptor {
        self.0
    }

    /// Closes the descriptor if that can't take long. Otherwise leaves it open for
    /// good and returns false.
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

/// Makes a socket close at once. Refuses a Unix socket, whose queue may contain
/// other sockets.
fn set_linger_off(socket: &Descriptor) -> bool {
    let carries_none = socket_domain(socket).is_ok_and(|domain| domain != AddressFamily::UNIX);
    carries_none && set_socket_linger(socket, None).is_ok()
}

impl AsFd for UntrustedDescriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
