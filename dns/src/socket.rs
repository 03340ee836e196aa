//! Sockets for questions.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

/// Connections that wait to be taken.
const BACKLOG: i32 = 1024;

/// A socket for datagrams at that address, which others of ours may have too: the
/// kernel spreads those who ask among them (SO_REUSEPORT in socket(7)).
///
/// # Errors
/// The address can't be had.
pub(crate) fn udp(address: SocketAddr) -> io::Result<Socket> {
    let socket = socket(address, Type::DGRAM)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A socket for connections at that address.
///
/// # Errors
/// The address can't be had.
pub(crate) fn tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = socket(address, Type::STREAM)?;
    // Connections of the one that listened here before may still be ending.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// One that can be bound before this machine has the address: a bridge of
/// containers, or the address of a service that moves, comes later.
fn socket(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    match address {
        SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
        SocketAddr::V6(_) => socket.set_freebind_v6(true)?,
    }
    Ok(socket)
}

/// Whether this machine has the address now.
pub fn is_here(address: SocketAddr) -> bool {
    let any_port = SocketAddr::new(address.ip(), 0);
    let tried = std::net::UdpSocket::bind(any_port);
    !tried.is_err_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable)
}
