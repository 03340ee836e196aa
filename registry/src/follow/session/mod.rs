//! One connection, from the first request until it is lost.
//!
//! # The protocol
//!
//! Every request is a transaction. It reads the length of each hash and the new entries of its
//! log, and at most one thing more: a step of a scan, or roles that are to be read again. So each
//! reply brings every hash up to date with its log, and what a scan reads is compared with the
//! state at that same moment.
//!
//! 1. *Logs.* The first request reads the logs and INFO. If the last known entry is still in a
//!    log, what was logged since is known from there, and reported at once.
//! 2. *First scan.* Every hash is scanned, because there may have been changes that were not
//!    logged.
//! 3. *Watching.* Redis pushes invalidations. That of a log causes a read of the logs, which is
//!    all that a logged change costs. A hash that is invalidated before its log, or whose length
//!    is not what it should be, was changed without the log, and is scanned.
//! 4. *Resync.* At intervals every hash is scanned although nothing was pushed: a change that is
//!    not logged is not pushed if it comes between the push of another change and the request
//!    that follows.
//!
//! The result of a scan is used as it is if it shows one moment: it was read by one request, or
//! nothing but the log changed the hash meanwhile, and no other hash has a known change that was
//! not read. Otherwise the changed roles are read again ([`reread`](super::reread)), and those in
//! which fields are missing are deferred ([`deferred_roles`](super::deferred_roles)) until one
//! request has read all hashes, or at least these fields in all hashes.
//!
//! # Files
//!
//! `next_request` chooses what to request, `send` and `receive` do it, `finish_scans` and
//! `reread_roles` evaluate scans, `publish` reports changes, `resync` is the periodic work.

mod finish_scans;
mod next_request;
mod publish;
mod receive;
mod request_plan;
mod reread_roles;
mod resync;
mod send;

use std::time::{Duration, Instant};

use cloudhosts_config::Config;
use cloudhosts_config::status::MasterLink;
use request_plan::{InfoDepth, RequestPlan};
use resync::IDLE;
use tokio::sync::mpsc::Sender;

use super::event::Event;
use super::follower_state::FollowerState;
use super::hash::Hash;
use super::load::Load;
use super::reread::RereadQueue;
use super::round::Round;
use super::scheduled_scan::ScanCause;
use super::timerfd::TimerFd;
use crate::connect::{Connection, Node, Pushed};
use crate::fault::Fault;
use crate::jitter;

/// What to do next.
enum Task {
    Send(RequestPlan),
    /// Everything is to be read again.
    Resync,
    Ping,
    /// Something may have been pushed, or is due.
    Wake,
    Stop(Fault),
}

/// What the user may not do. The session works without it.
#[derive(Debug, Default)]
struct Denied {
    info: bool,
    time_to_live: bool,
    fields: bool,
}

/// One connection in use.
pub(in crate::follow) struct Session<'a> {
    config: &'a Config,
    events: &'a Sender<Event>,
    state: &'a mut FollowerState,
    connection: Connection,
    denied: Denied,
    logs_read: bool,
    run_id: String,
    /// The number of the last scan that was begun.
    scans: u64,
    /// How many flushes were noticed.
    flushes: u64,
    /// The last request was sent without a transaction.
    plain: bool,
    /// Logged changes are still to be reported.
    logged: bool,
    /// How long the reply took that is being compared.
    took: Duration,
    /// Scans that are to be finished by one request, and which sections of INFO that reads.
    closing: (Vec<usize>, InfoDepth),
    rereads: RereadQueue,
    round: Option<Round>,
    resync_at: Instant,
    /// Whether every hash was read once.
    complete: bool,
    attempts: u8,
    /// The link of a replica to its master, and what was reported of it.
    master_link: Option<MasterLink>,
    reported_link: Option<MasterLink>,
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
            master_link: None,
            reported_link: None,
        }
    }
}

impl Session<'_> {
    /// Whether every hash was read at least once.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// The node of a cluster that has a hash, by the last word of the one that was followed.
    pub(super) fn named(&self) -> Option<Node> {
        self.connection.named()
    }

    /// Follows until the connection is lost, and returns why.
    pub(super) async fn run(&mut self) -> Fault {
        let timer = match TimerFd::new() {
            Ok(timer) => timer,
            Err(error) => return Fault::system(format_args!("cannot make a timer: {error}")),
        };
        let why = loop {
            let done = match self.next(&timer).await {
                Task::Send(plan) => self.send(plan).await,
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

    /// What a scan of all hashes costs Redis.
    fn cost(&self) -> Duration {
        let costs = self.state.hashes.iter().map(|hash| hash.pacer.cost());
        costs.sum()
    }

    /// How long Redis may send nothing while it owes a reply.
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
            return Task::Send(plan);
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

    /// Schedules scans for what was pushed, and for what is to be tried again.
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

/// When a hash that has changed now is to be scanned: each follower of a fleet in its turn.
fn turn(load: Load, hash: &Hash, now: Instant) -> Instant {
    now + jitter::up_to(load.fleet_time(hash.pacer.cost()))
}

pub(super) use publish::publish;
