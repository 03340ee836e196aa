//! The password that a command prints, such as a token of a cloud's identity service.
//!
//! It is kept until Redis refuses it; then the command runs again, though not at once if it has just
//! run. The command is executed itself, without a shell, with limits on its time and its output.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use cloudhosts_config::{PasswordCommand, Secret};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::fault::{Fault, FaultCode};

/// How long the command may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Most bytes of its output.
const MOST: u64 = 64 * 1024;

/// Least time from the start of one run to the start of the next.
const REST: Duration = Duration::from_secs(10);

/// What the last run of each command gave.
static RUNS: LazyLock<Mutex<HashMap<PasswordCommand, Run>>> = LazyLock::new(Mutex::default);

/// The last run of a command.
struct Run {
    began: Instant,
    outcome: Result<Secret, PasswordCommandError>,
    /// Redis has refused the password.
    refused: bool,
}

impl Run {
    /// Whether the command is to run again, and may.
    fn is_over(&self) -> bool {
        (self.refused || self.outcome.is_err()) && self.began.elapsed() >= REST
    }
}

/// Why a command gives no password. It quotes nothing of what the command has printed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum PasswordCommandError {
    #[error("it can't be run: {0}")]
    NotRun(String),
    #[error("it takes more than {} s", LIMIT.as_secs())]
    TimedOut,
    #[error("it failed ({0}); what it wrote to standard error is in the log of this program")]
    Failed(ExitStatus),
    #[error("it prints more than {} KiB", MOST / 1024)]
    TooLong,
    #[error("the first line of its output is empty")]
    Empty,
    #[error("the first line of its output is not UTF-8 text")]
    NotText,
}

impl PasswordCommandError {
    fn fault(&self, command: &PasswordCommand) -> Fault {
        let why = format!(
            "password_command {}: {self}; run it as this user to see what it does",
            command.shown()
        );
        Fault::new(FaultCode::PasswordCommand, why).at(Path::new(command.program()))
    }
}

/// The password: that of the last run, if Redis has not refused it, else that of a new one.
///
/// # Errors
/// The command gives none, or has given none a moment ago.
pub(super) async fn password(command: &PasswordCommand) -> Result<Secret, Fault> {
    let mut runs = RUNS.lock().await;
    let known = runs.get(command).filter(|run| !run.is_over());
    let outcome = match known {
        Some(run) => run.outcome.clone(),
        None => run_again(&mut runs, command).await,
    };
    outcome.map_err(|error| error.fault(command))
}

/// Another password than this, which Redis has refused. None if there is none yet: the command has run
/// a moment ago, or prints the same again.
///
/// # Errors
/// The command gives none.
pub(super) async fn another(
    command: &PasswordCommand,
    refused: &Secret,
) -> Result<Option<Secret>, Fault> {
    let mut runs = RUNS.lock().await;
    if let Some(run) = runs.get_mut(command)
        && run.outcome.as_ref() == Ok(refused)
    {
        run.refused = true;
    }
    let known = runs.get(command).filter(|run| !run.is_over());
    let outcome = match known {
        Some(run) => run.outcome.clone(),
        None => run_again(&mut runs, command).await,
    };
    let password = outcome.map_err(|error| error.fault(command))?;
    if password != *refused {
        return Ok(Some(password));
    }
    if let Some(run) = runs.get_mut(command) {
        run.refused = true;
    }
    Ok(None)
}

async fn run_again(
    runs: &mut HashMap<PasswordCommand, Run>,
    command: &PasswordCommand,
) -> Result<Secret, PasswordCommandError> {
    let began = Instant::now();
    let outcome = match timeout(LIMIT, run(command)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(PasswordCommandError::TimedOut),
    };
    let run = Run {
        began,
        outcome: outcome.clone(),
        refused: false,
    };
    runs.insert(command.clone(), run);
    outcome
}

/// Runs the command once. Dropping this kills it.
async fn run(command: &PasswordCommand) -> Result<Secret, PasswordCommandError> {
    let failed = |error: io::Error| PasswordCommandError::NotRun(error.to_string());
    let mut running = RunningCommand::start(command).map_err(failed)?;
    let mut printed = Vec::new();
    if let Some(output) = running.output() {
        let read = output.take(MOST + 1).read_to_end(&mut printed).await;
        read.map_err(failed)?;
    }
    if printed.len() as u64 > MOST {
        return Err(PasswordCommandError::TooLong);
    }
    let status = running.ended().await.map_err(failed)?;
    if !status.success() {
        return Err(PasswordCommandError::Failed(status));
    }
    first_line(&printed)
}

fn first_line(printed: &[u8]) -> Result<Secret, PasswordCommandError> {
    let line = printed.split(|&byte| byte == b'\n').next().unwrap_or(&[]);
    let line = std::str::from_utf8(line).map_err(|_| PasswordCommandError::NotText)?;
    match line.trim_end_matches('\r') {
        "" => Err(PasswordCommandError::Empty),
        line => Ok(Secret::new(line.to_owned())),
    }
}

/// A process of the command, which leads a group of its own. Dropping this kills the group.
struct RunningCommand {
    child: Child,
    group: Option<Pid>,
}

impl RunningCommand {
    fn start(command: &PasswordCommand) -> io::Result<RunningCommand> {
        let child = Command::new(command.program())
            .args(command.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(RunningCommand { child, group })
    }

    fn output(&mut self) -> Option<impl AsyncRead + Unpin> {
        self.child.stdout.take()
    }

    /// Waits until it has ended. After that its number may be another's.
    async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.group = None;
        Ok(status)
    }
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // It may be gone by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password() {
        for (printed, password) in [
            ("secret", Ok("secret")),
            ("secret\n", Ok("secret")),
            ("sec ret \r\nmore\n", Ok("sec ret ")),
            ("", Err(PasswordCommandError::Empty)),
            ("\r\nsecret", Err(PasswordCommandError::Empty)),
        ] {
            let read = first_line(printed.as_bytes());
            let read = read.as_ref().map(Secret::reveal).map_err(Clone::clone);
            assert_eq!(read, password, "{printed:?}");
        }
        assert_eq!(first_line(b"\xff\n"), Err(PasswordCommandError::NotText));
    }
}
