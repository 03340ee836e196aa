//! Running a line of shell that others wrote, so that it can neither hang nor
//! flood the one who runs it: checks and hooks.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::escape::Escaped;

/// Most bytes of each output that are kept; the rest is read and thrown away.
const KEPT: usize = 512;

/// How long to wait for the end of its output once it has ended: what it has
/// started may hold the pipes for longer than it lives.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// How long to wait for the end of what was killed.
const REAPING: Duration = Duration::from_secs(1);

/// What becomes of a script.
#[derive(Debug)]
pub(super) struct ScriptOutcome {
    end: ScriptEnd,
    /// The first line it wrote, of its standard error where there is one.
    said: String,
}

#[derive(Debug)]
enum ScriptEnd {
    Exited(ExitStatus),
    TimedOut(Duration),
    NotStarted(io::Error),
}

/// A script that runs.
pub(super) type RunningScript = Pin<Box<dyn Future<Output = ScriptOutcome>>>;

/// Runs `text` with `sh -c`, for so long at most. It is killed, with all that it
/// has started, when that is over, and when nobody waits for it any more.
pub(super) async fn run(
    text: String,
    environment: Vec<(&'static str, String)>,
    limit: Duration,
) -> ScriptOutcome {
    let started = Command::new("/bin/sh")
        .args(["-c", &text])
        .envs(environment)
        // It is not the one that systemd waits for.
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    match started {
        Ok(child) => Group(child).run(limit).await,
        Err(error) => ScriptOutcome {
            end: ScriptEnd::NotStarted(error),
            said: String::new(),
        },
    }
}

/// A child that leads a process group. It is killed with all of it unless it
/// has ended.
struct Group(Child);

impl Group {
    async fn run(mut self, limit: Duration) -> ScriptOutcome {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let pipes = (self.0.stdout.take(), self.0.stderr.take());
        let end = {
            let mut drained = false;
            let drain = async {
                tokio::join!(drain(pipes.0, &mut stdout), drain(pipes.1, &mut stderr));
            };
            tokio::pin!(drain);
            let ended = async {
                loop {
                    tokio::select! {
                        status = self.0.wait() => break status,
                        () = &mut drain, if !drained => drained = true,
                    }
                }
            };
            let end = match timeout(limit, ended).await {
                Ok(Ok(status)) => ScriptEnd::Exited(status),
                Ok(Err(error)) => ScriptEnd::NotStarted(error),
                Err(_) => ScriptEnd::TimedOut(limit),
            };
            if !drained && matches!(end, ScriptEnd::Exited(_)) {
                // What came so far is enough.
                let _ = timeout(LAST_WORDS, drain).await;
            }
            end
        };
        if matches!(end, ScriptEnd::TimedOut(_)) {
            self.kill();
            // What can't be killed now is the kernel's.
            let _ = timeout(REAPING, self.0.wait()).await;
        }
        let said = first_line(&stderr).or_else(|| first_line(&stdout));
        ScriptOutcome {
            end,
            said: said.unwrap_or_default(),
        }
    }

    /// Kills all of the group, as long as its leader has not been waited for: so
    /// its number can't be another's.
    fn kill(&self) {
        let leader = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = leader.and_then(Pid::from_raw) {
            // It may be gone this very moment.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads a pipe to its end, and keeps the beginning.
async fn drain(pipe: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut bytes = [0; 8192];
    while let Ok(count @ 1..) = pipe.read(&mut bytes).await {
        let room = KEPT - kept.len();
        let read = bytes.get(..count).unwrap_or_default();
        kept.extend(read.iter().take(room));
    }
}

fn first_line(output: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(output);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.to_owned())
}

impl ScriptOutcome {
    /// Whether it ended with 0.
    pub(super) fn is_success(&self) -> bool {
        matches!(self.end, ScriptEnd::Exited(status) if status.success())
    }

    /// The exit code where there is no such program, or it can't be run: as the
    /// shell says it.
    pub(super) fn broken(&self) -> Option<u8> {
        match self.end {
            ScriptEnd::Exited(status) => match status.code() {
                Some(126) => Some(126),
                Some(127) => Some(127),
                _ => None,
            },
            ScriptEnd::NotStarted(_) => Some(126),
            ScriptEnd::TimedOut(_) => None,
        }
    }
}

impl fmt::Display for ScriptOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.end {
            ScriptEnd::Exited(status) => match (status.code(), status.signal()) {
                (Some(code), _) => write!(f, "exit status {code}")?,
                (None, signal) => write!(f, "killed by signal {}", signal.unwrap_or_default())?,
            },
            ScriptEnd::TimedOut(limit) => {
                let limit = humantime::format_duration(*limit);
                write!(f, "killed, as it took longer than {limit}")?;
            }
            ScriptEnd::NotStarted(error) => write!(f, "it can't be run: {error}")?,
        }
        match self.said.as_str() {
            "" => Ok(()),
            said => write!(f, ": {}", Escaped(said)),
        }
    }
}
