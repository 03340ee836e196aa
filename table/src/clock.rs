//! The clock that heartbeats are measured by.
//!
//! It is libc's, because rustix reads a file to find the vDSO on kernels before
//! 6.4, and finds none under valgrind.
#![allow(unsafe_code)]

use core::time::Duration;

/// A moment on `CLOCK_MONOTONIC`, in nanoseconds. The clock stops while the
/// machine is suspended, so that a process that wakes up first does not take the
/// daemon for dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// The time since `earlier`; zero if that is in the future.
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

/// The time now. The vDSO answers, without a system call.
#[must_use]
pub fn monotonic() -> Monotonic {
    read(libc::CLOCK_MONOTONIC)
}

/// The time at the kernel's last tick, at most 10 ms ago. Costs a fraction of
/// [`monotonic`], and is exact enough where seconds count.
#[must_use]
pub fn last_tick() -> Monotonic {
    read(libc::CLOCK_MONOTONIC_COARSE)
}

fn read(clock: libc::clockid_t) -> Monotonic {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a local timespec. Both clocks exist on every Linux, so the
    // call can't fail; if it did, `now` would stay zero.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    Monotonic((now.tv_sec as u64).wrapping_mul(1_000_000_000) + now.tv_nsec as u64)
}
