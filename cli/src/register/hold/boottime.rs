//! Waiting by CLOCK_BOOTTIME, which keeps running while the machine is suspended, as
//! a lease does.

use std::future::pending;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// How often to read the clock: the timers of the runtime stop while the machine is
/// suspended.
const INTERVAL: Duration = Duration::from_secs(1);

/// A moment on CLOCK_BOOTTIME.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BootTime(Duration);

impl BootTime {
    fn now() -> BootTime {
        let now = clock_gettime(ClockId::Boottime);
        BootTime(Duration::try_from(now).unwrap_or_default())
    }

    /// The same moment as `at`, as long as the machine is not suspended.
    pub(super) fn at(at: Instant) -> BootTime {
        BootTime(BootTime::now().0 + at.saturating_duration_since(Instant::now()))
    }
}

/// Waits until then; for ever where there is no such moment.
pub(super) async fn sleep_until(when: Option<BootTime>) {
    let Some(when) = when else {
        return pending().await;
    };
    loop {
        let left = when.0.saturating_sub(BootTime::now().0);
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(INTERVAL)).await;
    }
}
