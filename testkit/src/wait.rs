//! Waiting for a condition, with a bound.
//!
//! Tests never sleep and hope: they wait until what they expect is so. The bound is generous, since
//! it is only met when something is broken, and machines that test are often busy.

use std::time::{Duration, Instant};

/// How long anything may take before a test gives up.
pub const DEADLINE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(3);

/// Waits until `poll` has something.
///
/// # Panics
/// When the deadline is over; `what` says what did not happen.
pub fn until<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(done) = poll() {
            return done;
        }
        assert!(
            start.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}"
        );
        std::thread::sleep(PAUSE);
    }
}

/// Waits until `look` gives something that `good` accepts, and says what was seen last otherwise.
pub fn until_seen<T: std::fmt::Debug>(
    what: &str,
    mut look: impl FnMut() -> T,
    good: impl Fn(&T) -> bool,
) -> T {
    let start = Instant::now();
    loop {
        let seen = look();
        if good(&seen) {
            return seen;
        }
        assert!(
            start.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}; last seen: {seen:?}"
        );
        std::thread::sleep(PAUSE);
    }
}

/// Waits until something holds.
///
/// # Panics
/// When the deadline is over; `what` says what did not happen.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    until(what, || holds().then_some(()));
}
