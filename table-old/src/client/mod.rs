//! The process's one table: attached at the first look-up, replaced when the
//! daemon has a newer one, kept when there is no daemon.
//!
//! A look-up in a process that is attached makes no system call: it reads the
//! epoch's page and the table. All that follows from what it finds there is
//! decided here, in [`Client::with`]:
//!
//! | the epoch says | what is done |
//! |---|---|
//! | this table's generation, a heartbeat within 3 s | answer |
//! | a higher generation | attach the newer table, then answer |
//! | no heartbeat for 3 s, one from the future, or retired | look for a new daemon, then answer |
//! | (there is none: the table came from the file) | the same |
//!
//! An attach that fails is not tried again for a second, and never takes an
//! answer away: the table at hand answers until it has been without a daemon
//! for longer than its own `stale_max`.

mod attach;
mod paths;

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use rustix::thread::{Timespec, nanosleep};

pub use attach::AttachError;
pub use paths::{LAST_GOOD, LAST_GOOD_NAME, Paths, SOCKET};

use crate::clock::{Monotonic, monotonic};
use crate::format::OpenError;
use crate::shm::{Attached, Held, Pulse, Slots};
use crate::view::View;

/// Longest that an attach may keep a program waiting that has no table yet.
const FIRST_ATTACH: Duration = Duration::from_millis(100);
/// Of that, how long it waits for the daemon; the rest is for the file.
const FIRST_ANSWER: Duration = Duration::from_millis(50);
/// How long a newer table of a daemon that is alive may take to arrive.
const NEWER_TABLE: Duration = Duration::from_millis(20);
/// How long to look for a new daemon while the old one's table answers: one
/// that is there needs much less.
const NEW_DAEMON: Duration = Duration::from_millis(2);
/// How often to try while it fails.
const RETRY: Duration = Duration::from_secs(1);
/// After so long without a heartbeat (it beats once a second) the daemon is
/// taken for dead.
const DEAD_AFTER: Duration = Duration::from_secs(3);
/// How far a heartbeat may lie ahead: `now` may be that of the last tick, and
/// the thread may have been held up since. Where it was for longer than this,
/// a daemon that lives is asked once more.
const AHEAD: Duration = Duration::from_secs(1);
/// How long a thread sleeps at a time while another fetches the first table.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000,
};

/// The table of a process. One of them stands in a `static`; threads share it
/// without waiting for each other, and a forked child goes on with it.
#[derive(Debug)]
pub struct Client {
    slots: Slots,
    /// Not to be tried before this moment.
    next_try: AtomicU64,
}

/// What the epoch says of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The newest, and the daemon is alive.
    Fresh,
    /// The daemon is alive and has a newer one.
    Outdated,
    /// No daemon has been behind it for so long.
    Orphaned(Duration),
}

impl Client {
    /// A client that has no table yet.
    #[must_use]
    pub const fn new() -> Client {
        Client {
            slots: Slots::new(),
            next_try: AtomicU64::new(0),
        }
    }

    /// Lets `f` look into the newest table that can be had, at the time `now`,
    /// which may be that of the last tick.
    /// `paths` says where to attach; it is asked only when that is tried.
    ///
    /// Takes at most 100 ms more than `f`, and that only where there is no
    /// table yet. Allocates nothing and leaves no descriptor open.
    ///
    /// # Errors
    /// There is no table, or none that may still be served.
    pub fn with<R>(
        &self,
        paths: impl FnOnce() -> Option<Paths>,
        now: Monotonic,
        f: impl FnOnce(&View<'_>) -> R,
    ) -> Result<R, Unavailable> {
        if let Some(held) = self.slots.enter() {
            let view = open(&held)?;
            match standing(&held, &view, now) {
                Standing::Fresh => return Ok(f(&view)),
                Standing::Outdated => self.renew(paths, now, held, NEWER_TABLE),
                Standing::Orphaned(_) => self.renew(paths, now, held, NEW_DAEMON),
            }
        } else {
            self.first(paths, now)?;
        }
        let held = self.slots.enter().ok_or(AttachError::TriedJustNow)?;
        let view = open(&held)?;
        if let Standing::Orphaned(age) = standing(&held, &view, now)
            && view.stale_max().is_some_and(|most| age > most)
        {
            return Err(Unavailable::Stale(age));
        }
        Ok(f(&view))
    }

    /// Fetches the first table of a process. While one thread does, others
    /// wait for it; should it not come, they say so.
    fn first(
        &self,
        paths: impl FnOnce() -> Option<Paths>,
        now: Monotonic,
    ) -> Result<(), AttachError> {
        let now = now.max(monotonic());
        let deadline = now + FIRST_ATTACH;
        loop {
            let turn = self.slots.turn().map_err(AttachError::Map)?;
            if self.slots.enter().is_some() {
                return Ok(());
            }
            if !self.may_try(now) {
                return Err(AttachError::TriedJustNow);
            }
            if let Some(turn) = turn {
                let attached = fetch(paths, deadline).inspect_err(|_| self.failed(now))?;
                self.slots.install(&turn, attached);
                return Ok(());
            }
            if monotonic() > deadline {
                return Err(AttachError::Slow);
            }
            let _ = nanosleep(&PAUSE);
        }
    }

    /// Replaces the table by a newer one, or by one of a new daemon, if there
    /// is one to be had and no other thread is at it.
    fn renew(
        &self,
        paths: impl FnOnce() -> Option<Paths>,
        now: Monotonic,
        held: Held<'_>,
        wait: Duration,
    ) {
        let before = open(&held).map(|view| view.generation());
        let now = now.max(monotonic());
        // Let go of, so that the table can be unmapped when it is replaced.
        drop(held);
        if !self.may_try(now) {
            return;
        }
        let Ok(Some(turn)) = self.slots.turn() else {
            return;
        };
        let attached = paths().and_then(|paths| attach::from_daemon(&paths, now + wait).ok());
        let installed = attached.is_some_and(|attached| self.slots.install(&turn, attached));
        let gained = |held: &Held<'_>, view: &View<'_>| match standing(held, view, now) {
            Standing::Fresh => true,
            // Overtaken on its way by the next one.
            Standing::Outdated => before != Ok(view.generation()),
            Standing::Orphaned(_) => false,
        };
        let gained = installed
            && self
                .slots
                .enter()
                .is_some_and(|held| open(&held).is_ok_and(|view| gained(&held, &view)));
        // A daemon that has retired, or hands out what it calls outdated, is
        // not asked at every look-up either.
        if !gained {
            self.failed(now);
        }
    }

    fn may_try(&self, now: Monotonic) -> bool {
        now.0 >= self.next_try.load(Ordering::Relaxed)
    }

    fn failed(&self, now: Monotonic) {
        self.next_try.store((now + RETRY).0, Ordering::Relaxed);
    }
}

/// Asks the daemon for its epoch alone: whether one is there, and alive.
/// Takes at most 100 ms.
///
/// # Errors
/// Nothing answers at the socket, or the daemon has no table yet.
pub fn pulse(paths: &Paths) -> Result<Pulse, AttachError> {
    attach::pulse(paths, monotonic() + FIRST_ATTACH)
}

impl Default for Client {
    fn default() -> Client {
        Client::new()
    }
}

impl Pulse {
    /// Whether there is a daemon behind it: it has not retired, and its last
    /// heartbeat is less than 3 s old. One from the future is none.
    #[must_use]
    pub fn is_alive(&self, now: Monotonic) -> bool {
        let dead = now > self.heartbeat + DEAD_AFTER || self.heartbeat > now + AHEAD;
        !self.retired && !dead
    }
}

/// From the daemon, else from the file.
fn fetch(
    paths: impl FnOnce() -> Option<Paths>,
    deadline: Monotonic,
) -> Result<Attached, AttachError> {
    let paths = paths().ok_or(AttachError::Path)?;
    let answer_by = Monotonic(
        deadline
            .0
            .saturating_sub(nanos(FIRST_ATTACH - FIRST_ANSWER)),
    );
    attach::from_daemon(&paths, answer_by).or_else(|no_daemon| {
        // Where neither is there, the daemon is what is missing.
        attach::from_file(paths.last_good, deadline).map_err(|_| no_daemon)
    })
}

/// The table held. It was opened when it was attached.
fn open<'h>(held: &'h Held<'_>) -> Result<View<'h>, AttachError> {
    View::reopen(held.table()).ok_or(AttachError::Open(OpenError::Truncated))
}

fn standing(held: &Held<'_>, view: &View<'_>, now: Monotonic) -> Standing {
    let Some(pulse) = held.pulse() else {
        let orphan = held.orphan();
        let age = Duration::from_nanos(orphan.age);
        return Standing::Orphaned(age.saturating_add(now.since(orphan.at)));
    };
    if pulse.is_alive(now) {
        return if view.generation() >= pulse.generation {
            // Newer than what is announced: fetched in the moment before.
            Standing::Fresh
        } else {
            Standing::Outdated
        };
    }
    // When the daemon was last alive: when its heart beat, or, where it claims
    // to beat in the future, when the table came from it.
    let last = if pulse.heartbeat > now + AHEAD {
        held.orphan().at
    } else {
        pulse.heartbeat
    };
    Standing::Orphaned(now.since(last))
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Why there is no answer, neither yes nor no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// There is no table to look into.
    NoTable(AttachError),
    /// There has been no daemon for so long, which is more than the table's
    /// `stale_max`.
    Stale(Duration),
}

impl From<AttachError> for Unavailable {
    fn from(error: AttachError) -> Unavailable {
        Unavailable::NoTable(error)
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unavailable::NoTable(error) => error.fmt(f),
            Unavailable::Stale(age) => write!(
                f,
                "the last table has been without a daemon for {} s, longer than its stale_max",
                age.as_secs()
            ),
        }
    }
}

impl core::error::Error for Unavailable {}
