//! One connection, from its first full read until it is lost.

use super::alarm::Alarm;
use super::backoff::random;
use super::event::{Control, Event, HashRead, Pass, Trust};
use super::origin::{Origin, info};
use super::pacer::Pacer;
use super::plan::ReadPlan;
use super::reader::{Reader, Trouble};
use super::watch::{Seen, Watch};
use crate::config::Config;
use crate::connect::{Connection, Failure, Link, SILENCE, is_master};
use redis::cmd;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Receiver, Sender};

/// An idle connection is asked whether it lives after so long without a byte.
const IDLE: Duration = Duration::from_millis(2_800);

/// How long it may take to answer. With [`IDLE`] a dead peer is noticed
/// within 5 s.
const ANSWERS: Duration = Duration::from_millis(1_800);

/// What the connections share.
pub(super) struct Outside<'a> {
    pub(super) config: &'a Config,
    pub(super) events: &'a Sender<Event>,
    pub(super) control: &'a mut Receiver<Control>,
    /// How each hash is read.
    pub(super) plans: &'a mut [ReadPlan],
    /// Whose data was read last, where that is known.
    pub(super) origin: &'a mut Option<Origin>,
}

impl Outside<'_> {
    /// Tells what happened. When nobody listens any more this waits until the
    /// follower is dropped.
    pub(super) async fn tell(&self, event: Event) {
        if self.events.send(event).await.is_err() {
            std::future::pending().await
        }
    }

    /// Waits until the operator says to accept; for ever when nobody can.
    pub(super) async fn told_to_accept(&mut self) {
        match self.control.recv().await {
            Some(Control::Accept) => {}
            None => std::future::pending().await,
        }
    }
}

/// Which hashes to read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Those that changed.
    Dirty,
    /// All.
    Full,
    /// All, and the operator accepts what is found.
    Accept,
}

/// What there is to do.
enum Task {
    Read(Scope),
    Ping,
    Look,
    Stop(String),
}

/// One connection at work.
pub(super) struct Session<'a> {
    outside: Outside<'a>,
    connection: Connection,
    watches: Vec<Watch>,
    pacer: Pacer,
    /// When everything is to be read again.
    full_at: Instant,
    /// FLUSHALL and FLUSHDB so far, where we poll and may know.
    flushes: Option<u64>,
    /// Whether everything was read once.
    complete: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(outside: Outside<'a>, connection: Connection) -> Session<'a> {
        let hashes = outside.config.hashes.len();
        Session {
            outside,
            connection,
            watches: (0..hashes).map(|_| Watch::reconnected()).collect(),
            pacer: Pacer::default(),
            full_at: Instant::now(),
            flushes: None,
            complete: false,
        }
    }

    /// Whether everything was read at least once.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Follows until the connection is lost, and says why it was. `accept`:
    /// the operator accepts what the first read finds.
    pub(super) async fn run(&mut self, accept: bool) -> String {
        let first = if accept { Scope::Accept } else { Scope::Full };
        let mut task = Task::Read(first);
        let alarm = match Alarm::new() {
            Ok(alarm) => alarm,
            Err(error) => return format!("cannot make a timer: {error}"),
        };
        loop {
            let done = match task {
                Task::Read(scope) => self.pass(scope).await,
                Task::Ping => self.ping().await,
                Task::Look => {
                    self.take_signals();
                    Ok(())
                }
                Task::Stop(why) => return why,
            };
            task = match done {
                Ok(()) => self.next(&alarm).await,
                Err(why) => Task::Stop(why),
            };
        }
    }

    fn polls(&self) -> bool {
        self.connection.no_tracking.is_some()
    }

    /// Waits for something to do.
    async fn next(&mut self, alarm: &Alarm) -> Task {
        let now = Instant::now();
        let wanted = if self.watches.iter().any(|watch| watch.dirty) {
            now
        } else {
            let retries = self.outside.plans.iter().filter_map(ReadPlan::retry_at);
            retries
                .chain(self.connection.again_at())
                .fold(self.full_at, Instant::min)
        };
        let read_at = self.pacer.earliest(wanted);
        let ping_at = self.connection.link.last() + IDLE;
        let due = read_at.min(ping_at);
        tokio::select! {
            biased;
            why = self.connection.link.lost() => Task::Stop(why),
            why = self.connection.superseded() => Task::Stop(why),
            () = self.outside.told_to_accept() => Task::Read(Scope::Accept),
            () = self.connection.signals.wait() => Task::Look,
            rung = alarm.at(due) => match read_at <= ping_at {
                _ if rung.is_err() => Task::Stop("the timer fails".to_owned()),
                true if self.full_at <= Instant::now() => Task::Read(Scope::Full),
                true => Task::Read(Scope::Dirty),
                false => Task::Ping,
            },
        }
    }

    /// Takes note of what was pushed. Says whether it was a flush.
    fn take_signals(&mut self) -> bool {
        let pending = self.connection.signals.take();
        for (watch, changed) in self.watches.iter_mut().zip(pending.changed) {
            watch.dirty |= changed;
            if pending.flushed {
                watch.flushed();
            }
        }
        pending.flushed
    }

    async fn ping(&mut self) -> Result<(), String> {
        match self.connection.link.ask_within(&cmd("PING"), ANSWERS).await {
            // An error is an answer too.
            Ok(_) | Err(Failure::Refused(_)) => Ok(()),
            Err(Failure::Lost(why)) => Err(why),
        }
    }

    /// Reads hashes and passes them on.
    async fn pass(&mut self, scope: Scope) -> Result<(), String> {
        let start = Instant::now();
        for hash in self.connection.take_due(start) {
            if let Some(watch) = self.watches.get_mut(hash) {
                watch.dirty = true;
            }
        }
        for (watch, plan) in self.watches.iter_mut().zip(&*self.outside.plans) {
            watch.dirty |= plan.retry_at().is_some_and(|at| at <= start);
        }
        // Where all have changed, this is a full read as well, and the next can wait.
        let full = scope != Scope::Dirty || self.watches.iter().all(|watch| watch.dirty);
        if full {
            self.check_master().await?;
            if self.polls() && !self.complete {
                self.flushes = flushes(&mut self.connection.link).await?;
            }
        }
        let origin = match self.complete {
            true => None,
            false => self.recognise().await?,
        };
        self.take_signals();
        let mut hashes = Vec::new();
        for hash in 0..self.watches.len() {
            if full || self.watches.get(hash).is_some_and(|watch| watch.dirty) {
                hashes.push(self.read(hash, scope).await?);
            }
        }
        let now = Instant::now();
        let cost = now - start;
        self.pacer.finished(now, cost);
        if full {
            self.full_at = now + self.until_next();
            self.complete = true;
            if origin.is_some() {
                *self.outside.origin = origin;
            }
        }
        self.outside
            .tell(Event::Read(Pass { hashes, cost, full }))
            .await;
        Ok(())
    }

    /// Asks whose data this is. Where it is not known to go on from what was
    /// read before, what is missing in it was lost.
    async fn recognise(&mut self) -> Result<Option<Origin>, String> {
        let connection = &mut self.connection;
        let origin = Origin::ask(&mut connection.link, &connection.endpoint).await?;
        if let (Some(origin), Some(earlier)) = (&origin, &self.outside.origin)
            && !origin.goes_on_from(earlier)
        {
            self.watches.iter_mut().for_each(Watch::replaced);
        }
        Ok(origin)
    }

    /// How long until everything is read again; with jitter where nothing
    /// hurries, so that a fleet does not read in step.
    fn until_next(&self) -> Duration {
        match self.polls() {
            true => self
                .outside
                .config
                .poll_interval
                .min(self.outside.config.resync_interval),
            false => self
                .outside
                .config
                .resync_interval
                .mul_f64(0.9 + 0.2 * random()),
        }
    }

    async fn read(&mut self, hash: usize, scope: Scope) -> Result<HashRead, String> {
        let key = self
            .outside
            .config
            .hashes
            .get(hash)
            .map_or("", String::as_str);
        let Some(plan) = self.outside.plans.get_mut(hash) else {
            return Err("a hash that nobody configured".to_owned());
        };
        if scope == Scope::Accept {
            plan.resume(Instant::now());
        }
        if let Some(watch) = self.watches.get_mut(hash) {
            watch.dirty = false;
        }
        let mut reader = Reader {
            link: &mut self.connection.link,
            signals: &self.connection.signals,
        };
        let outcome = match reader.read(hash, key, plan).await {
            Ok(pairs) => Ok(pairs),
            Err(Trouble::Hash(unreadable)) => Err(unreadable),
            Err(Trouble::Lost(why)) => return Err(why),
        };
        let unreadable = outcome.as_ref().err().map(|unreadable| unreadable.code);
        self.connection.note(hash, unreadable)?;
        let seen = match &outcome {
            Ok(pairs) if pairs.is_empty() => Seen::Empty,
            Ok(_) => Seen::Some,
            Err(_) => Seen::Nothing,
        };
        let mut flushed = self.take_signals();
        if seen == Seen::Empty && self.polls() {
            flushed |= self.flushed_meanwhile(hash).await?;
        }
        let trust = match self.watches.get_mut(hash) {
            Some(watch) if scope == Scope::Accept && seen != Seen::Nothing => watch.accepted(),
            Some(watch) => watch.read(seen, flushed),
            None => Trust::Live,
        };
        Ok(HashRead {
            hash,
            outcome,
            trust,
        })
    }

    /// Where nothing is pushed: whether a hash that we would believe to be
    /// empty is so because of a flush.
    async fn flushed_meanwhile(&mut self, hash: usize) -> Result<bool, String> {
        let trusted = |watch: &Watch| watch.is_trusted();
        if self.flushes.is_none() || !self.watches.get(hash).is_some_and(trusted) {
            return Ok(false);
        }
        let now = flushes(&mut self.connection.link).await?;
        let flushed = now.is_some_and(|now| now > 0) && now != self.flushes;
        self.flushes = now;
        if flushed {
            self.watches.iter_mut().for_each(Watch::flushed);
        }
        Ok(flushed)
    }

    /// A master that sentinels named may have been demoted meanwhile.
    async fn check_master(&mut self) -> Result<(), String> {
        if self.outside.config.redis.sentinel.is_none() || !self.complete {
            return Ok(());
        }
        let tracking = !self.polls();
        match is_master(&mut self.connection.link, tracking, SILENCE).await? {
            Some(false) => Err("this Redis is no longer the master".to_owned()),
            Some(true) | None => Ok(()),
        }
    }
}

/// How often Redis was flushed, as far as this user may know.
async fn flushes(link: &mut Link) -> Result<Option<u64>, String> {
    let Some(text) = info(link, "commandstats").await? else {
        return Ok(None);
    };
    let count = |line: &str| -> Option<u64> {
        let rest = line
            .strip_prefix("cmdstat_flushall:calls=")
            .or_else(|| line.strip_prefix("cmdstat_flushdb:calls="))?;
        rest.split(',').next()?.parse().ok()
    };
    Ok(Some(
        text.lines().filter_map(count).fold(0, u64::saturating_add),
    ))
}
