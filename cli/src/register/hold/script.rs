//! Running a check or a hook in a shell, with limits on its time and output.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use cloudhosts_config::printable::Escaped;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Most bytes of each output stream that are stored; the rest is read and discarded.
const MAX_OUTPUT: usize = 512;

/// How long to wait for the end of its output once it has exited: its descendants may
/// hold the pipes open.
const OUTPUT_TIMEOUT: Duration = Duration::from_millis(50);

/// How long to wait for the exit of a killed script.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);

/// How a script ended.
#[derive(Debug)]
pub(super) struct ScriptOutcome {
    end: ScriptEnd,
    /// The first line of its standard error, else of its standard output.
    output: String,
}

#[derive(Debug)]
enum ScriptEnd {
    Exited(ExitStatus),
    TimedOut(Duration),
    NotStarted(io::Error),
}

/// A running script.
pub(super) type RunningScript = Pin<Box<dyn Future<Output = ScriptOutcome>>>;

/// Runs `text` with `sh -c`. Its process group is killed after `limit`, or when the
/// future is dropped.
pub(super) async fn run(
    text: String,
    environment: Vec<(&'static str, String)>,
    limit: Duration,
) -> ScriptOutcome {
    let started = Command::new("/bin/sh")
        .args(["-c", &text])
        .envs(environment)
        // systemd waits for this process, not for the script.
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
            output: String::new(),
        },
    }
}

/// A child that leads a process group, which is killed on drop unless the child has
/// been waited for.
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
                // What has arrived by then is enough.
                let _ = timeout(OUTPUT_TIMEOUT, drain).await;
            }
            end
        };
        if matches!(end, ScriptEnd::TimedOut(_)) {
            self.kill();
            // A process that the kernel can't kill now is left to it.
            let _ = timeout(KILL_TIMEOUT, self.0.wait()).await;
        }
        let output = first_line(&stderr).or_else(|| first_line(&stdout));
        ScriptOutcome {
            end,
            output: output.unwrap_or_default(),
        }
    }

    /// Kills the group, unless its leader has been waited for: the ID may be reused then.
    fn kill(&self) {
        let leader = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = leader.and_then(Pid::from_raw) {
            // It may have exited just now.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads a pipe to its end, and stores the beginning.
async fn drain(pipe: Option<impl AsyncRead + Unpin>, stored: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut bytes = [0; 8192];
    while let Ok(count @ 1..) = pipe.read(&mut bytes).await {
        let room = MAX_OUTPUT - stored.len();
        let read = bytes.get(..count).unwrap_or_default();
        stored.extend(read.iter().take(room));
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

    /// The shell's exit code where there is no such program, or it can't be run.
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
        match self.output.as_str() {
            "" => Ok(()),
            output => write!(f, ": {}", Escaped(output)),
        }
    }
}
