//! What happens when a role is acquired, held and lost.
//!
//! One loop waits for the next event: a signal, the exit of the command, a check, a
//! hook, an answer of Redis, the end of the lease. Each event changes the state
//! ([`Supervisor::handle`]); then what should run is compared with what runs, and started or
//! stopped ([`Supervisor::reconcile`]). Nothing else starts or stops anything.
//!
//! - The command of a role that is not exclusive runs from the first attempt on,
//!   whatever happens to the membership; when it exits, everything ends.
//! - The command of an exclusive role runs while the role is held. It is started
//!   after the hook, and stopped, with its process group, before the lease ends. The role
//!   is left only when the command and the hook of the loss have ended, so that nothing of
//!   this holder runs when the next one starts.

use std::time::{Duration, Instant};

use cloudhosts_registry::register::{RegisterError, Renewal};
use rustix::process::Signal;

use super::announce::Announcer;
use super::boottime::{BootTime, sleep_until};
use super::check::{HealthEvent, HealthMonitor};
use super::hooks::{HookEvent, Hooks};
use super::job::{Job, JobExit, NotStarted};
use super::membership::{Membership, MembershipEvent};
use super::signals::{Signals, ends_holder};
use crate::outcome::{Failure, Outcome};
use crate::progress::Progress;

/// How one member of a role is supervised.
pub(super) struct Supervisor {
    pub(super) signals: Signals,
    pub(super) membership: Membership,
    pub(super) health: HealthMonitor,
    pub(super) hooks: Hooks,
    pub(super) job: Job,
    pub(super) announcer: Announcer,
    pub(super) policy: HoldPolicy,
    pub(super) state: SupervisorState,
}

/// The policy by the command line.
#[derive(Debug, Clone, Copy)]
pub(super) struct HoldPolicy {
    /// There is a single holder; the others stand by.
    pub(super) exclusive: bool,
    pub(super) lease: Duration,
    /// How long the command may take to end once it was told to.
    pub(super) stop_timeout: Duration,
}

/// What is known so far.
#[derive(Debug, Default)]
pub(super) struct SupervisorState {
    /// A first attempt was made.
    begun: bool,
    /// The role is held, as far as hooks and command know.
    held: Option<Tenure>,
    /// It is lost, and hooks and command have still to be told.
    losing: bool,
    /// Set when everything is to end: the result.
    ending: Option<Result<Outcome, Failure>>,
}

/// From when a role was acquired until it is lost.
#[derive(Debug, Clone)]
struct Tenure {
    term: Option<u64>,
    addresses: String,
}

/// What the loop waits for.
enum Event {
    Signal(Signal),
    JobEnded(JobExit),
    JobOverdue,
    LeaseRunsOut,
    HookEnded,
    HealthEvent(HealthEvent),
    MembershipEvent(MembershipEvent),
}

impl Supervisor {
    /// Runs until it has ended.
    ///
    /// # Errors
    /// The first attempt was refused, and will be again.
    pub(super) async fn run(mut self) -> Result<Outcome, Failure> {
        self.reconcile();
        let mut waiting = self.progress();
        loop {
            if self.is_over()
                && let Some(ending) = self.state.ending.take()
            {
                return ending;
            }
            let event = self.next().await;
            if !matches!(event, Event::HealthEvent(HealthEvent::Healthy)) {
                // Whatever follows is announced.
                drop(waiting.take());
            }
            self.handle(event);
            self.reconcile();
        }
    }

    /// Shown on a terminal until there is something to announce.
    fn progress(&self) -> Option<Progress> {
        let role = self.membership.role();
        let text = format!("Waiting to hold {role}...");
        (!self.job.is_running()).then(|| Progress::waiting(&text))
    }

    async fn next(&mut self) -> Event {
        let wanted = self.is_wanted();
        let surrender = self.surrender().map(BootTime::at);
        let overdue = self.overdue().map(BootTime::at);
        tokio::select! {
            biased;
            signal = self.signals.next() => Event::Signal(signal),
            ended = self.job.ended() => Event::JobEnded(ended),
            () = sleep_until(overdue) => Event::JobOverdue,
            () = sleep_until(surrender) => Event::LeaseRunsOut,
            () = self.hooks.ended() => Event::HookEnded,
            news = self.health.next() => Event::HealthEvent(news),
            step = self.membership.step(wanted) => Event::MembershipEvent(step),
        }
    }

    /// Whether this machine should be a member or a standby.
    fn is_wanted(&self) -> bool {
        // No other machine may hold it as long as the command or a hook runs.
        let held = self.policy.exclusive && self.membership.expires().is_some();
        self.is_fit() || (held && (self.job.is_running() || !self.hooks.is_idle()))
    }

    /// Whether this machine may hold the role.
    fn is_fit(&self) -> bool {
        self.state.ending.is_none() && self.health.is_healthy()
    }

    /// When to give up a role that could not be renewed: early enough for the command
    /// to have exited before another machine may hold the role.
    fn surrender(&self) -> Option<Instant> {
        let held = self.policy.exclusive && self.state.held.is_some() && !self.state.losing;
        let expires = self.membership.expires().filter(|_| held)?;
        expires.checked_sub(self.policy.lease / 3)
    }

    /// Whether everything has ended.
    fn is_over(&self) -> bool {
        self.state.held.is_none()
            && !self.job.is_running()
            && self.hooks.is_idle()
            && !self.membership.is_joined()
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Signal(signal) => self.signalled(signal),
            Event::JobEnded(ended) if !ended.told_to => self.end(Ok(Outcome::Code(ended.code))),
            Event::JobEnded(_) | Event::HookEnded => {}
            Event::JobOverdue => self.job.kill(),
            Event::LeaseRunsOut => {
                let expires = self.membership.expires();
                let left = expires.map(|at| at.saturating_duration_since(Instant::now()));
                let role = self.membership.role();
                self.announcer.surrendered(role, left.unwrap_or_default());
                self.state.losing = true;
            }
            Event::HealthEvent(news) => self.checked(news),
            Event::MembershipEvent(MembershipEvent::Renewed(beat)) => self.renewed(beat),
            Event::MembershipEvent(MembershipEvent::Left(Ok(ended))) => {
                let (role, places) = (self.membership.role(), self.membership.places());
                self.announcer.left(role, places, &ended);
            }
            Event::MembershipEvent(MembershipEvent::Left(Err(trouble))) => self.not_left(&trouble),
        }
    }

    /// Passes the signal to the command; without one it ends everything.
    fn signalled(&mut self, signal: Signal) {
        if self.job.is_running() && !self.job.is_stopping() {
            self.job.pass(signal);
        } else if ends_holder(signal) {
            self.end(Ok(Outcome::Yes));
        }
    }

    fn checked(&mut self, news: HealthEvent) {
        let role = self.membership.role();
        match news {
            HealthEvent::Healthy => {}
            HealthEvent::Failing(report) => self.announcer.failing(role, &report.to_string()),
            HealthEvent::Unhealthy(report) => {
                self.announcer.unhealthy(role, &report.to_string());
                self.state.losing = self.state.held.is_some();
            }
            HealthEvent::Broken(code, report) => {
                self.announcer.unhealthy(role, &report.to_string());
                self.end(Ok(Outcome::Code(code)));
            }
        }
    }

    fn renewed(&mut self, beat: Result<Renewal, Failure>) {
        let first = !std::mem::replace(&mut self.state.begun, true);
        let role = self.membership.role();
        match beat {
            Ok(Renewal::Held { done, term, .. }) => {
                // A role that is being given up is acquired again afterwards.
                if !self.state.losing && self.is_fit() {
                    let lease = self.policy.lease;
                    self.announcer.held(&self.membership, &done, term, lease);
                    self.acquired(term);
                }
            }
            Ok(Renewal::Standby { holder, ended }) => {
                if let Some(ended) = ended {
                    self.announcer.ended(role, &ended);
                }
                self.announcer.standby(role, &holder);
                self.state.losing = self.state.held.is_some();
            }
            Ok(Renewal::Ended(ended)) => {
                self.announcer.ended(role, &ended);
                self.end(Ok(Outcome::Ended));
            }
            Ok(Renewal::Failed(trouble)) if first && !trouble.may_pass() => {
                let why = format!("can't hold {role}: {trouble}");
                self.membership.give_up();
                self.end(Err(Failure::Unreachable(why)));
            }
            Ok(Renewal::Failed(trouble)) => self.not_renewed(&trouble.to_string()),
            Err(failure @ Failure::Usage(_)) if first => self.end(Err(failure)),
            Err(failure) => self.not_renewed(&failure.to_string()),
        }
    }

    /// The role is held. If the term changed, another machine held it in between.
    fn acquired(&mut self, term: Option<u64>) {
        match &self.state.held {
            Some(tenure) if tenure.term == term => {}
            Some(_) => self.state.losing = true,
            None => {
                self.state.held = Some(Tenure {
                    term,
                    addresses: self.membership.addresses(),
                });
                self.hooks.push(HookEvent::Acquire, self.environment());
            }
        }
    }

    fn not_renewed(&mut self, why: &str) {
        let held = self.state.held.is_some();
        self.announcer
            .not_renewed(self.membership.role(), held, why);
    }

    fn not_left(&mut self, trouble: &RegisterError) {
        let (role, lease) = (self.membership.role(), self.policy.lease);
        self.announcer.not_left(role, &trouble.to_string(), lease);
        if self.state.ending.is_some() {
            self.membership.give_up();
        }
    }

    /// Ends everything. The first reason counts.
    fn end(&mut self, outcome: Result<Outcome, Failure>) {
        if self.state.ending.is_none() {
            Announcer::stopping();
        }
        self.state.ending.get_or_insert(outcome);
        self.state.losing = self.state.held.is_some();
    }

    /// Starts what should run, and stops what should not.
    fn reconcile(&mut self) {
        let tied = self.policy.exclusive || self.state.ending.is_some();
        if self.state.losing || self.state.ending.is_some() {
            if tied && self.job.is_running() {
                self.job.stop(Instant::now() + self.policy.stop_timeout);
            } else if let Some(tenure) = &self.state.held {
                self.hooks
                    .push(HookEvent::Loss, self.environment_of(tenure));
                self.state.held = None;
            }
            self.state.losing = self.state.held.is_some();
        }
        if self.may_start()
            && let Err(NotStarted(code)) = self.job.start(self.environment())
        {
            self.end(Ok(Outcome::Code(code)));
            self.reconcile();
        }
    }

    fn may_start(&self) -> bool {
        let state = &self.state;
        let now = if self.policy.exclusive {
            state.held.is_some() && !state.losing && self.hooks.is_idle()
        } else {
            // What is checked may be the command.
            state.begun || self.health.is_checked()
        };
        now && state.ending.is_none()
    }

    /// When a command that was told to exit is killed: after the timeout, or when another
    /// machine may hold the role.
    fn overdue(&self) -> Option<Instant> {
        let deadline = self.job.deadline()?;
        match self.membership.expires() {
            Some(expires) if self.policy.exclusive => Some(deadline.min(expires)),
            _ => Some(deadline),
        }
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        match &self.state.held {
            Some(tenure) => self.environment_of(tenure),
            None => self.environment_of(&Tenure {
                term: None,
                addresses: self.membership.addresses(),
            }),
        }
    }

    fn environment_of(&self, tenure: &Tenure) -> Vec<(&'static str, String)> {
        let role = self.membership.role();
        let mut all = vec![
            ("CLOUDHOSTS_ROLE", role.name().to_owned()),
            (
                "CLOUDHOSTS_MEMBER",
                role.member().unwrap_or_default().to_owned(),
            ),
            ("CLOUDHOSTS_ADDRESSES", tenure.addresses.clone()),
        ];
        all.extend(
            tenure
                .term
                .map(|term| ("CLOUDHOSTS_TERM", term.to_string())),
        );
        all
    }
}
