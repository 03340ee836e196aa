//! What an administrator has run when a role is acquired or lost.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use super::script::{self, Running};
use crate::outcome::Plain;

/// When a hook is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// The role is held now.
    Acquire,
    /// It was held, and is not any more.
    Loss,
}

/// What is to be run.
#[derive(Debug, Clone, Default)]
pub(super) struct Commands {
    /// On [`Moment::Acquire`], for the shell.
    pub(super) acquire: Option<String>,
    /// On [`Moment::Loss`].
    pub(super) loss: Option<String>,
    /// How long each may take.
    pub(super) timeout: Duration,
}

/// Runs hooks one after the other, in the order of what happened.
pub(super) struct Hooks {
    commands: Commands,
    waiting: VecDeque<(Moment, Vec<(&'static str, String)>)>,
    /// The one that runs.
    running: Option<(Moment, Running)>,
}

impl Hooks {
    /// None runs yet.
    pub(super) fn new(commands: Commands) -> Hooks {
        Hooks {
            commands,
            waiting: VecDeque::new(),
            running: None,
        }
    }

    /// Something has happened. What is run for it is told so.
    pub(super) fn push(&mut self, moment: Moment, environment: Vec<(&'static str, String)>) {
        if self.commands.at(moment).is_some() {
            self.waiting.push_back((moment, environment));
        }
    }

    /// Whether all have ended.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_none() && self.waiting.is_empty()
    }

    /// Waits until one has ended, and says it where that failed. Given up half
    /// way nothing is lost.
    pub(super) async fn ended(&mut self) {
        if self.running.is_none() {
            self.start();
        }
        let Some((moment, run)) = &mut self.running else {
            return pending().await;
        };
        let (moment, report) = (*moment, run.await);
        self.running = None;
        if !report.is_success() {
            let hook = Plain(self.commands.at(moment).unwrap_or_default());
            let option = moment.option();
            eprintln!("cloudhosts: {option} '{hook}' failed: {report}");
        }
    }

    fn start(&mut self) {
        let Some((moment, environment)) = self.waiting.pop_front() else {
            return;
        };
        let command = self.commands.at(moment).unwrap_or_default().to_owned();
        let run = script::run(command, environment, self.commands.timeout);
        self.running = Some((moment, Box::pin(run)));
    }
}

impl Commands {
    fn at(&self, moment: Moment) -> Option<&str> {
        match moment {
            Moment::Acquire => self.acquire.as_deref(),
            Moment::Loss => self.loss.as_deref(),
        }
    }
}

impl Moment {
    fn option(self) -> &'static str {
        match self {
            Moment::Acquire => "--on-acquire",
            Moment::Loss => "--on-loss",
        }
    }
}
