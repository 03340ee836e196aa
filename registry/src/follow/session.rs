//! One connection, from its first question until it is lost.
//!
//! # The protocol
//!
//! Every question is one transaction. It asks each hash for its length and for
//! what is new in its log, and besides for one thing at most: a step of a scan,
//! or roles that must be read again. So whatever else is going on, each answer
//! brings every hash up to what was logged by that moment, and what a scan reads
//! is compared with what was known at that same moment.
//!
//! 1. *Greeting.* The first question asks for the logs, and what Redis says of
//!    itself. If our entry is still in a log, what was logged meanwhile is known
//!    by that, and told at once.
//! 2. *First round.* Every hash is scanned, since there may have been changes
//!    that were not logged.
//! 3. *Watching.* Redis pushes what changes. A push of a log is followed by a
//!    question for the logs, and that is all a logged change takes. A hash that
//!    is pushed before its log, or whose length is not what it should be, was
//!    changed without the log, and is scanned.
//! 4. *Resync.* From time to time every hash is scanned although nothing was
//!    pushed: a change that is not logged is not pushed if it comes between the
//!    push of another change and the question that follows it.
//!
//! What a scan found is used as it is if it is of one moment: it was read by one
//! question, or nothing but the log has changed the hash meanwhile; and there is
//! no other hash that is known to have changed and was not read. Otherwise the
//! roles that changed are read again ([`confirmation`](super::confirmation)),
//! and those in which fields are missing have to wait
//! ([`unsettled`](super::unsettled)).

use super::alarm::Alarm;
use super::backoff::random;
use super::checkpoint::Checkpoint;
use super::confirmation::{self, Changed, Confirmation, Why};
use super::draft::Gone;
use super::event::{Batch, Event, HashBatch};
use super::hash::{Hash, ReadRole, ServerFacts};
use super::info::{Info, Section};
use super::load::Load;
use super::loss_counters::LossCounters;
use super::plan::Way;
use super::question::{Answer, Outcome, Place, Question};
use super::replication_identity::ReplicationIdentity;
use super::round::Round;
use super::scan::{AT_ONCE_AT_MOST, SCAN_ABOVE};
use super::trouble::Trouble;
use super::unsettled::{Decision, Later};
use super::wish::Cause;
use crate::config::Config;
use crate::connect::{Connection, Failure, Pushed, Refusal, SILENCE, is_master};
use redis::{Value, cmd};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;

/// An idle connection is asked whether it lives after so long without a byte.
const IDLE: Duration = Duration::from_millis(2_800);

/// How long it may take to answer. With [`IDLE`] a dead peer is noticed
/// within 5 s.
const ANSWERS: Duration = Duration::from_millis(1_800);

/// How often a hash of which nothing was known is scanned again before it is
/// told, because it changed meanwhile.
const FRESH_ATTEMPTS: u8 = 3;

/// What outlives a connection.
pub(super) struct Memory {
    pub(super) hashes: Vec<Hash>,
    load: Load,
    /// Until when transactions are not tried, because there are none.
    plain_until: Option<Instant>,
    /// A connection was lost before this one.
    failed: bool,
    /// The answer to a question that read several hashes was too large. Until
    /// then each is read by a question of its own, which tells whose it was.
    apart_until: Option<Instant>,
}

/// How long hashes are read by questions of their own.
const APART: Duration = Duration::from_secs(15 * 60);

impl Memory {
    /// With what is known of the hashes.
    pub(super) fn new(hashes: Vec<Hash>) -> Memory {
        Memory {
            hashes,
            load: Load::default(),
            plain_until: None,
            failed: false,
            apart_until: None,
        }
    }
}

/// How long no transaction is tried while Redis is out of memory.
const OUT_OF_MEMORY: Duration = Duration::from_secs(5);

/// The same where they are refused, at most: a resync tries again.
const REFUSED: Duration = Duration::from_secs(24 * 3600);

/// How much of what Redis says of itself is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Nothing,
    /// Whose data it has.
    Identity,
    /// And what it counts of losses, and how many clients it has.
    Everything,
}

impl Depth {
    fn sections(self) -> &'static [Section] {
        match self {
            Depth::Nothing => &[],
            Depth::Identity => &[Section::Replication],
            Depth::Everything => &[
                Section::Server,
                Section::Replication,
                Section::Stats,
                Section::CommandStats,
                Section::Clients,
                Section::Memory,
            ],
        }
    }
}

/// What one question asks for, besides lengths and logs.
struct Inquiry {
    /// The hashes whose scans take their next step by it.
    steps: Vec<usize>,
    /// Those whose scans begin with it.
    begins: Vec<usize>,
    /// Those whose scans end with it.
    closes: Vec<usize>,
    /// The roles that are read again.
    confirms: Vec<Changed>,
    depth: Depth,
}

impl Inquiry {
    fn of_logs() -> Inquiry {
        Inquiry {
            steps: Vec::new(),
            begins: Vec::new(),
            closes: Vec::new(),
            confirms: Vec::new(),
            depth: Depth::Nothing,
        }
    }

    fn is_of_logs(&self) -> bool {
        self.steps.is_empty() && self.closes.is_empty() && self.confirms.is_empty()
    }
}

/// What there is to do.
enum Task {
    Ask(Inquiry),
    /// Everything is to be read again.
    Resync,
    Ping,
    /// Something may have been pushed.
    Look,
    Stop(String),
}

/// What the user may not ask for. It is done without.
#[derive(Debug, Default)]
struct Denied {
    info: bool,
    time_to_live: bool,
    fields: bool,
}

/// One connection at work.
pub(super) struct Session<'a> {
    config: &'a Config,
    events: &'a Sender<Event>,
    memory: &'a mut Memory,
    connection: Connection,
    denied: Denied,
    greeted: bool,
    run_id: String,
    /// The number of the last scan that began.
    scans: u64,
    /// The flushes that were noticed.
    flushes: u64,
    /// The last question was asked without a transaction.
    plain: bool,
    /// Among what is yet to be told are changes that logs told of.
    logged: bool,
    /// How long the answer took that is being compared.
    took: Duration,
    /// Scans that have yet to be closed, all by one question, and how much that
    /// is to ask.
    closing: (Vec<usize>, Depth),
    confirmation: Confirmation,
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
        memory: &'a mut Memory,
        connection: Connection,
    ) -> Session<'a> {
        let hashes = memory.hashes.len();
        memory.hashes.iter_mut().for_each(Hash::connected);
        Session {
            config,
            events,
            memory,
            connection,
            denied: Denied::default(),
            greeted: false,
            run_id: String::new(),
            scans: 0,
            flushes: 0,
            plain: false,
            logged: false,
            took: Duration::ZERO,
            closing: (Vec::new(), Depth::Nothing),
            confirmation: Confirmation::default(),
            round: Some(Round::new(hashes)),
            resync_at: Instant::now(),
            complete: false,
            attempts: 0,
        }
    }

    /// Whether everything was read at least once.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Follows until the connection is lost, and says why it was.
    pub(super) async fn run(&mut self) -> String {
        let alarm = match Alarm::new() {
            Ok(alarm) => alarm,
            Err(error) => return format!("cannot make a timer: {error}"),
        };
        let why = loop {
            let done = match self.next(&alarm).await {
                Task::Ask(inquiry) => self.ask(inquiry).await,
                Task::Resync => self.resync().await,
                Task::Ping => self.ping().await,
                Task::Look => Ok(()),
                Task::Stop(why) => Err(why),
            };
            if let Err(why) = done {
                break why;
            }
        };
        self.memory.failed = true;
        why
    }

    fn polls(&self) -> bool {
        self.connection.no_tracking.is_some()
    }

    /// What a scan of everything costs Redis.
    fn cost(&self) -> Duration {
        let costs = self.memory.hashes.iter().map(|hash| hash.pacer.cost());
        costs.sum()
    }

    /// How long Redis may be silent while it owes an answer.
    fn patience(&self) -> Duration {
        self.memory.load.patience(self.cost())
    }

    // --- What to do next -----------------------------------------------------

    /// Waits for something to do.
    async fn next(&mut self, alarm: &Alarm) -> Task {
        let now = Instant::now();
        self.look(now);
        if self.round.is_none() && self.resync_at <= now {
            return Task::Resync;
        }
        if let Some(inquiry) = self.next_inquiry(now) {
            return Task::Ask(inquiry);
        }
        let ping_at = self.connection.link.last() + IDLE;
        let resync_at = self.round.is_none().then_some(self.resync_at);
        let scans = self.memory.hashes.iter().filter_map(Hash::due);
        let due = scans
            .chain(resync_at)
            .chain(self.connection.again_at())
            .fold(ping_at, Instant::min);
        tokio::select! {
            biased;
            why = self.connection.link.lost() => Task::Stop(why),
            why = self.connection.superseded() => Task::Stop(why),
            () = self.connection.invalidations.wait() => Task::Look,
            rung = alarm.at(due) => match rung {
                Err(_) => Task::Stop("the timer fails".to_owned()),
                Ok(()) if ping_at <= due => Task::Ping,
                Ok(()) => Task::Look,
            },
        }
    }

    /// Takes note of what was pushed, and of what is to be tried again.
    fn look(&mut self, now: Instant) {
        for index in self.connection.take_due(now) {
            if let Some(hash) = self.memory.hashes.get_mut(index) {
                hash.try_what_was_denied();
                hash.wish(Cause::Change, now);
            }
        }
        let flushes = self.connection.invalidations.flushes();
        let flushed = flushes != self.flushes;
        self.flushes = flushes;
        let unread = self.connection.invalidations.unread();
        let load = self.memory.load;
        for (hash, pushed) in self.memory.hashes.iter_mut().zip(unread) {
            let due = turn(load, hash, now);
            if flushed {
                hash.flushed(flushes, due);
            }
            if pushed == Pushed::Hash && !hash.is_suspected() {
                hash.wish(Cause::Change, due);
            }
        }
    }

    /// What is to be asked now, if anything.
    fn next_inquiry(&mut self, now: Instant) -> Option<Inquiry> {
        if !self.greeted {
            return Some(Inquiry {
                depth: Depth::Everything,
                ..Inquiry::of_logs()
            });
        }
        if !self.confirmation.is_empty() {
            return Some(Inquiry {
                confirms: self.confirmation.next(),
                depth: Depth::Identity,
                ..Inquiry::of_logs()
            });
        }
        if !self.closing.0.is_empty() {
            let (closes, depth) =
                std::mem::replace(&mut self.closing, (Vec::new(), Depth::Nothing));
            return Some(Inquiry {
                closes,
                depth,
                ..Inquiry::of_logs()
            });
        }
        let at_once = self.due_at_once(now);
        if !at_once.is_empty() {
            return Some(self.begin_at_once(at_once, now));
        }
        if let Some(step) = self.next_step(now) {
            return Some(step);
        }
        let unread = self.connection.invalidations.unread();
        let pushed = |pushed: &Pushed| matches!(pushed, Pushed::Log | Pushed::LogThenHash);
        let hashes = &self.memory.hashes;
        let unsized_due = |hash: &Hash| is_due(hash, now) && !hash.is_sized();
        let asks = unread.iter().any(pushed)
            || hashes
                .iter()
                .any(|hash| hash.has_more() || unsized_due(hash));
        asks.then(Inquiry::of_logs)
    }

    /// The hashes that are to be scanned now, by one question: all hashes, where
    /// one reads all.
    fn due_at_once(&mut self, now: Instant) -> Vec<usize> {
        let polls = self.polls();
        let mut fit = Vec::new();
        let (mut all_fit, mut fields) = (true, 0);
        for (index, hash) in self.memory.hashes.iter_mut().enumerate() {
            if hash.can_be_read() {
                let fits = hash.fits_at_once(polls, now) && hash.scan().is_none();
                all_fit &= fits;
                fields += hash.length();
                fit.extend(fits.then_some(index));
            }
        }
        let hashes = &self.memory.hashes;
        let is = |index: &usize, is: fn(&Hash, Instant) -> bool| {
            hashes.get(*index).is_some_and(|hash| is(hash, now))
        };
        let Some(&first) = fit.iter().find(|&index| is(index, is_ready)) else {
            return Vec::new();
        };
        if self.memory.apart_until.is_some_and(|until| now < until) {
            return vec![first];
        }
        if all_fit && fields <= SCAN_ABOVE {
            return fit;
        }
        // A large hash that is read at once takes with it whatever would have to
        // wait for it.
        let large = fit.iter().find(|&index| is(index, is_large_and_ready));
        let (first, also, most): (_, fn(&Hash, Instant) -> bool, _) = match large {
            Some(&large) => (large, is_concerned, AT_ONCE_AT_MOST.0),
            None => (first, is_ready, SCAN_ABOVE),
        };
        let length = |index: usize| hashes.get(index).map_or(0, Hash::length);
        let mut fields = length(first);
        fit.retain(|&index| {
            if index == first {
                return true;
            }
            let fits = is(&index, also) && fields + length(index) <= most;
            fields += if fits { length(index) } else { 0 };
            fits
        });
        fit
    }

    fn begin_at_once(&mut self, hashes: Vec<usize>, now: Instant) -> Inquiry {
        self.begin_round_if_all(hashes.len());
        let mut counters = false;
        for &index in &hashes {
            counters |= self.begin(index, true, now);
        }
        let depth = if counters {
            Depth::Everything
        } else {
            Depth::Identity
        };
        Inquiry {
            steps: hashes.clone(),
            begins: hashes.clone(),
            closes: hashes,
            depth,
            ..Inquiry::of_logs()
        }
    }

    /// Where so many hashes are all there are, their scan is one of everything.
    fn begin_round_if_all(&mut self, hashes: usize) {
        let readable = self.memory.hashes.iter().filter(|hash| hash.can_be_read());
        if self.round.is_none() && readable.count() == hashes {
            self.round = Some(Round::new(self.memory.hashes.len()));
        }
    }

    /// Begins a scan. Says whether the counters are to be asked for, whatever it
    /// finds.
    fn begin(&mut self, index: usize, at_once: bool, now: Instant) -> bool {
        if let Some(round) = &mut self.round {
            round.reads(now);
        }
        self.scans += 1;
        let (number, flushes, polls) = (self.scans, self.flushes, self.polls());
        let Some(hash) = self.memory.hashes.get_mut(index) else {
            return false;
        };
        hash.begin(number, flushes, at_once, now);
        if let Some(scan) = hash.scan_mut() {
            // Where nothing is pushed, it cannot be told.
            scan.torn = polls && !scan.is_exact();
        }
        hash.scan().is_some_and(|scan| scan.cause != Cause::Change) || !hash.is_undisturbed()
    }

    /// How many fields a hash has.
    fn length(&self, index: usize) -> u64 {
        self.memory.hashes.get(index).map_or(0, Hash::length)
    }

    /// The next step of a scan in steps: of the one under way, or of one that is
    /// due.
    fn next_step(&mut self, now: Instant) -> Option<Inquiry> {
        let hashes = &self.memory.hashes;
        let under_way = hashes.iter().position(|hash| hash.scan().is_some());
        let Some(index) = under_way else {
            let index = hashes.iter().position(|hash| is_ready(hash, now))?;
            self.begin_round_if_all(1);
            let at_once = self.length(index) <= SCAN_ABOVE;
            self.begin(index, at_once, now);
            return Some(Inquiry {
                steps: vec![index],
                begins: vec![index],
                ..Inquiry::of_logs()
            });
        };
        let hash = hashes.get(index)?;
        if !hash.scan()?.is_read() {
            return Some(Inquiry {
                steps: vec![index],
                ..Inquiry::of_logs()
            });
        }
        let suspicion = hash.scan()?.cause != Cause::Change || !hash.is_undisturbed();
        let depth = if suspicion {
            Depth::Everything
        } else {
            Depth::Identity
        };
        Some(Inquiry {
            closes: vec![index],
            depth,
            ..Inquiry::of_logs()
        })
    }

    // --- Asking --------------------------------------------------------------

    /// Asks a question, and takes in what is answered.
    async fn ask(&mut self, inquiry: Inquiry) -> Result<(), String> {
        let asked = Instant::now();
        let transaction = self.memory.plain_until.is_none_or(|until| until <= asked);
        let question = self.compose(&inquiry, transaction);
        if question.is_empty() {
            // Nothing may be asked for, until the next resync.
            self.connection.invalidations.asking();
            return self.take(inquiry, Answer::default()).await;
        }
        let patience = self.patience();
        self.connection.invalidations.asking();
        let Session {
            connection, memory, ..
        } = self;
        let link = &mut connection.link;
        let answered = async {
            if transaction {
                question.ask(link, patience).await
            } else {
                let answer = question.ask_plainly(link, patience).await;
                answer.map(Outcome::Answered)
            }
        };
        // While Redis works on this, the answer before is compared.
        let took = self.took;
        let compared = async {
            tokio::task::yield_now().await;
            memory
                .hashes
                .iter_mut()
                .try_for_each(|hash| compare(hash, took))
        };
        let (outcome, compared) = tokio::join!(answered, compared);
        compared?;
        self.took = asked.elapsed();
        let mut refused = match outcome {
            Ok(Outcome::Answered(answer)) => {
                let denied = answer.denied();
                if denied.is_empty() {
                    self.plain = !transaction;
                    return self.take(inquiry, answer).await;
                }
                denied
            }
            Ok(Outcome::Refused(refused)) => refused,
            Ok(Outcome::NoTransactions { out_of_memory }) => {
                let pause = if out_of_memory {
                    OUT_OF_MEMORY
                } else {
                    REFUSED
                };
                self.memory.plain_until = Some(asked + pause);
                Vec::new()
            }
            Err(failure) => return Err(self.failed(&inquiry, &failure)),
        };
        self.connection.invalidations.unanswered();
        self.take_back(inquiry);
        // A thousand lengths are one right.
        refused.dedup_by_key(|(place, _)| *place);
        for (place, refusal) in refused {
            self.deny(place, &refusal)?;
        }
        self.tell(Instant::now()).await
    }

    fn compose(&self, inquiry: &Inquiry, transaction: bool) -> Question {
        let mut question = Question::default();
        let hashes = &self.memory.hashes;
        for (index, hash) in hashes.iter().enumerate() {
            hash.ask(index, transaction, &mut question);
        }
        for &index in &inquiry.steps {
            if let Some(hash) = hashes.get(index) {
                hash.ask_step(index, &mut question);
            }
        }
        for &index in &inquiry.closes {
            if let Some(hash) = hashes.get(index).filter(|_| !self.denied.time_to_live) {
                let pttl = cmd("PTTL").arg(&hash.key).to_owned();
                question.add(Place::TimeToLive(index), pttl);
            }
        }
        let key = |index: usize| hashes.get(index).map_or("", |hash| hash.key.as_str());
        confirmation::ask(&inquiry.confirms, key, &mut question);
        if !self.denied.info {
            for &section in inquiry.depth.sections() {
                question.add(Place::Info(section), section.question());
            }
        }
        question
    }

    /// The question was not answered: what it asked for is still to be asked.
    fn take_back(&mut self, inquiry: Inquiry) {
        self.confirmation.give_back(inquiry.confirms);
        // A scan of one question begins anew, when its hash is next asked for.
        for index in inquiry.begins {
            let now = Instant::now();
            if let Some(hash) = self.memory.hashes.get_mut(index) {
                hash.take_back_scan(now);
            }
        }
        if inquiry.steps.is_empty() && !inquiry.closes.is_empty() {
            self.closing = (inquiry.closes, inquiry.depth);
        }
    }

    /// The user may not ask for something.
    fn deny(&mut self, place: Place, refusal: &Refusal) -> Result<(), String> {
        let lasting = refusal.unreadable().is_some() || refusal.is_unknown();
        if !lasting {
            return Err(refusal.to_string());
        }
        match place {
            Place::Info(_) => self.denied.info = true,
            Place::TimeToLive(_) => self.denied.time_to_live = true,
            Place::Fields(_) => {
                self.denied.fields = true;
                self.confirm_nothing();
            }
            Place::Log(index) | Place::Length(index) | Place::Scan(index) => {
                if let Some(hash) = self.memory.hashes.get_mut(index) {
                    hash.deny(place, refusal)?;
                }
            }
        }
        Ok(())
    }

    /// The connection was lost over this question. What was too large for it is
    /// asked for in another way next time.
    fn failed(&mut self, inquiry: &Inquiry, failure: &Failure) -> String {
        if self.connection.link.overflowed() {
            let confirmed = inquiry.confirms.iter().map(|changed| changed.hash);
            let mut read: Vec<usize> = inquiry.steps.iter().copied().chain(confirmed).collect();
            read.sort_unstable();
            read.dedup();
            if read.len() > 1 {
                self.memory.apart_until = Some(Instant::now() + APART);
                return failure.to_string();
            }
            for (index, hash) in self.memory.hashes.iter_mut().enumerate() {
                if inquiry.is_of_logs() {
                    hash.shorten_pages();
                } else if read.contains(&index) {
                    hash.overflowed();
                }
            }
        }
        failure.to_string()
    }

    // --- Answers -------------------------------------------------------------

    /// Takes in the answer to a question.
    async fn take(&mut self, inquiry: Inquiry, mut answer: Answer) -> Result<(), String> {
        let now = Instant::now();
        let facts = self.take_info(&mut answer);
        let pushes = self.connection.invalidations.answered();
        self.look(now);
        let load = self.memory.load;
        for (index, (hash, pushes)) in self.memory.hashes.iter_mut().zip(pushes).enumerate() {
            let due = turn(load, hash, now);
            let operated = hash.take_log(index, &mut answer, due)?;
            self.logged |= operated;
            hash.take_pushes(pushes, operated, inquiry.begins.contains(&index), due);
        }
        for &index in &inquiry.steps {
            if let Some(hash) = self.memory.hashes.get_mut(index) {
                hash.take_step(index, &mut answer)?;
            }
        }
        if !inquiry.closes.is_empty() {
            for &index in &inquiry.steps {
                if let Some(hash) = self.memory.hashes.get_mut(index) {
                    compare(hash, self.took)?;
                }
            }
            self.close(&inquiry, &facts, &mut answer, now);
        }
        if !inquiry.confirms.is_empty() {
            self.confirm(inquiry.confirms, &mut answer, now)?;
        }
        if !self.greeted {
            self.greet(now);
        }
        self.tell(now).await
    }

    /// What Redis says of itself.
    fn take_info(&mut self, answer: &mut Answer) -> ServerFacts {
        let mut info = Info::default();
        for (_, section) in answer.sections() {
            if let Ok(section) = section {
                info.add(&section);
            }
        }
        if let Some(run_id) = info.field("run_id") {
            self.run_id = run_id.to_owned();
        }
        if let Some(clients) = info.number("connected_clients") {
            let after_failure = self.memory.failed && !self.complete;
            self.memory.load.said(clients, after_failure);
        }
        ServerFacts {
            identity: ReplicationIdentity::read(&info, &self.run_id),
            losses: LossCounters::read(&info),
        }
    }

    /// The logs were read, and everything is to be scanned: at once where
    /// nothing is known, and each follower in its turn where much is.
    fn greet(&mut self, now: Instant) {
        self.greeted = true;
        let fresh = self.memory.hashes.iter().any(Hash::is_fresh);
        let spread = self.memory.load.spread(self.cost(), random());
        let due = if fresh { now } else { now + spread };
        for hash in &mut self.memory.hashes {
            hash.greet(due);
        }
    }

    /// Scans were read to their ends, by this question.
    fn close(&mut self, inquiry: &Inquiry, facts: &ServerFacts, answer: &mut Answer, now: Instant) {
        let closes = &inquiry.closes;
        let hashes = &self.memory.hashes;
        let scanned = |index: &&usize| {
            hashes
                .get(**index)
                .is_some_and(|hash| hash.scan().is_some())
        };
        let counters = closes
            .iter()
            .filter(scanned)
            .any(|&index| hashes.get(index).is_some_and(Hash::needs_counters));
        if counters && inquiry.depth != Depth::Everything {
            self.closing = (closes.clone(), Depth::Everything);
            return;
        }
        let torn_together = self.may_be_of_several_moments(inquiry);
        let awaited = self.suspects(closes);
        for &index in closes {
            let ttl = answer.take(Place::TimeToLive(index)).next();
            let ttl = ttl
                .and_then(Result::ok)
                .map(|ttl| matches!(ttl, Value::Int(0..)));
            self.close_one(index, torn_together, &awaited, facts, ttl, now);
        }
        self.confirm_what_waited(closes);
    }

    /// Several hashes that were read one after the other, while something was
    /// pushed or could not be.
    fn may_be_of_several_moments(&self, inquiry: &Inquiry) -> bool {
        let hashes = &self.memory.hashes;
        let disturbed = |&index: &usize| {
            let scan = hashes.get(index).and_then(Hash::scan);
            scan.is_some_and(|scan| scan.disturbed)
        };
        self.plain && hashes.len() > 1 && (self.polls() || inquiry.closes.iter().any(disturbed))
    }

    /// The other hashes that are known to have changed and were not read since.
    fn suspects(&self, but: &[usize]) -> Vec<Later> {
        let hashes = self.memory.hashes.iter().enumerate();
        hashes
            .filter(|(index, hash)| !but.contains(index) && hash.is_suspected())
            .map(|(hash, _)| Later {
                hash,
                than: self.scans,
            })
            .collect()
    }

    fn close_one(
        &mut self,
        index: usize,
        torn_together: bool,
        others: &[Later],
        facts: &ServerFacts,
        ttl: Option<bool>,
        now: Instant,
    ) {
        let (polls, load) = (self.polls(), self.memory.load);
        let readable = !self.denied.fields;
        let Some(hash) = self.memory.hashes.get_mut(index) else {
            return;
        };
        let Some(way) = hash.scan().map(super::scan::Scan::way) else {
            self.done(index);
            return;
        };
        let torn = !hash.close_scan() || torn_together;
        if torn && hash.scan_at_once(now) {
            return;
        }
        let fresh = hash.is_fresh();
        let gone = hash.verdict(facts);
        if fresh || !torn && others.is_empty() {
            hash.adopt(gone);
            hash.finish_scan(facts, ttl, !polls, now);
        } else {
            let roles = hash.changed_roles();
            hash.finish_scan(facts, ttl, !polls, now);
            let again = torn && readable && way == Way::Whole;
            for read in roles {
                let changed = Changed {
                    hash: index,
                    read,
                    gone,
                    why: if torn { Why::Torn } else { Why::Waited },
                };
                if again {
                    self.confirm_with_others(changed);
                } else {
                    self.settle(changed, now);
                }
            }
        }
        let Some(hash) = self.memory.hashes.get_mut(index) else {
            return;
        };
        let again = !self.complete && !polls && torn && self.attempts < FRESH_ATTEMPTS;
        if again && (fresh || self.attempts > 0) {
            // Nothing was told yet, so it may as well be right.
            self.attempts += 1;
            hash.wish(Cause::First, now);
        } else {
            if torn && fresh {
                hash.wish(Cause::Change, turn(load, hash, now));
            }
            self.done(index);
        }
    }

    /// Roles of other hashes that have waited for these.
    fn confirm_what_waited(&mut self, closed: &[usize]) {
        if self.denied.fields {
            let now = Instant::now();
            for (index, hash) in self.memory.hashes.iter_mut().enumerate() {
                if !closed.contains(&index) && hash.has_unsettled() {
                    hash.wish(Cause::Change, now);
                }
            }
            return;
        }
        let hashes = &self.memory.hashes;
        let completed = |later: Later| {
            let hash = hashes.get(later.hash);
            is_complete(hash.and_then(Hash::completed), later)
        };
        let mut ready = Vec::new();
        for (index, hash) in hashes.iter().enumerate() {
            if !closed.contains(&index) {
                ready.extend(hash.ready_roles(completed).into_iter().map(|read| Changed {
                    hash: index,
                    read,
                    gone: Gone::Removed,
                    why: Why::Waited,
                }));
            }
        }
        for changed in ready {
            self.confirm_with_others(changed);
        }
    }

    /// Has a role read again, and at the same moment the fields of these names in
    /// other hashes that have changed: what is missing may have moved there.
    fn confirm_with_others(&mut self, changed: Changed) {
        for other in self.suspects(&[changed.hash]) {
            let unread = |(field, _): &(Vec<u8>, Option<Vec<u8>>)| (field.clone(), None);
            self.confirmation.add(Changed {
                hash: other.hash,
                read: ReadRole {
                    role: changed.read.role.clone(),
                    fields: changed.read.fields.iter().map(unread).collect(),
                },
                gone: Gone::Removed,
                why: Why::Moved,
            });
        }
        self.confirmation.add(changed);
    }

    /// Roles cannot be read again. What a scan found of them is what there is;
    /// those that waited for other hashes are to be scanned.
    fn confirm_nothing(&mut self) {
        let now = Instant::now();
        for changed in self.confirmation.give_up() {
            if changed.why == Why::Torn {
                self.settle(changed, now);
            } else if let Some(hash) = self.memory.hashes.get_mut(changed.hash) {
                hash.wish(Cause::Change, now);
            }
        }
    }

    /// Roles were read again, at one moment.
    fn confirm(
        &mut self,
        mut some: Vec<Changed>,
        answer: &mut Answer,
        now: Instant,
    ) -> Result<(), String> {
        if let Err(trouble) = confirmation::read(&mut some, answer) {
            return Err(match trouble {
                Trouble::Lost(why) => why,
                Trouble::Hash(unreadable) => unreadable.why,
            });
        }
        for changed in some {
            self.settle(changed, now);
        }
        Ok(())
    }

    /// A role was read at one moment.
    fn settle(&mut self, mut changed: Changed, now: Instant) {
        let index = changed.hash;
        let mut awaited = self.suspects(&[index]);
        let scans = self.scans;
        let done: Vec<Option<u64>> = self.memory.hashes.iter().map(Hash::completed).collect();
        let completed = |later: Later| is_complete(done.get(later.hash).copied().flatten(), later);
        let load = self.memory.load;
        let Some(hash) = self.memory.hashes.get_mut(index) else {
            return;
        };
        if changed.why == Why::Moved {
            hash.adopt_moved(changed.read);
            return;
        }
        let torn = changed.why == Why::Torn;
        if torn || hash.is_suspected() {
            awaited.push(Later {
                hash: index,
                than: scans,
            });
        }
        if hash.is_flushed() {
            changed.gone = Gone::Lost;
        }
        let decision = hash.settle(changed.read, changed.gone, awaited, completed);
        if decision == Decision::Wait && torn && !hash.is_suspected() {
            hash.wish(Cause::Change, turn(load, hash, now));
        }
    }

    /// A hash was read, or cannot be.
    fn done(&mut self, index: usize) {
        if let Some(round) = &mut self.round {
            round.done(index);
        }
    }

    // --- Telling -------------------------------------------------------------

    /// Tells what became known, if it is of one moment.
    ///
    /// # Errors
    /// Another Redis is to be chosen.
    async fn tell(&mut self, now: Instant) -> Result<(), String> {
        let hashes = &mut self.memory.hashes;
        for (index, hash) in hashes.iter().enumerate() {
            let code = hash.unreadable().map(|unreadable| unreadable.code);
            self.connection.note(index, code)?;
        }
        if hashes.iter().any(Hash::has_more) || !self.confirmation.is_empty() {
            return Ok(());
        }
        let half_known = self.logged && hashes.len() > 1 && hashes.iter().any(Hash::is_half_known);
        if let Some(round) = &mut self.round {
            for (index, hash) in hashes.iter().enumerate() {
                if hash.unreadable().is_some() {
                    round.done(index);
                }
            }
        }
        let full = self.round.as_ref().and_then(|round| round.took(now));
        let read = |hash: &Hash| hash.completed().is_some_and(|number| number > 0);
        let begun = !self.complete && hashes.iter().any(read);
        if full.is_none() && (begun || half_known) {
            // Some hashes were read and others not: that is no one moment.
            return Ok(());
        }
        let mut batch = Vec::new();
        for (hash, known) in hashes.iter_mut().enumerate() {
            if let Some(outcome) = known.tell(full.is_some()) {
                batch.push(HashBatch { hash, outcome });
            }
        }
        self.logged = false;
        if full.is_some() {
            self.round = None;
            self.complete = true;
            self.resync_at = now + self.until_resync();
        }
        if batch.is_empty() && full.is_none() {
            return Ok(());
        }
        let hashes = self.memory.hashes.iter();
        let checkpoint = Checkpoint {
            hashes: hashes
                .map(|hash| (hash.key.clone(), hash.checkpoint()))
                .collect(),
        };
        let batch = Batch {
            hashes: batch,
            full,
            checkpoint,
        };
        tell(self.events, Event::Changes(batch)).await;
        Ok(())
    }

    // --- From time to time ---------------------------------------------------

    /// How long until everything is read again; with jitter where nothing
    /// hurries, so that a fleet does not read in step.
    fn until_resync(&self) -> Duration {
        let (config, load, cost) = (self.config, self.memory.load, self.cost());
        if self.polls() {
            load.poll(config.poll_interval.min(config.resync_interval), cost)
        } else {
            let interval = load.resync(config.resync_interval, cost);
            interval.mul_f64(0.9 + 0.2 * random())
        }
    }

    /// Has everything read again.
    async fn resync(&mut self) -> Result<(), String> {
        self.check_master().await?;
        let now = Instant::now();
        let cause = if self.polls() {
            Cause::Poll
        } else {
            Cause::Resync
        };
        self.round = Some(Round::new(self.memory.hashes.len()));
        self.denied = Denied::default();
        self.memory.plain_until = None;
        for hash in &mut self.memory.hashes {
            hash.try_what_was_denied();
            hash.wish(cause, now);
        }
        Ok(())
    }

    /// A master that sentinels named may have been demoted meanwhile.
    async fn check_master(&mut self) -> Result<(), String> {
        if self.config.redis.sentinel.is_none() {
            return Ok(());
        }
        let (tracking, patience) = (!self.polls(), self.patience());
        match is_master(&mut self.connection.link, tracking, patience).await? {
            Some(false) => Err("this Redis is no longer the master".to_owned()),
            Some(true) | None => Ok(()),
        }
    }

    async fn ping(&mut self) -> Result<(), String> {
        let answers = ANSWERS + self.patience().saturating_sub(SILENCE);
        match self.connection.link.ask_within(&cmd("PING"), answers).await {
            // An error is an answer too.
            Ok(_) | Err(Failure::Refused(_)) => Ok(()),
            Err(Failure::Lost(why)) => Err(why),
        }
    }
}

/// When a hash is scanned that has changed now: a fleet takes turns.
fn turn(load: Load, hash: &Hash, now: Instant) -> Instant {
    now + load.spread(hash.pacer.cost(), random())
}

/// Whether a scan that is waited for was made, or will not be.
fn is_complete(completed: Option<u64>, later: Later) -> bool {
    completed.is_none_or(|number| number > later.than)
}

/// Whether it is to be scanned now, and is known to be as large as it is.
fn is_ready(hash: &Hash, now: Instant) -> bool {
    is_due(hash, now) && hash.is_sized()
}

fn is_large_and_ready(hash: &Hash, now: Instant) -> bool {
    is_ready(hash, now) && hash.length() > SCAN_ABOVE
}

/// Whether others may have to wait for it to be scanned, or it for others.
fn is_concerned(hash: &Hash, now: Instant) -> bool {
    is_ready(hash, now) || hash.is_suspected() || hash.has_unsettled()
}

fn is_due(hash: &Hash, now: Instant) -> bool {
    hash.due().is_some_and(|due| due <= now)
}

/// Compares what an answer that took so long has brought of a hash.
fn compare(hash: &mut Hash, took: Duration) -> Result<(), String> {
    let (fields, bytes) = hash.compare()?;
    if fields > 0 {
        hash.pacer.answered(fields, bytes, took);
    }
    Ok(())
}

/// Tells what happened. When nobody listens any more this waits until the
/// follower is dropped.
pub(super) async fn tell(events: &Sender<Event>, event: Event) {
    if events.send(event).await.is_err() {
        std::future::pending().await
    }
}
