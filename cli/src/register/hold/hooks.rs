//! The commands that run when a role is acquired or lost.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use cloudhosts_config::printable::Escaped;

use super::script::{self, RunningScript};

/// When a hook is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HookEvent {
    /// The role is held now.
    Acquire,
    /// It was held, and is not any more.
    Loss,
}

/// The commands of the hooks.
#[derive(Debug, Clone, Default)]
pub(super) struct HookCommands {
    /// On [`HookEvent::Acquire`], for the shell.
    pub(super) acquire: Option<String>,
    /// On [`HookEvent::Loss`].
    pub(super) loss: Option<String>,
    /// Each is killed after this time.
    pub(super) timeout: Duration,
}

/// Runs hooks one after the other, in the order of the events.
pub(super) struct Hooks {
    commands: HookCommands,
    waiting: VecDeque<(HookEvent, Vec<(&'static str, String)>)>,
    /// The current one.
    running: Option<(HookEvent, RunningScript)>,
}

impl Hooks {
    /// Hooks of which none runs yet.
    pub(super) fn new(commands: HookCommands) -> Hooks {
        Hooks {
            commands,
            waiting: VecDeque::new(),
            running: None,
        }
    }

    /// Queues the hook for an event, with its environment.
    pub(super) fn push(&mut self, event: HookEvent, environment: Vec<(&'static str, String)>) {
        if self.commands.at(event).is_some() {
            self.waiting.push_back((event, environment));
        }
    }

    /// Whether all have ended.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_none() && self.waiting.is_empty()
    }

    /// Waits until one has ended, and reports it if it failed. Cancellation safe.
    pub(super) async fn ended(&mut self) {
        if self.running.is_none() {
            self.start();
        }
        let Some((event, run)) = &mut self.running else {
            return pending().await;
        };
        let (event, report) = (*event, run.await);
        self.running = None;
        if !report.is_success() {
            let hook = Escaped(self.commands.at(event).unwrap_or_default());
            let option = event.option();
            eprintln!("cloudhosts: {option} '{hook}' failed: {report}");
        }
    }

    fn start(&mut self) {
        let Some((event, environment)) = self.waiting.pop_front() else {
            return;
        };
        let command = self.commands.at(event).unwrap_or_default().to_owned();
        let run = script::run(command, environment, self.commands.timeout);
        self.running = Some((event, Box::pin(run)));
    }
}

impl HookCommands {
    fn at(&self, event: HookEvent) -> Option<&str> {
        match event {
            HookEvent::Acquire => self.acquire.as_deref(),
            HookEvent::Loss => self.loss.as_deref(),
        }
    }
}

impl HookEvent {
    fn option(self) -> &'static str {
        match self {
            HookEvent::Acquire => "--on-acquire",
            HookEvent::Loss => "--on-loss",
        }
    }
}
