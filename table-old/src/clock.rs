//! The clock that heartbeats are measured by.
//!
//! It is libc's: rustix looks for the vDSO in ways that read a file on kernels
//! before 6.4 and that valgrind does not follow.
#![allow(unsafe_code)]

use core::time::Duration;

/// A moment on `CLOCK_MONOTONIC`, in nanoseconds. It stands still while the
/// machine is suspended, so a process that wakes up does not take a daemon
/// that slept as long for a dead one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// The time since `earlier`; nothing when that lies ahead.
    #[must_use]
    pub fn since(self, earlier: Monotonic) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl core::ops::Add<Duration> for Monotonic {
    type Output = Monotonic;

    fn add(self, span: Duration) -> Monotonic {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Monotonic(self.0.saturating_add(nanos))
    }
}

/// The time now. Answered by the vDSO, without a system call.
#[must_use]
pub fn monotonic() -> Monotonic {
    read(libc::CLOCK_MONOTONIC)
}

/// The time at the kernel's last tick, at most 10 ms ago: for what counts in
/// seconds, at a fraction of the cost of reading the hardware's clock.
#[must_use]
pub fn last_tick() -> Monotonic {
    read(libc::CLOCK_MONOTONIC_COARSE)
}

fn read(clock: libc::clockid_t) -> Monotonic {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a timespec of ours, to be written to. Both clocks
    // exist on every Linux, so the call can't fail; if it did, `now` stays zero.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    Monotonic((now.tv_sec as u64).wrapping_mul(1_000_000_000) + now.tv_nsec as u64)
}
