//! The process's one region: attached at the first lookup, and followed from
//! then on without a system call, whatever changes.
//!
//! What a lookup does follows from what the region says of itself; it is decided
//! here, in [`Client::with`]:
//!
//! | the region | what is done |
//! |---|---|
//! | is served, with a heartbeat within 3 s | answer from it |
//! | has moved | attach to the new one, then answer |
//! | has retired, or has no heartbeat | look for a new daemon, then answer |
//! | there is none | attach; where that fails, answer from the file |
//!
//! An attempt that fails is not repeated for a second. Meanwhile whichever is
//! newer answers, the region at hand or the file that the daemon keeps up to
//! date, which is opened anew at each lookup; until it has been without a daemon
//! for longer than its own `stale_max`.

mod attach;
mod paths;
mod wait;

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;

use rustix::thread::{Timespec, nanosleep};

pub use attach::AttachError;
pub use paths::{LAST_GOOD, LAST_GOOD_NAME, Paths, SOCKET};

use crate::clock::{Monotonic, monotonic};
use crate::format::{Layout, State, Word};
use crate::handover::HandoverError;
use crate::last_good::LastGood;
use crate::memory::Memory;
use crate::shm::{Held, Slots, Words};
use crate::view::{View, stale_max};

/// Longest that an attach may keep a program waiting that has no region yet.
const FIRST_ATTACH: Duration = Duration::from_millis(100);
/// Of that, how long it waits for the daemon.
const FIRST_ANSWER: Duration = Duration::from_millis(50);
/// How long the new region of a daemon that is alive may take to arrive.
const NEW_REGION: Duration = Duration::from_millis(20);
/// How long to look for a new daemon while the old one's region answers: one
/// that is there needs much less.
const NEW_DAEMON: Duration = Duration::from_millis(2);
/// How often to try while it fails.
const RETRY: Duration = Duration::from_secs(1);
/// After so long without a heartbeat (it beats once a second) the daemon is
/// taken for dead.
pub const DEAD_AFTER: Duration = Duration::from_secs(3);
/// A heartbeat may be so far ahead of a clock that is read at its last tick,
/// and of one that was set by a message that took its time. One that is further
/// ahead is none.
const AHEAD: Duration = Duration::from_secs(1);
/// How long a thread sleeps at a time while another attaches for the first time.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000,
};

/// The region of a process. One of them stands in a `static`; threads share it
/// without waiting for each other, and a forked child goes on with it.
#[derive(Debug)]
pub struct Client {
    slots: Slots,
    /// Not to be tried before this moment.
    next_try: AtomicU64,
    /// What answers at the socket means harm: it is never asked again.
    shunned: AtomicBool,
}

/// What a region says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The daemon writes to it.
    Fresh,
    /// There is a newer one; this one was left so long ago.
    Moved(Duration),
    /// No daemon has been behind it for so long.
    Orphaned(Duration),
}

impl Standing {
    #[inline]
    fn of(words: Words<'_>, now: Monotonic) -> Standing {
        let beat = Monotonic(words.live(Word::HEARTBEAT));
        let believed = beat <= now + AHEAD;
        let since = if believed {
            now.since(beat)
        } else {
            Duration::MAX
        };
        match State::of(words.live(Word::STATE)) {
            State::Serving if since <= DEAD_AFTER => Standing::Fresh,
            State::Moved => Standing::Moved(since),
            State::Serving | State::Retired => Standing::Orphaned(since),
        }
    }

    /// How long the daemon has been gone.
    fn age(self) -> Duration {
        match self {
            Standing::Fresh => Duration::ZERO,
            Standing::Moved(age) | Standing::Orphaned(age) => age,
        }
    }
}

impl Client {
    /// A client that has no region yet.
    #[must_use]
    pub const fn new() -> Client {
        Client {
            slots: Slots::new(),
            next_try: AtomicU64::new(0),
            shunned: AtomicBool::new(false),
        }
    }

    /// Lets `f` look into the newest table that can be had, at the time `now`,
    /// which may be that of the last tick.
    /// `paths` says where to attach; it is asked only when that is tried.
    ///
    /// Takes at most 100 ms more than `f`, and that only where there is no
    /// region yet. Allocates nothing and leaves no descriptor open.
    ///
    /// # Errors
    /// There is no table, or none that may still be served.
    #[inline]
    pub fn with<R>(
        &self,
        paths: impl FnOnce() -> Option<Paths>,
        now: Monotonic,
        f: impl FnOnce(&View<'_>) -> R,
    ) -> Result<R, Unavailable> {
        if let Some(held) = self.slots.enter()
            && let Some((words, layout)) = held.region()
            && Standing::of(words, held.on_its_clock(now)) == Standing::Fresh
        {
            return Ok(f(&View::region(words, layout)));
        }
        self.otherwise(paths, now, f)
    }

    /// The same where there is no region, or none with a daemon behind it.
    #[cold]
    #[inline(never)]
    fn otherwise<R>(
        &self,
        paths: impl FnOnce() -> Option<Paths>,
        now: Monotonic,
        f: impl FnOnce(&View<'_>) -> R,
    ) -> Result<R, Unavailable> {
        let paths = paths().ok_or(AttachError::Path)?;
        let now = now.max(monotonic());
        let tried = self.renew(&paths, now);
        let held = self.slots.enter();
        let region = held.as_ref().and_then(|held| {
            let (words, layout) = held.region()?;
            let standing = Standing::of(words, held.on_its_clock(now));
            Some((words, layout, standing))
        });
        if let Some((words, layout, Standing::Fresh)) = region {
            return Ok(f(&View::region(words, layout)));
        }
        let file = LastGood::open(paths.last_good);
        if let Ok((file, layout)) = &file
            && is_newer(file, layout, region.as_ref())
        {
            let found = f(&View::file(file, layout));
            return if file.failed() {
                Err(Unavailable::Unreadable)
            } else {
                Ok(found)
            };
        }
        match (region, file) {
            (Some((words, layout, standing)), _) => {
                fresh_enough(layout, standing.age())?;
                Ok(f(&View::region(words, layout)))
            }
            (None, Ok((file, layout))) => {
                fresh_enough(&layout, file.age())?;
                Err(Unavailable::Unreadable)
            }
            // Where neither is there, the daemon is what is missing.
            (None, Err(error)) => Err(tried.err().unwrap_or(AttachError::File(error)).into()),
        }
    }

    /// Attaches to another region, if there is one to be had and no other thread
    /// is at it. Where there is no region at all, waits for that thread.
    fn renew(&self, paths: &Paths, now: Monotonic) -> Result<(), AttachError> {
        if self.shunned.load(Ordering::Relaxed) {
            return Err(AttachError::Handover(HandoverError::Intruder));
        }
        // A caller may be ahead of the clock; what is waited for is not.
        let deadline = monotonic() + FIRST_ATTACH;
        loop {
            let wait = match self.standing(now) {
                Some(Standing::Fresh) => return Ok(()),
                Some(Standing::Moved(_)) => NEW_REGION,
                Some(Standing::Orphaned(_)) => NEW_DAEMON,
                None => FIRST_ANSWER,
            };
            if now.0 < self.next_try.load(Ordering::Relaxed) {
                return Err(AttachError::TriedJustNow);
            }
            let clock = monotonic();
            if let Some(_turn) = self.slots.turn(clock, clock + FIRST_ATTACH) {
                return self.attach(paths, now, clock + wait);
            }
            if wait != FIRST_ANSWER || clock > deadline {
                return Err(AttachError::Slow);
            }
            let _ = nanosleep(&PAUSE);
        }
    }

    fn attach(
        &self,
        paths: &Paths,
        now: Monotonic,
        deadline: Monotonic,
    ) -> Result<(), AttachError> {
        let attached = attach::from_daemon(paths, deadline);
        let installed = attached.and_then(|attached| {
            let its_now = Monotonic(now.0.wrapping_add(attached.ahead));
            let fresh = Standing::of(attached.mapping.words(), its_now) == Standing::Fresh;
            // One that nobody writes to takes no answer away.
            if !fresh && self.slots.enter().is_some() {
                return Err(AttachError::Unserved);
            }
            let installed = self.slots.install(attached);
            installed.then_some(()).ok_or(AttachError::NoRoom)
        });
        if installed == Err(AttachError::Handover(HandoverError::Intruder)) {
            self.shunned.store(true, Ordering::Relaxed);
        }
        // A daemon that hands out what it has left itself is not asked at every
        // lookup either.
        if self.standing(now) != Some(Standing::Fresh) {
            self.next_try.store((now + RETRY).0, Ordering::Relaxed);
        }
        installed
    }

    fn standing(&self, now: Monotonic) -> Option<Standing> {
        let held = self.slots.enter()?;
        standing(&held, now)
    }
}

fn standing(held: &Held<'_>, now: Monotonic) -> Option<Standing> {
    let (words, _) = held.region()?;
    Some(Standing::of(words, held.on_its_clock(now)))
}

/// Whether the file is what answers: it may still be served, and the region is
/// older, or may not.
fn is_newer(
    file: &LastGood,
    layout: &Layout,
    region: Option<&(Words<'_>, &Layout, Standing)>,
) -> bool {
    if fresh_enough(layout, file.age()).is_err() {
        return false;
    }
    region.is_none_or(|(words, layout, standing)| {
        fresh_enough(layout, standing.age()).is_err()
            || file.generation() > words.live(Word::GENERATION)
    })
}

/// Whether a table that has been without a daemon for so long may be served.
fn fresh_enough(layout: &Layout, age: Duration) -> Result<(), Unavailable> {
    match stale_max(layout) {
        Some(most) if age > most => Err(Unavailable::Stale(age)),
        _ => Ok(()),
    }
}

/// How a daemon is that hands out its region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulse {
    /// It is alive.
    Beating,
    /// It has given no sign of life for 3 s.
    Silent,
    /// It is exiting.
    Retired,
}

/// Asks the daemon for its region, and how that daemon is. Takes at most 100 ms.
///
/// # Errors
/// Nothing answers at the socket, or the daemon has no table yet.
pub fn pulse(paths: &Paths) -> Result<Pulse, AttachError> {
    let attached = attach::from_daemon(paths, monotonic() + FIRST_ATTACH)?;
    let words = attached.mapping.words();
    let its_now = Monotonic(monotonic().0.wrapping_add(attached.ahead));
    Ok(
        match (
            Standing::of(words, its_now),
            State::of(words.live(Word::STATE)),
        ) {
            (_, State::Retired) => Pulse::Retired,
            // One that has moved was on its way while it was left.
            (Standing::Fresh | Standing::Moved(_), _) => Pulse::Beating,
            (Standing::Orphaned(_), _) => Pulse::Silent,
        },
    )
}

/// How often a daemon has to touch the file for it not to get stale while it is
/// alive: each minute, or often enough for a shorter `stale_max`.
#[must_use]
pub fn touch_interval(stale_max: Option<Duration>) -> Duration {
    let most = Duration::from_secs(60);
    stale_max.map_or(most, |stale| most.min(stale / 3))
}

impl Default for Client {
    fn default() -> Client {
        Client::new()
    }
}

/// Why there is no answer, neither yes nor no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// There is no table to look into.
    NoTable(AttachError),
    /// There has been no daemon for so long, which is more than the table's
    /// `stale_max`.
    Stale(Duration),
    /// What was needed of the file can't be read, or is damaged.
    Unreadable,
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
            Unavailable::Unreadable => f.write_str("the last table is damaged"),
        }
    }
}

impl core::error::Error for Unavailable {}
