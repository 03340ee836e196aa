//! The table that a process looks up in. The first lookup attaches to the daemon's
//! region; later ones read it without a system call, however it changes.
//!
//! [`Client::with`] decides what a lookup does, by the state of the region:
//!
//! | the region | what a lookup does |
//! |---|---|
//! | is served, with a heartbeat within 3 s | answers from it |
//! | has moved | attaches to the new one, then answers |
//! | has retired, or has no heartbeat | looks for a new daemon, then answers |
//! | there is none | attaches; if that fails, answers from the file |
//!
//! After a failed attempt there is none for a second. Meanwhile the region or the
//! file answers, whichever is newer. The file is opened at each lookup, so one
//! that the daemon has replaced is used at once. Both answer until they have been
//! without a daemon for longer than their `stale_max`.

mod attach;
mod paths;
mod wait;

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;

pub use attach::AttachError;
pub use paths::{LAST_GOOD, LAST_GOOD_NAME, Paths, SOCKET};
use rustix::thread::{Timespec, nanosleep};

use crate::clock::{Monotonic, monotonic};
use crate::format::{Layout, LiveWord, State};
use crate::handover::HandoverError;
use crate::last_good::LastGoodFile;
use crate::memory::Memory;
use crate::shm::{RegionGuard, RegionSlots, Words};
use crate::view::{View, stale_max};

/// How long a program that has no region yet may have to wait for an attach.
const FIRST_ATTACH: Duration = Duration::from_millis(100);
/// How much of that it waits for the daemon.
const FIRST_ANSWER: Duration = Duration::from_millis(50);
/// How long to wait for the new region of a daemon that is alive.
const NEW_REGION: Duration = Duration::from_millis(20);
/// How long to look for a new daemon while the old one's region can answer. A
/// daemon that is there needs much less.
const NEW_DAEMON: Duration = Duration::from_millis(2);
/// The time between attempts to attach while they fail.
const RETRY: Duration = Duration::from_secs(1);
/// A daemon whose last heartbeat is older is taken for dead. There is one each
/// second.
pub const DEAD_AFTER: Duration = Duration::from_secs(3);
/// A heartbeat may be this far in the future, because the clock may be that of the
/// last tick, and the daemon's was estimated from a message. One that is further
/// in the future does not count.
const MAX_AHEAD: Duration = Duration::from_secs(1);
/// How long a thread sleeps at a time while another attaches for the first time.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000,
};

/// The table of a process, in a `static` of it. Threads share the client without
/// waiting for each other, and a forked child goes on with it.
#[derive(Debug)]
pub struct Client {
    slots: RegionSlots,
    /// The earliest moment of the next attempt to attach.
    next_try: AtomicU64,
    /// Whether the process at the socket is hostile: then it is never connected to
    /// again.
    is_hostile: AtomicBool,
}

/// Whether a region is up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freshness {
    /// A daemon writes to it.
    Fresh,
    /// There is a newer one. The last heartbeat in this one is so old.
    Moved(Duration),
    /// No daemon writes to it. The last heartbeat is so old.
    Orphaned(Duration),
}

impl Freshness {
    #[inline]
    fn of(words: Words<'_>, now: Monotonic) -> Freshness {
        let beat = Monotonic(words.live(LiveWord::HEARTBEAT));
        let plausible = beat <= now + MAX_AHEAD;
        let since = if plausible {
            now.since(beat)
        } else {
            Duration::MAX
        };
        match State::of(words.live(LiveWord::STATE)) {
            State::Serving if since <= DEAD_AFTER => Freshness::Fresh,
            State::Moved => Freshness::Moved(since),
            State::Serving | State::Retired => Freshness::Orphaned(since),
        }
    }

    /// How long it has not been up to date.
    fn age(self) -> Duration {
        match self {
            Freshness::Fresh => Duration::ZERO,
            Freshness::Moved(age) | Freshness::Orphaned(age) => age,
        }
    }
}

impl Client {
    /// A client that has no region yet.
    #[must_use]
    pub const fn new() -> Client {
        Client {
            slots: RegionSlots::new(),
            next_try: AtomicU64::new(0),
            is_hostile: AtomicBool::new(false),
        }
    }

    /// Runs `f` on the newest table that is available. `now` is the time, which may
    /// be that of the last tick. `paths` says where to attach, and is only called
    /// when that is tried.
    ///
    /// Takes at most 100 ms more than `f`, and that only if there is no region yet.
    /// Allocates nothing and leaves no descriptor open.
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
            && Freshness::of(words, held.on_its_clock(now)) == Freshness::Fresh
        {
            return Ok(f(&View::region(words, layout)));
        }
        self.slow_path(paths, now, f)
    }

    /// [`Client::with`] without a region that is up to date.
    #[cold]
    #[inline(never)]
    fn slow_path<R>(
        &self,
        paths: impl FnOnce() -> Option<Paths>,
        now: Monotonic,
        f: impl FnOnce(&View<'_>) -> R,
    ) -> Result<R, Unavailable> {
        let paths = paths().ok_or(AttachError::Path)?;
        let now = now.max(monotonic());
        let tried = self.try_attach(&paths, now);
        let held = self.slots.enter();
        let region = held.as_ref().and_then(|held| {
            let (words, layout) = held.region()?;
            let standing = Freshness::of(words, held.on_its_clock(now));
            Some((words, layout, standing))
        });
        if let Some((words, layout, Freshness::Fresh)) = region {
            return Ok(f(&View::region(words, layout)));
        }
        let file = LastGoodFile::open(paths.last_good);
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
            // If there is neither, the missing daemon is the reason to report.
            (None, Err(error)) => Err(tried.err().unwrap_or(AttachError::File(error)).into()),
        }
    }

    /// Attaches to another region, unless another thread is doing so or the last
    /// attempt has just failed. Without any region it waits for that thread.
    fn try_attach(&self, paths: &Paths, now: Monotonic) -> Result<(), AttachError> {
        if self.is_hostile.load(Ordering::Relaxed) {
            return Err(AttachError::Handover(HandoverError::UnsafeDescriptor));
        }
        // Not from `now`, which the caller may have set to a later time.
        let deadline = monotonic() + FIRST_ATTACH;
        loop {
            let wait = match self.standing(now) {
                Some(Freshness::Fresh) => return Ok(()),
                Some(Freshness::Moved(_)) => NEW_REGION,
                Some(Freshness::Orphaned(_)) => NEW_DAEMON,
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
            let fresh = Freshness::of(attached.mapping.words(), its_now) == Freshness::Fresh;
            // A region without a daemon does not replace the current one.
            if !fresh && self.slots.enter().is_some() {
                return Err(AttachError::Unserved);
            }
            let installed = self.slots.install(attached);
            installed.then_some(()).ok_or(AttachError::NoRoom)
        });
        if installed == Err(AttachError::Handover(HandoverError::UnsafeDescriptor)) {
            self.is_hostile.store(true, Ordering::Relaxed);
        }
        // Also a daemon that hands out a region that is not up to date is not
        // asked again at each lookup.
        if self.standing(now) != Some(Freshness::Fresh) {
            self.next_try.store((now + RETRY).0, Ordering::Relaxed);
        }
        installed
    }

    fn standing(&self, now: Monotonic) -> Option<Freshness> {
        let held = self.slots.enter()?;
        standing(&held, now)
    }
}

fn standing(held: &RegionGuard<'_>, now: Monotonic) -> Option<Freshness> {
    let (words, _) = held.region()?;
    Some(Freshness::of(words, held.on_its_clock(now)))
}

/// Whether the file may be served, and the region is older or may not be served.
fn is_newer(
    file: &LastGoodFile,
    layout: &Layout,
    region: Option<&(Words<'_>, &Layout, Freshness)>,
) -> bool {
    if fresh_enough(layout, file.age()).is_err() {
        return false;
    }
    region.is_none_or(|(words, layout, standing)| {
        fresh_enough(layout, standing.age()).is_err()
            || file.generation() > words.live(LiveWord::GENERATION)
    })
}

/// Checks that a table may be served that has been without a daemon for so long.
fn fresh_enough(layout: &Layout, age: Duration) -> Result<(), Unavailable> {
    match stale_max(layout) {
        Some(most) if age > most => Err(Unavailable::Stale(age)),
        _ => Ok(()),
    }
}

/// Whether a daemon that hands out its region is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulse {
    /// It has a heartbeat.
    Beating,
    /// It has had no heartbeat for 3 s.
    Silent,
    /// It is exiting.
    Retired,
}

/// Receives the daemon's region, and checks whether the daemon is alive. Takes at
/// most 100 ms.
///
/// # Errors
/// No region was received, or none that can be used.
pub fn pulse(paths: &Paths) -> Result<Pulse, AttachError> {
    let attached = attach::from_daemon(paths, monotonic() + FIRST_ATTACH)?;
    let words = attached.mapping.words();
    let its_now = Monotonic(monotonic().0.wrapping_add(attached.ahead));
    Ok(
        match (
            Freshness::of(words, its_now),
            State::of(words.live(LiveWord::STATE)),
        ) {
            (_, State::Retired) => Pulse::Retired,
            // The daemon moved to another region after it had sent this one.
            (Freshness::Fresh | Freshness::Moved(_), _) => Pulse::Beating,
            (Freshness::Orphaned(_), _) => Pulse::Silent,
        },
    )
}

/// How often the daemon has to touch the file so that it does not become stale:
/// each minute, or more often for a short `stale_max`.
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

/// Why a lookup has no result, not even that there is no such name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// There is no table.
    NoTable(AttachError),
    /// The table has been without a daemon for so long, which is longer than its
    /// `stale_max`.
    Stale(Duration),
    /// The file can't be read, or is damaged.
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
                "the table has been without a daemon for {} s, longer than its stale_max",
                age.as_secs()
            ),
            Unavailable::Unreadable => f.write_str("last-good.table is damaged"),
        }
    }
}

impl core::error::Error for Unavailable {}
