//! A progress line on a terminal, for what takes longer than a second. It is erased at the
//! end.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Nothing is shown before this time.
const DELAY: Duration = Duration::from_secs(1);
/// The interval of updates.
const INTERVAL: Duration = Duration::from_millis(200);

/// The number of steps between updates of their count.
const STRIDE: usize = 1024;

/// A line on standard error, until it is dropped. Drop it before anything else is printed
/// there.
#[derive(Debug)]
pub(crate) struct Progress {
    /// None if standard error is not a terminal.
    line: Option<ProgressLine>,
}

/// The text, and the thread that shows it: the work may block this thread.
#[derive(Debug)]
struct ProgressLine {
    text: Arc<Mutex<String>>,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Shows what is waited for: `Waiting for Redis...`.
    pub(crate) fn waiting(what: &str) -> Progress {
        let line = io::stderr().is_terminal().then(|| ProgressLine::show(what));
        Progress {
            line: line.and_then(Result::ok),
        }
    }

    /// Shows a count from now on.
    pub(crate) fn reach(&self, done: usize, all: usize, what: &str) {
        if let Some(line) = &self.line {
            let mut text = line.text.lock().unwrap_or_else(PoisonError::into_inner);
            *text = format!("{done} of {all} {what}");
        }
    }
}

impl ProgressLine {
    fn show(text: &str) -> io::Result<ProgressLine> {
        let text = Arc::new(Mutex::new(text.to_owned()));
        let (end, ended) = channel();
        let shown = text.clone();
        let thread = thread::Builder::new().spawn(move || show(&shown, &ended))?;
        Ok(ProgressLine {
            text,
            end: Some(end),
            thread: Some(thread),
        })
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // It erases the line before it ends, and does not panic.
            let _ = thread.join();
        }
    }
}

fn show(text: &Mutex<String>, ended: &Receiver<()>) {
    let start = Instant::now();
    let mut pause = DELAY;
    while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        pause = INTERVAL;
        let text = text.lock().unwrap_or_else(PoisonError::into_inner).clone();
        write(&format!("{text} ({} s)", start.elapsed().as_secs()));
    }
    if pause == INTERVAL {
        write("");
    }
}

/// Replaces the line.
fn write(text: &str) {
    // An error does not matter here.
    let _ = io::stderr().write_all(format!("\r{text}\x1b[K").as_bytes());
}

/// Progress by a count of many short steps.
#[derive(Debug)]
pub(crate) struct Steps {
    done: usize,
    all: usize,
    what: &'static str,
    progress: Progress,
}

impl Steps {
    /// A count of `all` steps.
    pub(crate) fn of(all: usize, what: &'static str) -> Steps {
        Steps {
            done: 0,
            all,
            what,
            progress: Progress::waiting(&format!("0 of {all} {what}")),
        }
    }

    /// Counts one more step.
    pub(crate) fn next(&mut self) {
        self.done += 1;
        if self.done.is_multiple_of(STRIDE) {
            self.progress.reach(self.done, self.all, self.what);
        }
    }
}
