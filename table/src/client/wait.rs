//! Waiting for a change without polling.

use core::sync::atomic::Ordering;
use core::time::Duration;

use rustix::thread::{Timespec, nanosleep};

use super::{Client, Freshness};
use crate::clock::{Monotonic, monotonic};
use crate::format::LiveWord;
use crate::memory::Memory;
use crate::view::TableRevision;

/// How often to check the heartbeat: a daemon that has died wakes nobody.
const HEARTBEAT_CHECK: Duration = Duration::from_secs(1);

impl Client {
    /// Sleeps until there may be another revision than `seen`, which the caller has
    /// read, or `most` has passed.
    ///
    /// The daemon of a region wakes the caller (futex(2)). Without a region this
    /// returns after a second at most, so that the caller can look for one.
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
                return pause(left.min(HEARTBEAT_CHECK));
            };
            // Loaded before the generation, so that a wake-up in between is not
            // missed.
            let wakes = words.live(LiveWord::WAKES) as u32;
            if super::standing(held, now) != Some(Freshness::Fresh) {
                // No daemon wakes those who wait here. The caller looks for
                // another one as soon as that may be tried.
                let next = Monotonic(self.next_try.load(Ordering::Relaxed));
                return pause(left.min(HEARTBEAT_CHECK).min(next.since(now)));
            }
            let here = TableRevision {
                region: layout.region,
                generation: words.live(LiveWord::GENERATION),
            };
            if seen != Some(here) {
                return;
            }
            words.wait(LiveWord::WAKES.0, wakes, left.min(HEARTBEAT_CHECK));
        }
    }
}

fn pause(span: Duration) {
    let span = Timespec::try_from(span).unwrap_or_default();
    // A signal may end it early; the caller looks again.
    let _ = nanosleep(&span);
}
