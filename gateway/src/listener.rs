//! Takes connections, as many as there is room for.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tracing::warn;

use crate::connection;
use crate::gateway::Gateway;
use crate::metrics::count;
use crate::rate::host;

/// Connections that the kernel keeps until they are taken.
const BACKLOG: i32 = 1024;

/// How long to rest when the system fails.
const REST: Duration = Duration::from_millis(100);

/// Where connections are closed after each answer: when less than one in so many is free.
const CROWDED: usize = 4;

/// The room for connections.
#[derive(Debug)]
pub struct Room {
    free: Arc<Semaphore>,
    all: usize,
    per_address: usize,
    /// Those of each host.
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection of a host. It counts until it is dropped.
struct Seat {
    room: Arc<Room>,
    host: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self
            .room
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.host);
            }
        }
    }
}

impl Room {
    /// Room for so many in all, and so many of one address.
    #[must_use]
    pub fn new(all: usize, per_address: usize) -> Room {
        let all = all.min(Semaphore::MAX_PERMITS);
        Room {
            free: Arc::new(Semaphore::new(all)),
            all,
            per_address,
            open: Mutex::default(),
        }
    }

    /// A seat, unless the host has too many. Proxies may have all of them.
    fn seat(self: &Arc<Room>, peer: IpAddr, is_proxy: bool) -> Option<Seat> {
        let host = host(peer);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(host).or_default();
        if *count >= self.per_address && !is_proxy {
            return None;
        }
        *count += 1;
        let room = Arc::clone(self);
        Some(Seat { room, host })
    }

    fn is_crowded(&self) -> bool {
        self.free.available_permits() < self.all / CROWDED
    }
}

/// Listens at an address.
///
/// # Errors
/// It can't be had.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Takes connections, for as long as the process lives.
pub async fn serve(listener: TcpListener, room: Arc<Room>, gateway: Arc<Gateway>) {
    let mut failing = false;
    loop {
        // Where there is no room, the kernel keeps them.
        let Ok(place) = Arc::clone(&room.free).acquire_owned().await else {
            return;
        };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // The same again and again is one line.
                if !failing {
                    warn!("can't accept: {error}; trying again");
                }
                failing = true;
                sleep(REST).await;
                continue;
            }
        };
        failing = false;
        let peer = peer.ip().to_canonical();
        let Some(seat) = room.seat(peer, gateway.settings().is_proxy(peer)) else {
            count(&gateway.metrics.refused_connections);
            continue;
        };
        let (gateway, room) = (Arc::clone(&gateway), Arc::clone(&room));
        tokio::spawn(async move {
            serve_one(stream, peer, gateway, &room).await;
            drop((seat, place));
        });
    }
}

async fn serve_one(stream: TcpStream, peer: IpAddr, gateway: Arc<Gateway>, room: &Room) {
    // An answer is one packet, and nothing comes after it.
    let _ = stream.set_nodelay(true);
    count(&gateway.metrics.connections);
    count(&gateway.metrics.open);
    connection::serve(stream, peer, Arc::clone(&gateway), || room.is_crowded()).await;
    gateway.metrics.open.fetch_sub(1, Ordering::Relaxed);
}
