//! The other side of the socket: a daemon, or what pretends to be one.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Region, RegionWriter, handover};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::{commit, set};

/// Listens at a path and does one thing with each client.
pub struct Peer {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    clients: Arc<AtomicU32>,
}

impl Peer {
    pub fn new(path: &Path, each: impl Fn(UnixStream) + Send + 'static) -> Peer {
        let listener = UnixListener::bind(path).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let clients = Arc::new(AtomicU32::new(0));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&clients));
        let thread = std::thread::spawn(move || {
            for client in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
                each(client.unwrap());
            }
        });
        Peer {
            path: path.into(),
            stop,
            thread: Some(thread),
            clients,
        }
    }

    /// How many have connected.
    pub fn clients(&self) -> u32 {
        self.clients.load(Ordering::SeqCst)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread up.
        drop(UnixStream::connect(&self.path));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A daemon that keeps to the protocol.
pub struct Daemon {
    offered: Arc<Mutex<Arc<Region>>>,
    pub peer: Peer,
    beating: Arc<AtomicBool>,
    heart: Option<JoinHandle<()>>,
}

impl Daemon {
    /// Serves the region of this writer. Its heart has beaten once; see
    /// [`Daemon::keep_beating`].
    pub fn new(path: &Path, writer: &RegionWriter) -> Daemon {
        let offered = Arc::new(Mutex::new(Arc::clone(writer.region())));
        let newest = Arc::clone(&offered);
        let peer = Peer::new(path, move |client| {
            let region = newest.lock().unwrap();
            // A client may have gone; that is its own affair.
            let _ = handover::send(client, &region, monotonic());
        });
        Daemon {
            offered,
            peer,
            beating: Arc::new(AtomicBool::new(true)),
            heart: None,
        }
    }

    pub fn keep_beating(mut self) -> Daemon {
        let (beating, offered) = (Arc::clone(&self.beating), Arc::clone(&self.offered));
        self.heart = Some(std::thread::spawn(move || {
            while beating.load(Ordering::SeqCst) {
                offered.lock().unwrap().beat(monotonic());
                std::thread::sleep(Duration::from_millis(20));
            }
        }));
        self
    }

    /// Goes on with another region: offered first, and the old one left then.
    pub fn move_to(&self, writer: &RegionWriter) {
        let next = Arc::clone(writer.region());
        next.beat(monotonic());
        let before = std::mem::replace(&mut *self.offered.lock().unwrap(), next);
        before.mark_moved();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.beating.store(false, Ordering::SeqCst);
        if let Some(heart) = self.heart.take() {
            let _ = heart.join();
        }
    }
}

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
