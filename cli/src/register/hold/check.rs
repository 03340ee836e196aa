//! The health check of a member.

use std::future::pending;
use std::time::{Duration, Instant};

use super::script::{self, RunningScript, ScriptOutcome};

/// A health check and how its results count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    /// The command, for the shell.
    pub(super) command: String,
    /// The time from the start of one run to the start of the next.
    pub(super) interval: Duration,
    /// How long one run may take.
    pub(super) timeout: Duration,
    /// Consecutive successes after which the machine is healthy.
    pub(super) rise: u32,
    /// Consecutive failures after which it is not.
    pub(super) fall: u32,
}

/// What a run of the check changed.
#[derive(Debug)]
pub(super) enum HealthEvent {
    /// The machine is healthy now.
    Healthy,
    /// The machine is not healthy, or no longer, since the check failed in this way.
    Unhealthy(ScriptOutcome),
    /// The check failed, but not often enough to count.
    Failing(ScriptOutcome),
    /// The first run found no program to run; the exit code for that.
    Broken(u8, ScriptOutcome),
}

/// Runs a check at intervals. Without a check the machine is healthy.
pub(super) struct HealthMonitor {
    check: Option<Check>,
    environment: Vec<(&'static str, String)>,
    healthy: bool,
    /// How many consecutive runs ended like the last one, and whether that passed.
    in_a_row: u32,
    passed: Option<bool>,
    next: Instant,
    /// The current run.
    running: Option<RunningScript>,
}

impl HealthMonitor {
    /// A monitor whose check has not run yet: until then the machine is not healthy.
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

    /// Whether the machine is healthy, by the runs so far.
    pub(super) fn is_healthy(&self) -> bool {
        self.healthy
    }

    /// Whether there is a check.
    pub(super) fn is_checked(&self) -> bool {
        self.check.is_some()
    }

    /// Waits for the next event. Cancellation safe.
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

    /// What a run changes, given those before it.
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
