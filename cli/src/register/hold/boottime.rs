//! Waiting by a clock that goes on while the machine is suspended: a lease does.

use std::future::pending;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// How often to look at that clock. The timers of the runtime stand still while
/// the machine does.
const LOOK: Duration = Duration::from_secs(1);

/// A moment by that clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BootTime(Duration);

impl BootTime {
    fn now() -> BootTime {
        let now = clock_gettime(ClockId::Boottime);
        BootTime(Duration::try_from(now).unwrap_or_default())
    }

    /// The moment that comes after the time that is left until `at`.
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
        tokio::time::sleep(left.min(LOOK)).await;
    }
}
