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
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recvmsg,
    sendmsg, socket_with,
};

use crate::clock::{Monotonic, monotonic};
use crate::shm::Descriptor;

const MAGIC: [u8; 8] = *b"CLHANDOV";

/// The version of the protocol. Clients refuse any other.
pub const PROTOCOL: u32 = 1;

const MESSAGE_BYTES: usize = 16;

const DESCRIPTORS: usize = 2;

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
        .map(Descriptor::from)
        .map_err(HandoverError::Connect)?;
    // Not blocking: where the daemon's queue is full this fails at once
    // (EAGAIN) instead of waiting in line.
    connect(&socket, path).map_err(HandoverError::Connect)?;
    wait_readable(socket.as_fd(), deadline)?;

    let mut message = [0; MESSAGE_BYTES + 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let mut parts = [IoSliceMut::new(&mut message)];
    let received = recvmsg(&socket, &mut parts, &mut control, flags);
    let received = received.map_err(HandoverError::Connect)?;
    // Taken out first: whatever is refused below, they are closed.
    let [table, epoch] = descriptors(&mut control);
    if received.bytes == 0 {
        return Err(HandoverError::NothingYet);
    }
    check(message.get(..received.bytes).unwrap_or_default())?;
    match (table, epoch) {
        (Some(table), Some(epoch)) => Ok(Handover { table, epoch }),
        _ => Err(HandoverError::Message),
    }
}

/// The descriptors of a message. There is only room for as many as are right;
/// the kernel drops the rest (`MSG_CTRUNC`, recvmsg(2)).
fn descriptors(control: &mut RecvAncillaryBuffer<'_>) -> [Option<Descriptor>; DESCRIPTORS] {
    let mut taken = [const { None }; DESCRIPTORS];
    let mut free = taken.iter_mut();
    for part in control.drain() {
        let RecvAncillaryMessage::ScmRights(rights) = part else {
            continue;
        };
        for descriptor in rights.map(Descriptor::from) {
            if let Some(place) = free.next() {
                *place = Some(descriptor);
            }
        }
    }
    taken
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
            Err(Errno::INTR) => {}
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
