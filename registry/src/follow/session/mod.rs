//! One connection, from its first request until it is lost.
//!
//! # The protocol
//!
//! Every request is one transaction. It asks each hash for its length and for
//! what is new in its log, and besides for one thing at most: a step of a scan,
//! or roles that must be read again. So whatever else is going on, each answer
//! brings every hash up to what was logged by that moment, and what a scan reads
//! is compared with what was known at that same moment.
//!
//! 1. *Greeting.* The first request asks for the logs, and what Redis says of
//!    itself. If our entry is still in a log, what was logged meanwhile is known
//!    by that, and told at once.
//! 2. *First round.* Every hash is scanned, since there may have been changes
//!    that were not logged.
//! 3. *Watching.* Redis pushes what changes. A push of a log is followed by a
//!    request for the logs, and that is all a logged change takes. A hash that
//!    is pushed before its log, or whose length is not what it should be, was
//!    changed without the log, and is scanned.
//! 4. *Resync.* From time to time every hash is scanned although nothing was
//!    pushed: a change that is not logged is not pushed if it comes between the
//!    push of another change and the request that follows it.
//!
//! What a scan found is used as it is if it is of one moment: it was read by one
//! request, or nothing but the log has changed the hash meanwhile; and there is
//! no other hash that is known to have changed and was not read. Otherwise the
//! roles that changed are read again ([`confirmation`](super::reread)),
//! and those in which fields are missing have to wait
//! ([`unsettled`](super::deferred_roles)).

mod finish_scans;
mod next_request;
mod publish;
mod receive;
mod request_plan;
mod reread_roles;
mod resync;
mod send;

use super::backoff::random;
use super::event::Event;
use super::follower_state::FollowerState;
use super::hash::Hash;
use super::load::Load;
use super::reread::RereadQueue;
use super::round::Round;
use super::scheduled_scan::ScanCause;
use super::timerfd::TimerFd;
use crate::connect::{Connection, Pushed};
use crate::fault::Fault;
use cloudhosts_config::Config;
use request_plan::{InfoDepth, RequestPlan};
use resync::IDLE;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;

/// What there is to do.
enum Task {
    Ask(RequestPlan),
    /// Everything is to be read again.
    Resync,
    Ping,
    /// Something may have been pushed.
    Wake,
    Stop(Fault),
}

/// What the user may not ask for. It is done without.
#[derive(Debug, Default)]
struct Denied {
    info: bool,
    time_to_live: bool,
    fields: bool,
}

/// One connection at work.
pub(in crate::follow) struct Session<'a> {
    config: &'a Config,
    events: &'a Sender<Event>,
    state: &'a mut FollowerState,
    connection: Connection,
    denied: Denied,
    logs_read: bool,
    run_id: String,
    /// The number of the last scan that began.
    scans: u64,
    /// The flushes that were noticed.
    flushes: u64,
    /// The last request was asked without a transaction.
    plain: bool,
    /// Among what is yet to be told are changes that logs told of.
    logged: bool,
    /// How long the answer took that is being compared.
    took: Duration,
    /// Scans that have yet to be closed, all by one request, and how much that
    /// is to ask.
    closing: (Vec<usize>, InfoDepth),
    rereads: RereadQueue,
    round: Option<Round>,
    resync_at: Instant,
    /// Whether everything was read once.
    complete: bool,
    attempts: u8,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        config: &'a Config,
        events: &'a Sender<Event>,
        state: &'a mut FollowerState,
        connection: Connection,
    ) -> Session<'a> {
        let hashes = state.hashes.len();
        state.hashes.iter_mut().for_each(Hash::connected);
        Session {
            config,
            events,
            state,
            connection,
            denied: Denied::default(),
            logs_read: false,
            run_id: String::new(),
            scans: 0,
            flushes: 0,
            plain: false,
            logged: false,
            took: Duration::ZERO,
            closing: (Vec::new(), InfoDepth::Nothing),
            rereads: RereadQueue::default(),
            round: Some(Round::new(hashes)),
            resync_at: Instant::now(),
            complete: false,
            attempts: 0,
        }
    }
}

impl Session<'_> {
    /// Whether everything was read at least once.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Follows until the connection is lost, and says why it was.
    pub(super) async fn run(&mut self) -> Fault {
        let timer = match TimerFd::new() {
            Ok(timer) => timer,
            Err(error) => return Fault::system(format_args!("cannot make a timer: {error}")),
        };
        let why = loop {
            let done = match self.next(&timer).await {
                Task::Ask(plan) => self.ask(plan).await,
                Task::Resync => self.resync().await,
                Task::Ping => self.ping().await,
                Task::Wake => Ok(()),
                Task::Stop(why) => Err(why),
            };
            if let Err(why) = done {
                break why;
            }
        };
        self.state.failed = true;
        why
    }

    fn polls(&self) -> bool {
        self.connection.no_tracking.is_some()
    }

    /// What a scan of everything costs Redis.
    fn cost(&self) -> Duration {
        let costs = self.state.hashes.iter().map(|hash| hash.pacer.cost());
        costs.sum()
    }

    /// How long Redis may be silent while it owes an answer.
    fn patience(&self) -> Duration {
        self.state.load.patience(self.cost())
    }

    /// Waits for something to do.
    async fn next(&mut self, timer: &TimerFd) -> Task {
        let now = Instant::now();
        self.note_pushes(now);
        if self.round.is_none() && self.resync_at <= now {
            return Task::Resync;
        }
        if let Some(plan) = self.next_request(now) {
            return Task::Ask(plan);
        }
        let ping_at = self.connection.link.last() + IDLE;
        let resync_at = self.round.is_none().then_some(self.resync_at);
        let scans = self.state.hashes.iter().filter_map(Hash::due);
        let due = scans
            .chain(resync_at)
            .chain(self.connection.again_at())
            .fold(ping_at, Instant::min);
        tokio::select! {
            biased;
            why = self.connection.link.lost() => Task::Stop(why),
            why = self.connection.superseded() => Task::Stop(why),
            () = self.connection.invalidations.wait() => Task::Wake,
            rung = timer.at(due) => match rung {
                Err(error) => Task::Stop(Fault::system(format_args!("the timer fails: {error}"))),
                Ok(()) if ping_at <= due => Task::Ping,
                Ok(()) => Task::Wake,
            },
        }
    }

    /// Takes note of what was pushed, and of what is to be tried again.
    fn note_pushes(&mut self, now: Instant) {
        for index in self.connection.take_due(now) {
            if let Some(hash) = self.state.hashes.get_mut(index) {
                hash.try_what_was_denied();
                hash.schedule_scan(ScanCause::Change, now);
            }
        }
        let flushes = self.connection.invalidations.flushes();
        let flushed = flushes != self.flushes;
        self.flushes = flushes;
        let unread = self.connection.invalidations.unread();
        let load = self.state.load;
        for (hash, pushed) in self.state.hashes.iter_mut().zip(unread) {
            let due = turn(load, hash, now);
            if flushed {
                hash.flushed(flushes, due);
            }
            if pushed == Pushed::Hash && !hash.is_suspected() {
                hash.schedule_scan(ScanCause::Change, due);
            }
        }
    }
}

/// When a hash is scanned that has changed now: a fleet takes turns.
fn turn(load: Load, hash: &Hash, now: Instant) -> Instant {
    now + load.spread(hash.pacer.cost(), random())
}

pub(super) use publish::publish;
