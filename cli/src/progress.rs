//! How far something is that takes over a second, told on a terminal only.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Nothing is said before, and then so often.
const FIRST: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(200);

/// How many steps there are between two looks at the clock.
const STRIDE: usize = 1024;

/// A count of steps on stderr, removed when it ends.
#[derive(Debug)]
pub(crate) struct Progress {
    done: usize,
    all: usize,
    what: &'static str,
    next: Instant,
    terminal: bool,
    shown: bool,
}

impl Progress {
    /// Of so many things.
    pub(crate) fn new(all: usize, what: &'static str) -> Progress {
        Progress {
            done: 0,
            all,
            what,
            next: Instant::now() + FIRST,
            terminal: io::stderr().is_terminal(),
            shown: false,
        }
    }

    /// One more is done.
    pub(crate) fn step(&mut self) {
        self.done += 1;
        if self.done.is_multiple_of(STRIDE) {
            self.show();
        }
    }

    /// So many are done.
    pub(crate) fn reach(&mut self, done: usize) {
        self.done = done;
        self.show();
    }

    fn show(&mut self) {
        if self.terminal && Instant::now() >= self.next {
            self.next = Instant::now() + EVERY;
            self.shown = true;
            let (done, all, what) = (self.done, self.all, self.what);
            // It is only for the eye.
            let _ = write!(io::stderr(), "\r{done} of {all} {what}\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
