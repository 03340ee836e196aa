//! What is waited for, or how far something is, where that takes longer than a
//! second. Told on a terminal only, and wiped away at the end.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Nothing is said before, and then so often.
const FIRST: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(200);

/// How many steps there are between two words about them.
const STRIDE: usize = 1024;

/// A line on standard error, for as long as this lives. Whoever prints something
/// else there drops it first.
#[derive(Debug)]
pub(crate) struct Progress {
    /// None where nobody looks.
    line: Option<ProgressLine>,
}

/// The line, and the thread that shows it: what is waited for may block this one.
#[derive(Debug)]
struct ProgressLine {
    text: Arc<Mutex<String>>,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Something is waited for: `Waiting for Redis...`.
    pub(crate) fn waiting(what: &str) -> Progress {
        let line = io::stderr().is_terminal().then(|| ProgressLine::show(what));
        Progress {
            line: line.and_then(Result::ok),
        }
    }

    /// So many of all are done, from now on.
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
            // It has wiped the line when it ends, and cannot panic.
            let _ = thread.join();
        }
    }
}

fn show(text: &Mutex<String>, ended: &Receiver<()>) {
    let start = Instant::now();
    let mut pause = FIRST;
    while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        pause = EVERY;
        let text = text.lock().unwrap_or_else(PoisonError::into_inner).clone();
        write(&format!("{text} ({} s)", start.elapsed().as_secs()));
    }
    if pause == EVERY {
        write("");
    }
}

/// Puts a text in place of the line.
fn write(text: &str) {
    // It is only for the eye.
    let _ = io::stderr().write_all(format!("\r{text}\x1b[K").as_bytes());
}

/// A count of steps, which are many and short.
#[derive(Debug)]
pub(crate) struct Steps {
    done: usize,
    all: usize,
    what: &'static str,
    progress: Progress,
}

impl Steps {
    /// Of so many things.
    pub(crate) fn of(all: usize, what: &'static str) -> Steps {
        Steps {
            done: 0,
            all,
            what,
            progress: Progress::waiting(&format!("0 of {all} {what}")),
        }
    }

    /// One more is done.
    pub(crate) fn next(&mut self) {
        self.done += 1;
        if self.done.is_multiple_of(STRIDE) {
            self.progress.reach(self.done, self.all, self.what);
        }
    }
}
