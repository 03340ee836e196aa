//! Waiting for a change, without looking again and again.

use core::sync::atomic::Ordering;
use core::time::Duration;

use rustix::thread::{Timespec, nanosleep};

use super::{Client, Standing};
use crate::clock::{Monotonic, monotonic};
use crate::format::Word;
use crate::memory::Memory;
use crate::view::Edition;

/// How often to look for a daemon while there is none.
const RETRY: Duration = Duration::from_secs(1);

/// A heartbeat is stale once it is older than [`DEAD_AFTER`](super::DEAD_AFTER), by this
/// much at least.
const STALE: Duration = Duration::from_millis(1);

impl Client {
    /// Sleeps until there may be something else than `seen`, the edition that
    /// the caller has looked at, or `most` is over.
    ///
    /// In a region it is the daemon that wakes the caller up (futex(2)). A daemon
    /// that was killed wakes nobody, so the sleep ends when its last heartbeat gets
    /// stale, which is every two to three seconds while it lives. Where there is no
    /// daemon, this returns after a second at most, for the caller to look for one.
    pub fn wait(&self, seen: Option<Edition>, most: Duration) {
        let end = monotonic() + most;
        loop {
            let now = monotonic();
            let left = end.since(now);
            if left.is_zero() {
                return;
            }
            let held = self.slots.enter();
            let region = held.as_ref().and_then(|held| held.region());
            let (Some(held), Some((words, layout))) = (&held, region) else {
                return pause(left.min(RETRY));
            };
            // Before what it tells of is looked at: a wake-up in between is not
            // slept through.
            let wakes = words.live(Word::WAKES) as u32;
            let its_now = held.on_its_clock(now);
            let beat = Monotonic(words.live(Word::HEARTBEAT));
            if Standing::of(words, its_now) != Standing::Fresh {
                // Nobody wakes up those who wait here: another is looked for, as
                // soon as that may be tried.
                let next = Monotonic(self.next_try.load(Ordering::Relaxed));
                return pause(left.min(RETRY).min(next.since(now)));
            }
            let here = Edition {
                region: layout.region,
                generation: words.live(Word::GENERATION),
            };
            if seen != Some(here) {
                return;
            }
            let stale = (beat + super::DEAD_AFTER + STALE).since(its_now);
            words.wait(Word::WAKES.0, wakes, left.min(stale));
        }
    }
}

fn pause(span: Duration) {
    let span = Timespec::try_from(span).unwrap_or_default();
    // A signal ends it early: the caller looks again.
    let _ = nanosleep(&span);
}
