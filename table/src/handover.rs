//! The handover: how a region gets from the daemon into a process.
//!
//! The daemon writes one message of 24 bytes with one descriptor, that of the
//! region's memory file, and closes. It reads nothing, so no client can hold it
//! up; the client sends nothing, so there is nothing of it to misread. The
//! client reads until the end, after which nothing more can come.
//!
//! ```text
//! 0   "CLHANDOV"
//! 8   version of the protocol, u32
//! 12  zero
//! 16  the daemon's monotonic clock, u64, in nanoseconds
//! ```
//!
//! Numbers are little-endian. By the clock a client in another time namespace
//! knows how far its own is from the one that heartbeats are measured by.

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
use crate::shm::{Descriptor, Stranger};
use crate::writer::Region;

const MAGIC: [u8; 8] = *b"CLHANDOV";

/// The version of the protocol. Clients refuse any other.
pub const PROTOCOL: u32 = 2;

/// The message.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Message {
    magic: [u8; 8],
    protocol: U32,
    reserved: U32,
    clock: U64,
}

const MESSAGE_BYTES: usize = size_of::<Message>();

/// Most descriptors that one message can bring (`SCM_MAX_FD`). There is room
/// for all of them: what the kernel has to drop for us is closed in our time.
const MOST_DESCRIPTORS: usize = 253;

/// Most messages that are cleared away behind one that does not belong there.
const MOST_MESSAGES: usize = 1000;

/// Hands a region to a client that has connected, and closes the connection.
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

/// What a client receives.
#[derive(Debug)]
pub(crate) struct Handover {
    pub(crate) region: Stranger,
    /// The daemon's clock when it sent this.
    pub(crate) clock: Monotonic,
}

/// Connects, and reads the message to its end until `deadline`.
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
    let mut received = Received::default();
    let outcome = received.read(socket.as_fd(), deadline);
    if outcome.is_err() {
        received.clear_away(socket.as_fd());
    }
    let Received {
        region, left_open, ..
    } = received;
    let outcome = outcome.and_then(|clock| match region {
        Some(region) => Ok(Handover { region, clock }),
        None => Err(HandoverError::Message),
    });
    if left_open {
        return Err(HandoverError::Intruder);
    }
    outcome
}

/// What has come so far.
#[derive(Debug, Default)]
struct Received {
    /// The first descriptor.
    region: Option<Stranger>,
    /// Others came, and not all of them could be closed.
    left_open: bool,
    surplus: bool,
}

impl Received {
    /// Reads the message and the end after it; returns the daemon's clock.
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
        if more == 0 && !self.surplus {
            Ok(clock)
        } else {
            Err(HandoverError::Message)
        }
    }

    /// One message, and what descriptors it brings.
    fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        message: &mut [u8],
    ) -> Result<usize, HandoverError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let mut parts = [IoSliceMut::new(message)];
        let received = recvmsg(socket, &mut parts, &mut control, flags);
        for part in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = part {
                rights.map(Stranger::new).for_each(|one| self.take(one));
            }
        }
        Ok(received.map_err(HandoverError::Connect)?.bytes)
    }

    fn take(&mut self, stranger: Stranger) {
        if self.region.is_none() {
            self.region = Some(stranger);
        } else {
            self.surplus = true;
            self.left_open |= !stranger.close();
        }
    }

    /// What does not belong there is taken out before the socket is closed:
    /// the kernel would close the descriptors among it in our time. Nothing more
    /// can come then.
    fn clear_away(&mut self, socket: BorrowedFd<'_>) {
        if let Some(region) = self.region.take() {
            self.left_open |= !region.close();
        }
        let _ = shutdown(socket, Shutdown::Read);
        let mut message = [0; 64];
        for _ in 0..MOST_MESSAGES {
            if !matches!(self.receive(socket, &mut message), Ok(1..)) {
                break;
            }
            if let Some(stranger) = self.region.take() {
                self.left_open |= !stranger.close();
            }
        }
    }
}

fn check(message: &[u8]) -> Result<Monotonic, HandoverError> {
    // Of another version it may be longer or shorter.
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
    /// Connected, but the daemon said nothing in time, or did not end.
    Silence,
    /// The daemon has no table yet.
    NothingYet,
    /// Not the message of this protocol.
    Message,
    /// Another version of the protocol.
    Version(u32),
    /// A descriptor came that had better not be closed: who sends such is never
    /// asked again by this process.
    Intruder,
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
            HandoverError::Intruder => {
                f.write_str("what answers at the socket hands over what is no table")
            }
        }
    }
}

impl core::error::Error for HandoverError {}
