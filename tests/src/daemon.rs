//! The real `cloudhosts-cached`, inside a sandbox.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use serde_json::Value;

use crate::process::{Process, Signal};
use crate::sandbox::{Entrance, Sandbox};
use crate::{programs, wait};

/// Where the configuration is, inside.
pub const CONFIG: &str = "/etc/cloudhosts/cloudhosts.toml";
/// Where the status is, inside.
pub const STATUS: &str = "/run/cloudhosts/status.json";

/// A daemon, running or not.
#[derive(Debug)]
pub struct Daemon {
    entrance: Entrance,
    config: PathBuf,
    status: PathBuf,
    log: PathBuf,
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, PathBuf)>,
    process: Option<Process>,
}

impl Daemon {
    /// One that does not run yet.
    pub fn new(sandbox: &Sandbox) -> Daemon {
        Daemon {
            entrance: sandbox.entrance().clone(),
            config: sandbox.outside(CONFIG),
            status: sandbox.outside(STATUS),
            log: sandbox.outside("/run/daemon.log"),
            program: programs::find(programs::DAEMON),
            arguments: Vec::new(),
            environment: Vec::new(),
            process: None,
        }
    }

    /// One that does not run yet, with its configuration, log and status in that directory: it is
    /// to be configured to have its socket and its state there too.
    pub fn elsewhere(sandbox: &Sandbox, directory: &Path) -> Daemon {
        let config = directory.join("cloudhosts.toml");
        Daemon {
            arguments: vec!["--config".to_owned(), config.display().to_string()],
            config,
            status: directory.join("status.json"),
            log: directory.join("daemon.log"),
            ..Daemon::new(sandbox)
        }
    }

    /// Writes its configuration, which it reads at the next start, or on SIGHUP.
    pub fn configure(&self, text: &str) {
        std::fs::write(&self.config, text).expect("a file of our own");
    }

    /// Arguments for the next start.
    pub fn set_arguments(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|&one| one.to_owned()).collect();
    }

    /// One variable of the environment for the next start.
    pub fn set_variable(&mut self, name: &str, value: impl Into<PathBuf>) {
        self.environment.push((name.to_owned(), value.into()));
    }

    /// Where another log and another status are to be looked for: a second daemon's.
    pub fn with_files(mut self, log: PathBuf, status: PathBuf) -> Daemon {
        self.log = log;
        self.status = status;
        self
    }

    /// Starts it. The log goes on where it was.
    pub fn start(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .expect("a file of our own");
        let mut command = self.entrance.background(&self.program);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor"))
            .stderr(log);
        // what the one before left says nothing of this one
        let _ = std::fs::remove_file(&self.status);
        self.process = Some(Process::start(command));
    }

    /// Sends it a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.process
            .as_mut()
            .expect("it was started")
            .signal(signal);
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// SIGTERM, and how it left.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        self.process.take().expect("it was started").wait()
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        self.process
            .as_mut()
            .is_some_and(|process| process.ended().is_none())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("it was started").id()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What `status.json` says; null when there is none.
    pub fn status(&self) -> Value {
        std::fs::read(&self.status)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or(Value::Null)
    }

    /// Waits until the status is as wanted, and gives it.
    pub fn wait_for(&self, what: &str, good: impl Fn(&Value) -> bool) -> Value {
        wait::until_seen(
            &format!("the daemon's status: {what}"),
            || self.status(),
            good,
        )
    }

    /// Waits until it is in that state.
    pub fn wait_for_state(&self, state: &str) -> Value {
        self.wait_for(&format!("state {state}"), |status| status["state"] == state)
    }

    /// Waits until it reports that field of that hash as rejected; the reason.
    pub fn wait_for_rejected(&self, hash: &str, field: &str) -> String {
        wait::until(
            &format!("{field} in {hash} is reported as rejected"),
            || rejected(&self.status(), hash, field),
        )
    }
}

/// The reason for which a field is rejected.
pub fn rejected(status: &Value, hash: &str, field: &str) -> Option<String> {
    let all = status["rejected"]["fields"].as_array()?;
    let one = all
        .iter()
        .find(|one| one["hash"] == hash && one["field"] == field)?;
    Some(one["reason"].as_str()?.to_owned())
}
