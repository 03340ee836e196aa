//! Whether this machine is fit to be a member.

use std::future::pending;
use std::time::{Duration, Instant};

use super::script::{self, RunningScript, ScriptOutcome};

/// What is checked, and what is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    /// For the shell.
    pub(super) command: String,
    /// From the start of one run to that of the next.
    pub(super) interval: Duration,
    /// How long one run may take.
    pub(super) timeout: Duration,
    /// So many in a row that pass: healthy.
    pub(super) rise: u32,
    /// So many in a row that fail: not healthy.
    pub(super) fall: u32,
}

/// What a check brought to light.
#[derive(Debug)]
pub(super) enum HealthEvent {
    /// It is healthy now.
    Healthy,
    /// It is not healthy, or not any more, and why the check failed.
    Unhealthy(ScriptOutcome),
    /// It fails, not often enough in a row to mean something.
    Failing(ScriptOutcome),
    /// At the first run there was no program to run: the exit code for that.
    Broken(u8, ScriptOutcome),
}

/// Runs a check again and again. Without one everybody is healthy.
pub(super) struct HealthMonitor {
    check: Option<Check>,
    environment: Vec<(&'static str, String)>,
    healthy: bool,
    /// How many runs in a row ended as the last one, and how that was.
    in_a_row: u32,
    passed: Option<bool>,
    next: Instant,
    /// The run that is on.
    running: Option<RunningScript>,
}

impl HealthMonitor {
    /// One that has not looked yet: until then, with a check, nobody is healthy.
    pub(super) fn new(
        check: Option<Check>,
        environment: Vec<(&'static str, String)>,
    ) -> HealthMonitor {
        HealthMonitor {
            healthy: check.is_none(),
            check,
            environment,
            in_a_row: 0,
            passed: None,
            next: Instant::now(),
            running: None,
        }
    }

    /// Whether it is healthy as far as is known.
    pub(super) fn is_healthy(&self) -> bool {
        self.healthy
    }

    /// Whether anybody looks.
    pub(super) fn is_checked(&self) -> bool {
        self.check.is_some()
    }

    /// Waits until there is news. Given up half way nothing is lost.
    pub(super) async fn next(&mut self) -> HealthEvent {
        let Some(check) = self.check.clone() else {
            return pending().await;
        };
        loop {
            let run = match &mut self.running {
                Some(run) => run,
                None => {
                    tokio::time::sleep_until(self.next.into()).await;
                    self.next = Instant::now() + check.interval;
                    let environment = self.environment.clone();
                    let run = script::run(check.command.clone(), environment, check.timeout);
                    self.running.insert(Box::pin(run))
                }
            };
            let outcome = run.await;
            self.running = None;
            if let Some(next) = self.judge(&check, outcome) {
                return next;
            }
        }
    }

    /// What a run means after those before it.
    fn judge(&mut self, check: &Check, outcome: ScriptOutcome) -> Option<HealthEvent> {
        let passed = outcome.is_success();
        let first = self.passed.is_none();
        if self.passed.replace(passed) == Some(passed) {
            self.in_a_row = self.in_a_row.saturating_add(1);
        } else {
            self.in_a_row = 1;
        }
        if passed {
            let rises = !self.healthy && self.in_a_row >= check.rise;
            self.healthy |= rises;
            return rises.then_some(HealthEvent::Healthy);
        }
        if first && let Some(code) = outcome.broken() {
            return Some(HealthEvent::Broken(code, outcome));
        }
        if !self.healthy || self.in_a_row >= check.fall {
            self.healthy = false;
            return Some(HealthEvent::Unhealthy(outcome));
        }
        Some(HealthEvent::Failing(outcome))
    }
}
