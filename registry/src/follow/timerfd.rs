//! A timer of the kernel (timerfd).
//!
//! tokio keeps its timers in a wheel, which also wakes the process before a deadline: for an idle
//! daemon that is half of all wakeups. A timer of timerfd_create(2) wakes it at the deadline only.

use std::io;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;

/// One timer, set again at each wait.
///
/// tokio waits for it as for a pipe, since both are descriptors that become
/// readable: its type for any descriptor (`AsyncFd`) can only be made in
/// unsafe code.
pub(super) struct TimerFd(Receiver);

impl TimerFd {
    /// Makes a timer. It fails where the system has no descriptor left.
    pub(super) fn new() -> io::Result<TimerFd> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(TimerFd(Receiver::from_owned_fd_unchecked(timer)?))
    }

    /// Waits until `due`.
    pub(super) async fn at(&self, due: Instant) -> io::Result<()> {
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.set(left)?;
            self.0.readable().await?;
            // After an earlier wait that was dropped it may look ready; the clock decides.
            match self.0.try_read(&mut [0; 8]) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    }

    fn set(&self, left: Duration) -> io::Result<()> {
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            },
        };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_waits_as_long_as_it_is_told_also_after_a_wait_given_up() {
        let timer = TimerFd::new().unwrap();
        let start = Instant::now();
        timer.at(start).await.unwrap();
        tokio::select! {
            biased;
            _ = timer.at(start + Duration::from_secs(60)) => unreachable!(),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
        for ms in [60, 61, 120] {
            let due = start + Duration::from_millis(ms);
            timer.at(due).await.unwrap();
            assert!(Instant::now() >= due);
        }
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
