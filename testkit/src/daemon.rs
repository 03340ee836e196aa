//! The daemon's side of the handover, in threads of the test.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Region, RegionWriter, handover};

/// How often a daemon's heart beats here.
const BEAT: Duration = Duration::from_millis(20);

/// Listens at a path and does one thing with each client.
#[derive(Debug)]
pub struct Peer {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    clients: Arc<AtomicU32>,
}

impl Peer {
    /// Begins to listen.
    pub fn new(path: &Path, each: impl Fn(UnixStream) + Send + 'static) -> Peer {
        let listener = UnixListener::bind(path).expect("a socket of our own");
        let stop = Arc::new(AtomicBool::new(false));
        let clients = Arc::new(AtomicU32::new(0));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&clients));
        let thread = std::thread::spawn(move || {
            for client in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
                each(client.expect("a client"));
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

/// What is offered; none before there is a table.
type Offer = Arc<Mutex<Option<Arc<Region>>>>;

fn offered(offer: &Offer) -> MutexGuard<'_, Option<Arc<Region>>> {
    offer.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A daemon that keeps to the protocol. Dropped, it is as if it were killed.
#[derive(Debug)]
pub struct Daemon {
    offer: Offer,
    peer: Peer,
    beating: Arc<AtomicBool>,
    heart: Option<JoinHandle<()>>,
}

impl Daemon {
    /// Listens, and has no table yet. Its heart beats from [`Daemon::keep_beating`] on.
    pub fn without_table(path: &Path) -> Daemon {
        let offer = Offer::default();
        let newest = Arc::clone(&offer);
        let peer = Peer::new(path, move |client| {
            if let Some(region) = &*offered(&newest) {
                // A client may have gone; that is its own affair.
                let _ = handover::send(client, region, monotonic());
            }
        });
        Daemon {
            offer,
            peer,
            beating: Arc::new(AtomicBool::new(true)),
            heart: None,
        }
    }

    /// Serves the region of this writer.
    pub fn new(path: &Path, writer: &RegionWriter) -> Daemon {
        let daemon = Daemon::without_table(path);
        *offered(&daemon.offer) = Some(Arc::clone(writer.region()));
        daemon
    }

    /// Its heart beats until it is dropped.
    #[must_use]
    pub fn keep_beating(mut self) -> Daemon {
        let (beating, offer) = (Arc::clone(&self.beating), Arc::clone(&self.offer));
        self.heart = Some(std::thread::spawn(move || {
            while beating.load(Ordering::SeqCst) {
                if let Some(region) = &*offered(&offer) {
                    region.beat(monotonic());
                }
                std::thread::sleep(BEAT);
            }
        }));
        self
    }

    /// Goes on with another region: offered first, and the old one left then.
    pub fn move_to(&self, writer: &RegionWriter) {
        let next = Arc::clone(writer.region());
        next.beat(monotonic());
        let before = offered(&self.offer).replace(next);
        if let Some(before) = before {
            before.mark_moved();
        }
    }

    /// How many have connected.
    pub fn clients(&self) -> u32 {
        self.peer.clients()
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
