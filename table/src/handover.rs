//! The handover: how a region gets from the daemon into a process.
//!
//! A client connects to the daemon's socket. The daemon sends one message of 24
//! bytes with one descriptor, that of the region's memory file, and closes the
//! connection. It reads nothing, so no client can hold it up. The client sends
//! nothing, and reads up to the end of the connection.
//!
//! ```text
//! 0   "CLHANDOV"
//! 8   version of the protocol, u32
//! 12  zero
//! 16  the daemon's monotonic clock, u64, in nanoseconds
//! ```
//!
//! Numbers are little-endian. A client in another time namespace has another
//! monotonic clock; by the daemon's it can still judge the age of a heartbeat.

use core::fmt;
use core::mem::MaybeUninit;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, connect,
    recvmsg, sendmsg, shutdown, socket_with,
};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::clock::{Monotonic, monotonic};
use crate::shm::{Descriptor, UntrustedDescriptor};
use crate::writer::Region;

const MAGIC: [u8; 8] = *b"CLHANDOV";

/// The version of the protocol. Clients refuse any other.
pub const PROTOCOL: u32 = 2;

/// The message that the daemon sends.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Message {
    magic: [u8; 8],
    protocol: U32,
    reserved: U32,
    clock: U64,
}

const MESSAGE_BYTES: usize = size_of::<Message>();

/// The most descriptors that one message can have (`SCM_MAX_FD`). They are all
/// received, because the kernel would close the others during recvmsg(2), which
/// may take long (see [`UntrustedDescriptor`]).
const MAX_DESCRIPTORS: usize = 253;

/// After an invalid message at most this many further messages are received.
const MAX_DISCARDED: usize = 1000;

/// Sends a region to a client that has connected, and closes the connection.
/// Never blocks.
///
/// # Errors
/// The client has gone, or the kernel has no more room for descriptors in
/// flight (`ETOOMANYREFS`, unix(7)).
pub fn send(client: impl AsFd, region: &Region, now: Monotonic) -> io::Result<()> {
    let message = Message {
        magic: MAGIC,
        protocol: U32::new(PROTOCOL),
        reserved: U32::ZERO,
        clock: U64::new(now.0),
    };
    let descriptors = [region.file()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    sendmsg(
        client,
        &[IoSlice::new(message.as_bytes())],
        &mut control,
        flags,
    )?;
    Ok(())
}

/// What the client has received.
#[derive(Debug)]
pub(crate) struct Handover {
    pub(crate) region: UntrustedDescriptor,
    /// The daemon's clock when it sent the message.
    pub(crate) clock: Monotonic,
}

/// Connects to the daemon and receives a region, at most until `deadline`.
pub(crate) fn receive(
    path: &SocketAddrUnix,
    deadline: Monotonic,
) -> Result<Handover, HandoverError> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map(Descriptor::from)
        .map_err(HandoverError::Connect)?;
    // The socket is non-blocking: if the daemon's queue is full, this fails at
    // once (EAGAIN) instead of waiting.
    connect(&socket, path).map_err(HandoverError::Connect)?;
    let mut received = Received::default();
    let outcome = received.read(socket.as_fd(), deadline);
    if outcome.is_err() {
        received.discard(socket.as_fd());
    }
    let Received {
        region, left_open, ..
    } = received;
    let outcome = outcome.and_then(|clock| match region {
        Some(region) => Ok(Handover { region, clock }),
        None => Err(HandoverError::Message),
    });
    if left_open {
        return Err(HandoverError::UnsafeDescriptor);
    }
    outcome
}

/// What has been received so far.
#[derive(Debug, Default)]
struct Received {
    /// The first descriptor.
    region: Option<UntrustedDescriptor>,
    /// Whether there were more descriptors than one.
    has_more: bool,
    /// Whether a descriptor was left open, because closing it might take long.
    left_open: bool,
}

impl Received {
    /// Receives the message and the end of the connection; returns the daemon's
    /// clock.
    fn read(
        &mut self,
        socket: BorrowedFd<'_>,
        deadline: Monotonic,
    ) -> Result<Monotonic, HandoverError> {
        let mut message = [0; MESSAGE_BYTES + 1];
        wait_readable(socket, deadline)?;
        let count = self.receive(socket, &mut message)?;
        if count == 0 {
            return Err(HandoverError::NothingYet);
        }
        let clock = check(message.get(..count).unwrap_or_default())?;
        wait_readable(socket, deadline)?;
        let more = self.receive(socket, &mut message)?;
        if more == 0 && !self.has_more {
            Ok(clock)
        } else {
            Err(HandoverError::Message)
        }
    }

    /// Receives one message with its descriptors; returns its length.
    fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        message: &mut [u8],
    ) -> Result<usize, HandoverError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let mut parts = [IoSliceMut::new(message)];
        let received = recvmsg(socket, &mut parts, &mut control, flags);
        for part in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = part {
                rights
                    .map(UntrustedDescriptor::new)
                    .for_each(|one| self.take(one));
            }
        }
        Ok(received.map_err(HandoverError::Connect)?.bytes)
    }

    fn take(&mut self, descriptor: UntrustedDescriptor) {
        if self.region.is_none() {
            self.region = Some(descriptor);
        } else {
            self.has_more = true;
            self.left_open |= !descriptor.close();
        }
    }

    /// Receives and closes the descriptors of all further messages. Otherwise the
    /// kernel would close them with the socket, which may take long.
    fn discard(&mut self, socket: BorrowedFd<'_>) {
        if let Some(region) = self.region.take() {
            self.left_open |= !region.close();
        }
        let _ = shutdown(socket, Shutdown::Read);
        let mut message = [0; 64];
        for _ in 0..MAX_DISCARDED {
            if !matches!(self.receive(socket, &mut message), Ok(1..)) {
                break;
            }
            if let Some(descriptor) = self.region.take() {
                self.left_open |= !descriptor.close();
            }
        }
    }
}

fn check(message: &[u8]) -> Result<Monotonic, HandoverError> {
    // That of another version may have another length.
    let version = message
        .get(8..12)
        .and_then(|bytes| U32::read_from_bytes(bytes).ok());
    let version = version.filter(|_| message.starts_with(&MAGIC));
    let version = version.ok_or(HandoverError::Message)?.get();
    if version != PROTOCOL {
        return Err(HandoverError::Version(version));
    }
    match Message::read_from_bytes(message) {
        Ok(message) => Ok(Monotonic(message.clock.get())),
        Err(_) => Err(HandoverError::Message),
    }
}

/// Waits until there is something to read, or the daemon has closed the
/// connection.
fn wait_readable(socket: BorrowedFd<'_>, deadline: Monotonic) -> Result<(), HandoverError> {
    loop {
        let left = deadline.since(monotonic());
        let left = Timespec::try_from(left).map_err(|_| HandoverError::Silence)?;
        let mut waiting = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
        match poll(&mut waiting, Some(&left)) {
            Ok(0) => return Err(HandoverError::Silence),
            Ok(_) => return Ok(()),
            // After a signal it waits for the rest of the time.
            Err(Errno::INTR) if monotonic() < deadline => {}
            Err(Errno::INTR) => return Err(HandoverError::Silence),
            Err(errno) => return Err(HandoverError::Connect(errno)),
        }
    }
}

/// Why no region was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandoverError {
    /// There is no socket, or nothing listens on it.
    Connect(Errno),
    /// The daemon accepted the connection, but sent nothing in time, or did not
    /// close it.
    Silence,
    /// The daemon has no table yet.
    NothingYet,
    /// The message is not one of this protocol.
    Message,
    /// The daemon has another version of the protocol.
    Version(u32),
    /// The message had a descriptor that may take long to close. This process never
    /// connects to that socket again.
    UnsafeDescriptor,
}

impl fmt::Display for HandoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandoverError::Connect(errno) => write!(f, "can't connect to the daemon: {errno}"),
            HandoverError::Silence => f.write_str("the daemon did not answer in time"),
            HandoverError::NothingYet => f.write_str("the daemon has no table yet"),
            HandoverError::Message => {
                f.write_str("the process at the socket is not a cloudhosts daemon")
            }
            HandoverError::Version(version) => write!(
                f,
                "the daemon has protocol version {version}, this program {PROTOCOL}; \
                 upgrade the older of the two"
            ),
            HandoverError::UnsafeDescriptor => {
                f.write_str("the process at the socket sent an unsafe descriptor")
            }
        }
    }
}

impl core::error::Error for HandoverError {}
