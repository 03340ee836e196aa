//! What is done when a role is acquired, held and lost.
//!
//! One loop waits for whatever happens next: a signal, the end of the command, a
//! check, a hook, an answer of Redis, the end of the lease. Each event changes
//! what is known ([`Supervisor::take`]); then what should be so is compared with
//! what is so, and the difference made ([`Supervisor::settle`]). Nothing else
//! starts or stops anything.
//!
//! - A command of a role that is not exclusive runs from the first attempt on,
//!   whatever becomes of the membership; its end is the end.
//! - A command of an exclusive role runs while the role is held. It is started
//!   after the hook, and stopped, with all that it has started, before the lease
//!   ends. The role is left only when that and the hook of its loss have ended, so
//!   that the next holder finds nobody.

use std::time::{Duration, Instant};

use cloudhosts_registry::register::{RegisterError, Renewal};
use rustix::process::Signal;

use super::super::signals::{Signals, is_an_end};
use super::announce::Announcer;
use super::awake::{Awake, awake_until};
use super::check::{Health, News};
use super::hooks::{Hooks, Moment};
use super::job::{Ended, Job, NotStarted};
use super::membership::{Membership, Step};
use crate::outcome::{Failure, Outcome};
use crate::progress::Progress;

/// How one member of a role is supervised.
pub(super) struct Supervisor {
    pub(super) signals: Signals,
    pub(super) membership: Membership,
    pub(super) health: Health,
    pub(super) hooks: Hooks,
    pub(super) job: Job,
    pub(super) announcer: Announcer,
    pub(super) rules: Rules,
    pub(super) state: State,
}

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// There is one holder, and the others stand by.
    pub(super) exclusive: bool,
    pub(super) lease: Duration,
    /// How long the command may take to end once it was told to.
    pub(super) stop_timeout: Duration,
}

/// How far it has come.
#[derive(Debug, Default)]
pub(super) struct State {
    /// A first attempt was made.
    begun: bool,
    /// The role is held, as far as hooks and command know.
    held: Option<Tenure>,
    /// It is held no more; hooks and command are to be told.
    losing: bool,
    /// What comes of it, when all of it is to end.
    ending: Option<Result<Outcome, Failure>>,
}

/// From when a role was acquired until it is lost.
#[derive(Debug, Clone)]
struct Tenure {
    term: Option<u64>,
    addresses: String,
}

/// What happens.
enum Event {
    Signal(Signal),
    JobEnded(Ended),
    JobOverdue,
    LeaseRunsOut,
    HookEnded,
    News(News),
    Step(Step),
}

impl Supervisor {
    /// Runs until it has ended.
    ///
    /// # Errors
    /// The first attempt was refused, and will be again.
    pub(super) async fn run(mut self) -> Result<Outcome, Failure> {
        self.settle();
        let mut waiting = self.progress();
        loop {
            if self.is_over()
                && let Some(ending) = self.state.ending.take()
            {
                return ending;
            }
            let event = self.next().await;
            if !matches!(event, Event::News(News::Healthy)) {
                // Whatever follows from it is told, or tells something itself.
                drop(waiting.take());
            }
            self.take(event);
            self.settle();
        }
    }

    /// What a terminal shows until there is something to tell.
    fn progress(&self) -> Option<Progress> {
        let role = self.membership.role();
        let text = format!("Waiting to hold {role}...");
        (!self.job.is_running()).then(|| Progress::waiting(&text))
    }

    async fn next(&mut self) -> Event {
        let wanted = self.is_wanted();
        let surrender = self.surrender().map(Awake::at);
        let overdue = self.overdue().map(Awake::at);
        tokio::select! {
            biased;
            signal = self.signals.next() => Event::Signal(signal),
            ended = self.job.ended() => Event::JobEnded(ended),
            () = awake_until(overdue) => Event::JobOverdue,
            () = awake_until(surrender) => Event::LeaseRunsOut,
            () = self.hooks.ended() => Event::HookEnded,
            news = self.health.news() => Event::News(news),
            step = self.membership.step(wanted) => Event::Step(step),
        }
    }

    /// Whether Redis is to have us, as a member or a standby.
    fn is_wanted(&self) -> bool {
        // Nobody else is to hold it as long as the command or a hook runs.
        let held = self.rules.exclusive && self.membership.expires().is_some();
        self.is_fit() || (held && (self.job.is_running() || !self.hooks.is_idle()))
    }

    /// Whether this machine may hold the role.
    fn is_fit(&self) -> bool {
        self.state.ending.is_none() && self.health.is_healthy()
    }

    /// When to give up what could not be renewed: early enough for the command
    /// to have ended when somebody else may hold the role.
    fn surrender(&self) -> Option<Instant> {
        let held = self.rules.exclusive && self.state.held.is_some() && !self.state.losing;
        let expires = self.membership.expires().filter(|_| held)?;
        expires.checked_sub(self.rules.lease / 3)
    }

    /// Whether nothing is left that is to come to its end.
    fn is_over(&self) -> bool {
        self.state.held.is_none()
            && !self.job.is_running()
            && self.hooks.is_idle()
            && !self.membership.is_joined()
    }

    fn take(&mut self, event: Event) {
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
            Event::News(news) => self.checked(news),
            Event::Step(Step::Renewed(beat)) => self.renewed(beat),
            Event::Step(Step::Left(Ok(ended))) => {
                let (role, places) = (self.membership.role(), self.membership.places());
                self.announcer.left(role, places, &ended);
            }
            Event::Step(Step::Left(Err(trouble))) => self.not_left(&trouble),
        }
    }

    /// A command is sent what we are; without one a signal is the end.
    fn signalled(&mut self, signal: Signal) {
        if self.job.is_running() && !self.job.is_stopping() {
            self.job.pass(signal);
        } else if is_an_end(signal) {
            self.end(Ok(Outcome::Yes));
        }
    }

    fn checked(&mut self, news: News) {
        let role = self.membership.role();
        match news {
            News::Healthy => {}
            News::Failing(report) => self.announcer.failing(role, &report.to_string()),
            News::Unhealthy(report) => {
                self.announcer.unhealthy(role, &report.to_string());
                self.state.losing = self.state.held.is_some();
            }
            News::Broken(code, report) => {
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
                // What is being given up is acquired anew after that.
                if !self.state.losing && self.is_fit() {
                    let lease = self.rules.lease;
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

    /// It is held. In another term than before somebody else held it meanwhile.
    fn acquired(&mut self, term: Option<u64>) {
        match &self.state.held {
            Some(tenure) if tenure.term == term => {}
            Some(_) => self.state.losing = true,
            None => {
                self.state.held = Some(Tenure {
                    term,
                    addresses: self.membership.addresses(),
                });
                self.hooks.push(Moment::Acquire, self.environment());
            }
        }
    }

    fn not_renewed(&mut self, why: &str) {
        let held = self.state.held.is_some();
        self.announcer
            .not_renewed(self.membership.role(), held, why);
    }

    fn not_left(&mut self, trouble: &RegisterError) {
        let (role, lease) = (self.membership.role(), self.rules.lease);
        self.announcer.not_left(role, &trouble.to_string(), lease);
        if self.state.ending.is_some() {
            self.membership.give_up();
        }
    }

    /// All of it is to end. The first reason counts.
    fn end(&mut self, outcome: Result<Outcome, Failure>) {
        if self.state.ending.is_none() {
            Announcer::stopping();
        }
        self.state.ending.get_or_insert(outcome);
        self.state.losing = self.state.held.is_some();
    }

    /// Starts and stops what is to run and what is not.
    fn settle(&mut self) {
        let tied = self.rules.exclusive || self.state.ending.is_some();
        if self.state.losing || self.state.ending.is_some() {
            if tied && self.job.is_running() {
                self.job.stop(Instant::now() + self.rules.stop_timeout);
            } else if let Some(tenure) = &self.state.held {
                self.hooks.push(Moment::Loss, self.environment_of(tenure));
                self.state.held = None;
            }
            self.state.losing = self.state.held.is_some();
        }
        if self.may_start()
            && let Err(NotStarted(code)) = self.job.start(self.environment())
        {
            self.end(Ok(Outcome::Code(code)));
            self.settle();
        }
    }

    fn may_start(&self) -> bool {
        let state = &self.state;
        let now = match self.rules.exclusive {
            true => state.held.is_some() && !state.losing && self.hooks.is_idle(),
            // What is checked may be the command.
            false => state.begun || self.health.is_checked(),
        };
        now && state.ending.is_none()
    }

    /// When a command that was told to end is killed: after its time, and when
    /// somebody else may hold the role.
    fn overdue(&self) -> Option<Instant> {
        let deadline = self.job.deadline()?;
        match self.membership.expires() {
            Some(expires) if self.rules.exclusive => Some(deadline.min(expires)),
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
