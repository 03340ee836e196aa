//! The handover server: hands the region to whoever connects.
//!
//! It has a thread of its own, which also updates the heartbeat, so that neither
//! Redis nor building a large region delays a process that attaches. It never
//! reads from clients, so none can block it.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::{Duration, Instant};

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Region, handover};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{Shutdown, shutdown};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use thiserror::Error;
use tracing::{info, warn};

use crate::admission::Admission;

/// Interval of the heartbeat; clients consider a daemon dead after three.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Most clients that are served before the clock is looked at again.
const BATCH: usize = 64;

/// How long to wait when there is no descriptor left to accept with.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(20);

/// The socket, bound and served.
#[derive(Debug)]
pub(crate) struct Server {
    path: PathBuf,
    shared: Arc<Shared>,
    /// Held while the daemon runs: whoever has it locked serves the socket.
    _lock: File,
}

/// The region that is handed out, and has the heartbeat.
#[derive(Debug, Default)]
struct Shared {
    region: RwLock<Option<Arc<Region>>>,
    /// How many clients have got it.
    attaches: AtomicU64,
}

impl Server {
    /// Binds the socket and starts to serve it. Until there is a region,
    /// connections are closed without a message.
    ///
    /// # Errors
    /// Another daemon serves this socket, or it can't be bound.
    pub(crate) fn start(path: &Path) -> Result<Server, ServerError> {
        let error = |what, error| ServerError::System {
            what,
            path: path.into(),
            error,
        };
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(|e| error("create the directory of", e))?;
        }
        let lock = lock(path).map_err(|e| match e.kind() {
            io::ErrorKind::WouldBlock => ServerError::Taken(path.into()),
            _ => error("lock", e),
        })?;
        let listener = bind(path).map_err(|e| error("bind", e))?;
        let admission = Admission::new(raise_descriptor_limit());
        let shared = Arc::new(Shared::default());
        let served = Arc::clone(&shared);
        thread::Builder::new()
            .name("handover".into())
            .spawn(move || serve(&listener, &served, admission))
            .map_err(|e| error("start a thread for", e))?;
        Ok(Server {
            path: path.into(),
            shared,
            _lock: lock,
        })
    }

    /// Hands out this region from now on, and then tells the clients of the
    /// previous one.
    pub(crate) fn publish(&self, region: Arc<Region>) {
        region.beat(monotonic());
        let mut newest = self
            .shared
            .region
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let before = newest.replace(region);
        drop(newest);
        if let Some(before) = before {
            before.mark_moved();
        }
    }

    /// How many clients have been given a region since the start.
    pub(crate) fn attaches(&self) -> u64 {
        self.shared.attaches.load(Ordering::Relaxed)
    }

    /// Tells clients that the daemon exits, and removes the socket, so that new
    /// clients take the last good table without waiting.
    pub(crate) fn retire(&self) {
        if let Some(region) = self.shared.region().as_ref() {
            region.retire();
        }
        if let Err(error) = fs::remove_file(&self.path) {
            warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// Takes the lock file beside the socket. The socket of a killed daemon is not
/// locked, and is replaced.
fn lock(socket: &Path) -> io::Result<File> {
    let path = socket.with_extension("lock");
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags((rustix::fs::OFlags::NOFOLLOW.bits()) as i32)
        .open(path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

/// Binds under another name and renames, so that there is a socket that every
/// user may connect to at any moment.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&new)?;
    listener.set_nonblocking(true)?;
    fs::set_permissions(&new, Permissions::from_mode(0o666))?;
    fs::rename(&new, path)?;
    Ok(listener)
}

/// Each client that has not yet read its message counts a descriptor in flight,
/// and a user may have as many as its limit says (unix(7)). Returns that.
fn raise_descriptor_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            warn!("can't raise the limit of open files: {error}");
            limit.current
        }
    };
    limit.map_or(usize::MAX, |limit| limit as usize)
}

fn serve(listener: &UnixListener, shared: &Shared, admission: Admission) {
    let mut acceptor = Acceptor {
        admission,
        crowded: false,
        starved: false,
    };
    let mut beat_at = Instant::now();
    loop {
        let now = Instant::now();
        let beats = now >= beat_at;
        if beats {
            if let Some(region) = shared.region().as_ref() {
                region.beat(monotonic());
            }
            beat_at = now + HEARTBEAT;
        }
        acceptor.admission.tend(beats);
        let left = Timespec::try_from(beat_at - now).unwrap_or_default();
        let mut waiting = [PollFd::new(listener, PollFlags::IN)];
        // An interrupted wait is only a shorter one.
        let _ = poll(&mut waiting, Some(&left));
        for _ in 0..BATCH {
            match listener.accept() {
                Ok((client, _)) => acceptor.serve(client, shared),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    acceptor.starved(&error);
                    break;
                }
            }
        }
    }
}

impl Shared {
    fn region(&self) -> RwLockReadGuard<'_, Option<Arc<Region>>> {
        self.region.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts clients.
struct Acceptor {
    admission: Admission,
    /// Already logged: that the kernel takes no more messages, and that there is
    /// no descriptor to accept clients with.
    crowded: bool,
    starved: bool,
}

impl Acceptor {
    /// Hands the region to one client, if there is a region and the client is
    /// admitted.
    fn serve(&mut self, client: UnixStream, shared: &Shared) {
        if std::mem::take(&mut self.starved) {
            info!("clients are accepted again");
        }
        let Ok(credentials) = socket_peercred(&client) else {
            return;
        };
        let user = credentials.uid.as_raw();
        let region = shared.region();
        let Some(region) = region.as_ref() else {
            return;
        };
        if !self.admission.admits(user) {
            return;
        }
        let sent = handover::send(&client, region, monotonic());
        let full = Some(Errno::TOOMANYREFS.raw_os_error());
        let refused = matches!(&sent, Err(error) if error.raw_os_error() == full);
        if refused != self.crowded {
            self.crowded = refused;
            if refused {
                warn!(
                    "too many clients have not read what they were sent; \
                     new ones take the last good table"
                );
            } else {
                info!("clients are served again");
            }
        }
        if sent.is_ok() {
            shared.attaches.fetch_add(1, Ordering::Relaxed);
        }
        // The end of the message; what the client does not read is counted.
        if sent.is_ok() && shutdown(&client, Shutdown::Write).is_ok() {
            self.admission.sent(user, client);
        }
    }

    /// There is no descriptor to accept a client with.
    fn starved(&mut self, error: &io::Error) {
        // Fifty times a second while it lasts: logged once.
        if !std::mem::replace(&mut self.starved, true) {
            warn!("can't accept clients: {error}; new ones take the last good table");
        }
        thread::sleep(OUT_OF_DESCRIPTORS);
    }
}

/// Why the socket is not served.
#[derive(Debug, Error)]
pub(crate) enum ServerError {
    /// Another daemon serves it.
    #[error(
        "another cloudhosts-cached serves {}; stop that one first, or set another socket",
        .0.display()
    )]
    Taken(PathBuf),
    /// The system refused.
    #[error("cannot {what} the socket {}: {error}", path.display())]
    System {
        /// What was tried.
        what: &'static str,
        /// The socket.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}
