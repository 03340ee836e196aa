//! Questions by TCP (RFC 7766): several on one connection, answered in order.
//! Connections are bounded, and end soon when nothing is asked; who holds many of
//! them loses them first.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, yield_now};
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::answer::{MOST_TCP, Transport};
use crate::server::Server;
use crate::socket;

/// How long a whole question may take to arrive, counted from the answer before
/// it; and how long an answer may take to be taken.
const DEADLINE: Duration = Duration::from_secs(10);

/// Most bytes of a question.
const LONGEST_QUESTION: usize = 4096;

/// Bytes that are read at once.
const READ: usize = 1024;

/// How long to rest when the system fails.
const REST: Duration = Duration::from_millis(100);

/// The connections there are.
#[derive(Debug, Default)]
pub struct Connections {
    open: Mutex<Open>,
    most: usize,
}

#[derive(Debug, Default)]
struct Open {
    /// What counts on with each connection and each answer.
    clock: u64,
    connections: HashMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    peer: IpAddr,
    /// When it was opened or answered last: later is more.
    used: u64,
    /// None until its task is there.
    task: Option<AbortHandle>,
}

impl Connections {
    /// Room for so many.
    #[must_use]
    pub fn new(most: usize) -> Connections {
        Connections {
            open: Mutex::default(),
            most,
        }
    }

    /// Takes in another; its number. Where there is no room, one is closed of the
    /// peer that has most: the one that has been silent for longest.
    fn open(&self, peer: IpAddr) -> u64 {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.connections.len() >= self.most
            && let Some(victim) = open.victim()
            && let Some(task) = open.connections.remove(&victim).and_then(|it| it.task)
        {
            task.abort();
        }
        let number = open.tick();
        let (used, task) = (number, None);
        open.connections
            .insert(number, Connection { peer, used, task });
        number
    }

    fn answered(&self, number: u64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let now = open.tick();
        if let Some(connection) = open.connections.get_mut(&number) {
            connection.used = now;
        }
    }

    fn started(&self, number: u64, task: AbortHandle) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.connections.get_mut(&number) {
            Some(connection) => connection.task = Some(task),
            None => task.abort(),
        }
    }

    fn closed(&self, number: u64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.connections.remove(&number);
    }
}

impl Open {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Of the peer that has most connections, the one unused for longest.
    fn victim(&self) -> Option<u64> {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for connection in self.connections.values() {
            *counts.entry(connection.peer).or_default() += 1;
        }
        let (crowd, _) = counts.into_iter().max_by_key(|&(_, count)| count)?;
        let theirs = self.connections.iter().filter(|(_, it)| it.peer == crowd);
        theirs
            .min_by_key(|(_, it)| it.used)
            .map(|(&number, _)| number)
    }
}

/// Takes connections, for as long as the process lives.
pub async fn serve(listener: TcpListener, connections: Arc<Connections>, server: Arc<Server>) {
    let mut failing = false;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // The same again and again is one line.
                if !failing {
                    warn!("can't accept by TCP: {error}; trying again");
                }
                failing = true;
                sleep(REST).await;
                continue;
            }
        };
        failing = false;
        let number = connections.open(peer.ip().to_canonical());
        let (here, server) = (Arc::clone(&connections), Arc::clone(&server));
        let task = tokio::spawn(async move {
            // However it ends, the peer knows.
            let _ = converse(stream, &server, || here.answered(number)).await;
            here.closed(number);
        });
        connections.started(number, task.abort_handle());
    }
}

/// Answers until the other side has no more questions, or takes too long.
async fn converse(stream: TcpStream, server: &Server, answered: impl Fn()) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(READ, stream);
    let mut query = Vec::new();
    loop {
        timeout(DEADLINE, receive(&mut stream, &mut query)).await??;
        let Some(answer) = answer(&query, server) else {
            // What can't be answered is no DNS.
            return Ok(());
        };
        timeout(DEADLINE, stream.write_all(&answer)).await??;
        answered();
        // Who sends a thousand questions at once has one answered at a time.
        yield_now().await;
    }
}

/// Reads one message, which comes with its length before it.
async fn receive(stream: &mut BufReader<TcpStream>, query: &mut Vec<u8>) -> io::Result<()> {
    let len = usize::from(stream.read_u16().await?);
    if len > LONGEST_QUESTION {
        return Err(io::ErrorKind::InvalidData.into());
    }
    query.resize(len, 0);
    stream.read_exact(query).await?;
    Ok(())
}

/// An answer with its length before it.
fn answer(query: &[u8], server: &Server) -> Option<Vec<u8>> {
    thread_local! {
        /// Room for the longest answer.
        static ROOM: RefCell<Vec<u8>> = RefCell::new(vec![0; MOST_TCP]);
    }
    ROOM.with_borrow_mut(|out| {
        let len = server.answer(query, Transport::Tcp, out)?;
        let mut answer = Vec::with_capacity(2 + len);
        answer.extend(u16::try_from(len).ok()?.to_be_bytes());
        answer.extend_from_slice(out.get(..len)?);
        Some(answer)
    })
}

/// A socket that takes connections.
///
/// # Errors
/// The address can't be had.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::from_std(socket::tcp(address)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_most_connections_loses_the_one_unused_for_longest() {
        let connections = Connections::new(3);
        let (crowd, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let first = connections.open(other);
        let used = connections.open(crowd);
        let unused = connections.open(crowd);
        connections.answered(used);
        let new = connections.open(other);
        let open = connections
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        assert_eq!(open.connections.len(), 3);
        assert!(!open.connections.contains_key(&unused));
        for here in [first, used, new] {
            assert!(open.connections.contains_key(&here), "{here}");
        }
    }
}
