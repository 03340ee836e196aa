//! What a daemon, or what pretends to be one, says at the socket.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{RegionWriter, handover};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::{commit, set};

/// The message that belongs there.
pub fn message() -> Vec<u8> {
    [
        &b"CLHANDOV"[..],
        &handover::PROTOCOL.to_le_bytes(),
        &[0; 4],
        &monotonic().0.to_le_bytes(),
    ]
    .concat()
}

/// Any bytes with any descriptors.
pub fn send_raw(
    client: &UnixStream,
    message: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    sendmsg(
        client,
        &[IoSlice::new(message)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Sets `web` and publishes that.
pub fn publish(writer: &mut RegionWriter, words: &str) -> u64 {
    set(writer, "web", words).unwrap();
    commit(writer)
}
