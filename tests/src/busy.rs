//! Something that is done again and again in the background.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A thread that goes on as long as this lives.
#[derive(Debug)]
pub struct Busy {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Busy {
    /// Begins. `turn` is told how often it was called before.
    pub fn start(mut turn: impl FnMut(u64) + Send + 'static) -> Busy {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut count = 0;
            while !stopped.load(Ordering::Relaxed) {
                turn(count);
                count += 1;
            }
        });
        let thread = Some(thread);
        Busy { stop, thread }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // what went wrong it has said
            let failed = thread.join().is_err();
            assert!(!failed || std::thread::panicking(), "it went wrong");
        }
    }
}
