//! Waiting for a change without polling.

use core::sync::atomic::Ordering;
use core::time::Duration;

use rustix::thread::{Timespec, nanosleep};

use super::{Client, DEAD_AFTER, Freshness, RETRY};
use crate::clock::{Monotonic, monotonic};
use crate::format::LiveWord;
use crate::memory::Memory;
use crate::view::TableRevision;

/// A heartbeat is stale once it is older than [`DEAD_AFTER`], by this
/// much at least.
const STALE: Duration = Duration::from_millis(1);

impl Client {
    /// Sleeps until there may be another revision than `seen`, which the caller has
    /// read, or `most` has passed.
    ///
    /// In a region it is the daemon that wakes the caller up (futex(2)). A daemon
    /// that was killed wakes nobody, so the sleep ends when its last heartbeat gets
    /// stale, which is every two to three seconds while it lives. Where there is no
    /// daemon, this returns after a second at most, for the caller to look for one.
    pub fn wait(&self, seen: Option<TableRevision>, most: Duration) {
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
            let wakes = words.live(LiveWord::WAKES) as u32;
            let its_now = held.on_its_clock(now);
            let beat = Monotonic(words.live(LiveWord::HEARTBEAT));
            if Freshness::of(words, its_now) != Freshness::Fresh {
                // Nobody wakes up those who wait here: another is looked for, as
                // soon as that may be tried.
                let next = Monotonic(self.next_try.load(Ordering::Relaxed));
                return pause(left.min(RETRY).min(next.since(now)));
            }
            let here = TableRevision {
                region: layout.region,
                generation: words.live(LiveWord::GENERATION),
            };
            if seen != Some(here) {
                return;
            }
            let stale = (beat + DEAD_AFTER + STALE).since(its_now);
            words.wait(LiveWord::WAKES.0, wakes, left.min(stale));
        }
    }
}

fn pause(span: Duration) {
    let span = Timespec::try_from(span).unwrap_or_default();
    // A signal may end it early; the caller looks again.
    let _ = nanosleep(&span);
}
