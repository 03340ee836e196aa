//! Running another program with a timeout.

use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How often to check whether it has exited.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// How long to wait for the end of its output once it has exited.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(1);

/// Most bytes of each stream that are stored.
const MAX_OUTPUT: u64 = 1 << 20;

/// Its exit status and output.
#[derive(Debug)]
pub(crate) struct ChildOutput {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command with no input.
///
/// # Errors
/// It can't be started, or did not exit in time and was killed.
pub(crate) fn run(command: &mut Command, limit: Duration) -> io::Result<ChildOutput> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);
    let Some(status) = wait(&mut child, limit)? else {
        child.kill()?;
        child.wait()?;
        let text = format!("no exit within {}", humantime::format_duration(limit));
        return Err(io::Error::new(io::ErrorKind::TimedOut, text));
    };
    // Its descendants may hold the pipes open.
    let text = |reader: Option<Receiver<String>>| {
        let text = reader.and_then(|reader| reader.recv_timeout(OUTPUT_TIMEOUT).ok());
        text.unwrap_or_default()
    };
    Ok(ChildOutput {
        status,
        stdout: text(stdout),
        stderr: text(stderr),
    })
}

/// Its exit status; none after the timeout.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() >= limit {
            return Ok(None);
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Reads a pipe to its end, on a thread of its own.
fn collect(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // On an error, what was read counts. The receiver may be gone.
        let _ = pipe.take(MAX_OUTPUT).read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}
