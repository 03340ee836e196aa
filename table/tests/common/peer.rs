//! The other side of the socket: a daemon, or what pretends to be one.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::handover;
use cloudhosts_table::shm::{EpochPage, seal_table};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

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
    pub epoch: Arc<EpochPage>,
    table: Arc<Mutex<OwnedFd>>,
    pub peer: Peer,
    beating: Arc<AtomicBool>,
    heart: Option<JoinHandle<()>>,
}

impl Daemon {
    /// Serves this table, of generation `generation`. Its heart beats once; see
    /// [`Daemon::keep_beating`].
    pub fn new(path: &Path, generation: u64, bytes: &[u8]) -> Daemon {
        let epoch = Arc::new(EpochPage::new(monotonic()).unwrap());
        epoch.announce(generation);
        let table = Arc::new(Mutex::new(seal_table(bytes).unwrap()));
        let (newest, page) = (Arc::clone(&table), Arc::clone(&epoch));
        let peer = Peer::new(path, move |client| {
            let table = newest.lock().unwrap();
            // A client may have gone; that is its own affair.
            let _ = handover::send(client, table.as_fd(), page.file());
        });
        Daemon {
            epoch,
            table,
            peer,
            beating: Arc::new(AtomicBool::new(true)),
            heart: None,
        }
    }

    pub fn keep_beating(mut self) -> Daemon {
        let (beating, epoch) = (Arc::clone(&self.beating), Arc::clone(&self.epoch));
        self.heart = Some(std::thread::spawn(move || {
            while beating.load(Ordering::SeqCst) {
                epoch.beat(monotonic());
                std::thread::sleep(Duration::from_millis(20));
            }
        }));
        self
    }

    /// Puts another table where clients fetch it; nobody is told yet.
    pub fn offer(&self, bytes: &[u8]) {
        *self.table.lock().unwrap() = seal_table(bytes).unwrap();
    }

    /// The table first, the generation after.
    pub fn publish(&self, generation: u64, bytes: &[u8]) {
        self.offer(bytes);
        self.epoch.announce(generation);
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
    [&b"CLHANDOV"[..], &handover::PROTOCOL.to_le_bytes(), &[0; 4]].concat()
}

/// Any bytes with any descriptors.
pub fn send_raw(
    client: &UnixStream,
    message: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(32))];
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
