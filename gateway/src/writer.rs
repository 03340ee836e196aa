//! Writes to Redis: a few connections, and those who wait for one. However slow Redis is, nobody
//! waits longer than a request may take, and nobody else is held up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cloudhosts_config::Config;
use cloudhosts_registry::register::{Author, RegisterError, Registrar};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use crate::refusal::Refusal;

/// How many connections to Redis there are at most. It does one thing at a time; this is for those
/// who wait for the network.
const CONNECTIONS: usize = 8;

/// How many requests may wait for one of them.
const MOST_WAITING: usize = 512;

/// How long a state of Redis is news.
const NEWS: Duration = Duration::from_secs(1);

/// How long the question for it may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// The connections to Redis.
pub(crate) struct Writer {
    config: Arc<Config>,
    idle: Mutex<Vec<Registrar>>,
    turns: Semaphore,
    waiting: AtomicUsize,
    contact: Mutex<Option<Contact>>,
    /// One asks at a time.
    asking: tokio::sync::Mutex<()>,
}

/// Whether Redis was reached, and when.
#[derive(Debug, Clone, Copy)]
struct Contact {
    reached: bool,
    at: Instant,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

/// One that waits; it is counted as long as it does.
struct Waiting<'w>(&'w AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Writer {
    pub(crate) fn new(config: Arc<Config>) -> Writer {
        Writer {
            config,
            idle: Mutex::default(),
            turns: Semaphore::new(CONNECTIONS),
            waiting: AtomicUsize::new(0),
            contact: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// Does something in the name of that author, until the deadline.
    ///
    /// # Errors
    /// Redis can't be reached, is too slow, or refuses; or too many wait for it.
    pub(crate) async fn run<T>(
        &self,
        author: Author,
        deadline: Instant,
        work: impl AsyncFnOnce(&mut Registrar) -> Result<T, RegisterError>,
    ) -> Result<T, Refusal> {
        let turn = self.turn(deadline).await?;
        let mut registrar = self.registrar();
        registrar.set_author(author);
        let Ok(done) = timeout_at(deadline.into(), work(&mut registrar)).await else {
            // Its connection goes with it: nobody knows what would come next.
            self.note(false);
            let why = "Redis did not answer in time".to_owned();
            return Err(RegisterError::Unanswered(why).into());
        };
        let reached = !matches!(
            done,
            Err(RegisterError::Away(_) | RegisterError::Unanswered(_))
        );
        self.note(reached);
        self.put_back(registrar);
        drop(turn);
        Ok(done?)
    }

    /// Waits for a turn.
    async fn turn(&self, deadline: Instant) -> Result<tokio::sync::SemaphorePermit<'_>, Refusal> {
        let nothing = "nothing was changed";
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= MOST_WAITING {
            let why = format!("too many requests wait for Redis; {nothing}");
            return Err(Refusal::away(why));
        }
        match timeout_at(deadline.into(), self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(Refusal::away(format!("Redis is too slow; {nothing}"))),
        }
    }

    fn registrar(&self) -> Registrar {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let registrar = idle.pop();
        registrar.unwrap_or_else(|| Registrar::new(Arc::clone(&self.config)))
    }

    fn put_back(&self, registrar: Registrar) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(registrar);
    }

    fn note(&self, reached: bool) {
        let at = Instant::now();
        let mut contact = self.contact.lock().unwrap_or_else(PoisonError::into_inner);
        *contact = Some(Contact { reached, at });
    }

    /// Whether Redis was reached just now. None where nobody has tried.
    fn was_reached(&self) -> Option<bool> {
        let contact = *self.contact.lock().unwrap_or_else(PoisonError::into_inner);
        let contact = contact?;
        (contact.at.elapsed() < NEWS).then_some(contact.reached)
    }

    /// Whether Redis was reached last, for metrics. True before the first attempt.
    pub(crate) fn is_up(&self) -> bool {
        let contact = *self.contact.lock().unwrap_or_else(PoisonError::into_inner);
        contact.is_none_or(|contact| contact.reached)
    }

    /// Whether Redis can be reached. However many ask, it is tried once a second.
    pub(crate) async fn is_well(&self) -> bool {
        let _asking = self.asking.lock().await;
        if let Some(reached) = self.was_reached() {
            return reached;
        }
        let deadline = Instant::now() + PATIENCE;
        let author = Author::on_this_host("health");
        let ping = self.run(author, deadline, async |registrar| registrar.ping().await);
        if ping.await.is_err() {
            self.note(false);
        }
        self.was_reached().unwrap_or_default()
    }
}
