//! The handover: how a table gets from the daemon into a process.
//!
//! The daemon writes one message of 16 bytes with two descriptors, the table's
//! and the epoch's, and closes. It reads nothing, so no client can hold it up;
//! the client sends nothing, so there is nothing of it to misread.
//!
//! ```text
//! 0   "CLHANDOV"
//! 8   version of the protocol, u32, little-endian
//! 12  zero
//! ```

use core::fmt;
use core::mem::MaybeUninit;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, connect,
    recvmsg, sendmsg, shutdown, socket_with,
};

use crate::clock::{Monotonic, monotonic};
use crate::shm::Descriptor;

const MAGIC: [u8; 8] = *b"CLHANDOV";

/// The version of the protocol. Clients refuse any other.
pub const PROTOCOL: u32 = 1;

const MESSAGE_BYTES: usize = 16;

const DESCRIPTORS: usize = 2;

/// The most that the kernel lets one message have (SCM_MAX_FD, unix(7)).
const MOST_DESCRIPTORS: usize = 253;

/// How deep sockets that are within sockets are emptied before they are closed.
const NESTED: u8 = 3;

/// Messages that are taken from one socket before it is closed. A sender has
/// room for about as many (net.core.wmem_default).
const MOST_MESSAGES: u32 = 1024;

/// Hands table and epoch to a client that has connected. Never blocks.
///
/// # Errors
/// The client has gone, or the kernel has no more room for descriptors in
/// flight (`ETOOMANYREFS`, unix(7)).
pub fn send(client: impl AsFd, table: BorrowedFd<'_>, epoch: BorrowedFd<'_>) -> io::Result<()> {
    let mut message = [0; MESSAGE_BYTES];
    message[..8].copy_from_slice(&MAGIC);
    message[8..12].copy_from_slice(&PROTOCOL.to_le_bytes());
    let descriptors = [table, epoch];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    sendmsg(client, &[IoSlice::new(&message)], &mut control, flags)?;
    Ok(())
}

/// What a client receives.
#[derive(Debug)]
pub(crate) struct Handover {
    pub(crate) table: Descriptor,
    pub(crate) epoch: Descriptor,
}

/// Connects and waits for the message until `deadline`.
pub(crate) fn receive(
    path: &SocketAddrUnix,
    deadline: Monotonic,
) -> Result<Handover, HandoverError> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map(Connection::from)
        .map_err(HandoverError::Connect)?;
    // Not blocking: where the daemon's queue is full this fails at once
    // (EAGAIN) instead of waiting in line.
    connect(&socket.0, path).map_err(HandoverError::Connect)?;
    wait_readable(socket.0.as_fd(), deadline)?;

    let mut message = [0; MESSAGE_BYTES + 1];
    let received = take(socket.0.as_fd(), &mut message, NESTED);
    let received = received.map_err(HandoverError::Connect)?;
    if received.bytes == 0 {
        return Err(HandoverError::NothingYet);
    }
    check(message.get(..received.bytes).unwrap_or_default())?;
    match received.descriptors {
        [Some(table), Some(epoch)] => Ok(Handover { table, epoch }),
        _ => Err(HandoverError::Message),
    }
}

/// The way to the daemon. Closing it drops what is still in its queue, and
/// that too may hold descriptors: so it is emptied first.
struct Connection(Descriptor);

impl From<OwnedFd> for Connection {
    fn from(socket: OwnedFd) -> Connection {
        Connection(Descriptor::from(socket))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        empty(self.0.as_fd(), NESTED);
    }
}

/// What one message brought.
struct Received {
    bytes: usize,
    /// The first of its descriptors.
    descriptors: [Option<Descriptor>; DESCRIPTORS],
    /// How many there were.
    count: usize,
}

/// Takes one message with *all* its descriptors: those that there is no room
/// for are closed by the kernel, and so are those that nobody takes. None of
/// them can hold up who closes it ([`make_quick`]).
fn take(socket: BorrowedFd<'_>, message: &mut [u8], nested: u8) -> Result<Received, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let mut parts = [IoSliceMut::new(message)];
    let bytes = recvmsg(socket, &mut parts, &mut control, flags)?.bytes;
    let mut received = Received {
        bytes,
        descriptors: [const { None }; DESCRIPTORS],
        count: 0,
    };
    for part in control.drain() {
        let RecvAncillaryMessage::ScmRights(rights) = part else {
            continue;
        };
        for descriptor in rights.map(Descriptor::from) {
            make_quick(descriptor.as_fd(), nested);
            if let Some(place) = received.descriptors.get_mut(received.count) {
                *place = Some(descriptor);
            }
            received.count += 1;
        }
    }
    Ok(received)
}

/// Sees to it that closing a descriptor of a stranger's takes no time.
///
/// The close of a socket may wait, for as long as its owner has said
/// (SO_LINGER, socket(7)), until the other side has taken what was written;
/// and the close of a socket to which others were sent closes those as well.
///
/// Two ways are left to somebody who has taken the daemon over: sockets nested
/// deeper than [`NESTED`], or in the queue of one that listens; and a file in a
/// file system of his own (FUSE), whose server is asked when it is closed.
fn make_quick(descriptor: BorrowedFd<'_>, nested: u8) {
    let is_socket = set_socket_linger(descriptor, None).is_ok();
    if let (true, Some(nested)) = (is_socket, nested.checked_sub(1)) {
        empty(descriptor, nested);
    }
}

/// Takes all there is in the queue of a socket, to which nothing can be sent
/// from here on.
fn empty(socket: BorrowedFd<'_>, nested: u8) {
    let _ = shutdown(socket, Shutdown::Both);
    for _ in 0..MOST_MESSAGES {
        match take(socket, &mut [0; MESSAGE_BYTES], nested) {
            Ok(received) if received.bytes + received.count > 0 => {}
            _ => return,
        }
    }
}

fn check(message: &[u8]) -> Result<(), HandoverError> {
    let rest = message.strip_prefix(&MAGIC);
    let version = rest.and_then(|rest| rest.first_chunk());
    match version.map(|version| u32::from_le_bytes(*version)) {
        Some(PROTOCOL) if message.len() == MESSAGE_BYTES => Ok(()),
        Some(version) if version != PROTOCOL => Err(HandoverError::Version(version)),
        _ => Err(HandoverError::Message),
    }
}

/// Waits until something can be read, or the other side has closed.
fn wait_readable(socket: BorrowedFd<'_>, deadline: Monotonic) -> Result<(), HandoverError> {
    loop {
        let left = deadline.since(monotonic());
        let left = Timespec::try_from(left).map_err(|_| HandoverError::Silence)?;
        let mut waiting = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
        match poll(&mut waiting, Some(&left)) {
            Ok(0) => return Err(HandoverError::Silence),
            Ok(_) => return Ok(()),
            // A signal: what is left of the time still counts.
            Err(Errno::INTR) if monotonic() < deadline => {}
            Err(Errno::INTR) => return Err(HandoverError::Silence),
            Err(errno) => return Err(HandoverError::Connect(errno)),
        }
    }
}

/// Why there was no handover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandoverError {
    /// The socket is not there, or nobody answers at it.
    Connect(Errno),
    /// Connected, but the daemon said nothing in time.
    Silence,
    /// The daemon has no table yet.
    NothingYet,
    /// Not the message of this protocol.
    Message,
    /// Another version of the protocol.
    Version(u32),
}

impl fmt::Display for HandoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandoverError::Connect(errno) => write!(f, "no daemon at the socket: {errno}"),
            HandoverError::Silence => f.write_str("the daemon did not answer in time"),
            HandoverError::NothingYet => f.write_str("the daemon has no table yet"),
            HandoverError::Message => f.write_str("what answers at the socket is no cloudhosts"),
            HandoverError::Version(version) => write!(
                f,
                "the daemon speaks protocol {version}, this program {PROTOCOL}; \
                 upgrade the older of the two"
            ),
        }
    }
}

impl core::error::Error for HandoverError {}
