//! One hash that is followed: what is known of it, and what is to be done.

use super::checkpoint::HashCheckpoint;
use super::draft::{Draft, Gone};
use super::event::Changes;
use super::loss_counters::LossCounters;
use super::pacer::Pacer;
use super::plan::{ReadPlan, Way};
use super::question::{Answer, Place, Question, Reply};
use super::replica::{Content, Replica};
use super::replication_identity::ReplicationIdentity;
use super::role::{drops, role_of};
use super::scan::{AT_ONCE_AT_MOST, SCAN_ABOVE, Scan, needed};
use super::trouble::{Trouble, strange};
use super::unsettled::{Decision, Later, Unsettled};
use super::verdict::{Case, LogEvidence, ThenAndNow};
use super::wish::{Cause, Wish};
use crate::connect::{Pushed, Pushes, Refusal};
use crate::log::{DropScope, Entry, Operation, log_key};
use crate::pairs::Pairs;
use crate::unreadable::Unreadable;
use redis::{Value, cmd};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// For so long a hash is read at once that changed under a scan.
const TURBULENT: Duration = Duration::from_secs(10);

/// Entries of the log that are asked for at a time.
const PAGE: usize = 256;

/// The same while there are more; and the fewest, where entries are so large
/// that a page of them passes the budget of the connection.
const LARGEST_PAGE: usize = 4_096;
const SMALLEST_PAGE: usize = 2;

/// What Redis said of itself at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerFacts {
    pub(super) identity: Option<ReplicationIdentity>,
    /// Only where it was asked for.
    pub(super) losses: Option<LossCounters>,
}

/// Whether the mirror was told that the hash can be read.
#[derive(Debug, Default, PartialEq, Eq)]
enum Told {
    #[default]
    Nothing,
    Readable,
    Unreadable(Unreadable),
}

/// What keeps a hash from being read.
#[derive(Debug)]
enum Obstacle {
    /// Redis refuses even its length. That may end at any moment.
    Refused(Unreadable),
    /// Reading it failed, and is tried again as the plan says.
    Failed(Unreadable),
}

/// One hash.
pub(super) struct Hash {
    pub(super) key: String,
    log_key: String,
    replica: Replica,
    draft: Draft,
    told: Told,
    known: HashCheckpoint,
    /// Nothing was ever known of it.
    fresh: bool,
    /// By how much Redis counts more fields than there are: fields that have
    /// expired by themselves are counted until they are deleted.
    excess: i64,
    /// How it is read.
    pub(super) plan: ReadPlan,
    /// What reading it costs, and the rest that follows.
    pub(super) pacer: Pacer,
    largest_page: usize,
    /// Roles of which the log told after a gap: they are partly as they are now.
    told_after_gap: HashSet<Vec<u8>>,
    /// It has changed under a scan, and may again.
    turbulent_until: Option<Instant>,
    now: Connected,
}

/// What holds for one connection.
#[derive(Default)]
struct Connected {
    /// The user may not read the hash, or not its log. These are not asked for
    /// until the next resync.
    denied: bool,
    log_denied: bool,
    obstacle: Option<Obstacle>,
    length: Option<u64>,
    page: usize,
    /// The last page of the log was full.
    more: bool,
    /// Whether the last question asked for the log.
    log_read: bool,
    /// How many fields the hash had after the newest entry, if that says so.
    newest_len: Option<u64>,
    /// The pushes before the next question belong to entries that were read.
    explained: bool,
    wish: Option<Wish>,
    scan: Option<Scan>,
    /// The number of the last scan that is complete.
    completed: u64,
    /// What is missing was deleted under our eyes.
    watched: bool,
    /// The number of the last flush that was pushed and is not settled.
    flushed: Option<u64>,
    unsettled: Unsettled,
    /// Roles among these of which the log has told meanwhile.
    overtaken: HashSet<Vec<u8>>,
}

/// Raw fields and their values; none where there is no such field.
type FieldsRead = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// A role with its fields, and their values as they were read.
pub(super) struct ReadRole {
    pub(super) role: Vec<u8>,
    pub(super) fields: FieldsRead,
}

impl Hash {
    /// A hash of which this is known.
    pub(super) fn new(key: &str, pairs: Option<&Pairs>, known: HashCheckpoint) -> Hash {
        let (replica, whole) =
            pairs.map_or_else(|| (Replica::default(), Ok(())), Replica::from_pairs);
        let mut pacer = Pacer::default();
        pacer.sized(replica.len(), replica.bytes());
        Hash {
            key: key.to_owned(),
            log_key: log_key(key),
            fresh: replica.is_empty(),
            // What did not fit is as unknown as if nothing were known.
            known: if whole.is_ok() {
                known
            } else {
                HashCheckpoint::default()
            },
            replica,
            draft: Draft::default(),
            told: Told::default(),
            excess: 0,
            plan: ReadPlan::default(),
            pacer,
            largest_page: LARGEST_PAGE,
            told_after_gap: HashSet::new(),
            turbulent_until: None,
            now: Connected::default(),
        }
    }

    /// A connection was made: what held for the one before does so no more.
    pub(super) fn connected(&mut self) {
        // What was left as it was is not known to be so any more.
        self.known.gap |= !self.now.unsettled.is_empty();
        self.now = Connected {
            page: PAGE.min(self.largest_page),
            ..Connected::default()
        };
    }

    /// What a later daemon is to know of it.
    pub(super) fn checkpoint(&self) -> HashCheckpoint {
        self.known.clone()
    }

    /// Whether it may be asked for, as far as is known.
    pub(super) fn can_be_read(&self) -> bool {
        !self.now.denied && !matches!(self.now.obstacle, Some(Obstacle::Refused(_)))
    }

    /// Why it cannot be read.
    pub(super) fn unreadable(&self) -> Option<&Unreadable> {
        match self.now.obstacle.as_ref()? {
            Obstacle::Refused(why) | Obstacle::Failed(why) => Some(why),
        }
    }

    /// Whether nothing was ever known of it.
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh
    }

    // --- Questions -----------------------------------------------------------

    /// Asks for its length and for what is new in its log.
    pub(super) fn ask(&self, index: usize, with_log: bool, question: &mut Question) {
        if self.now.denied {
            return;
        }
        question.add(Place::Length(index), cmd("HLEN").arg(&self.key).to_owned());
        if with_log && !self.now.log_denied {
            let log = self.known.mark.question(&self.log_key, self.now.page);
            question.add(Place::Log(index), log);
        }
    }

    /// The user may not ask for this.
    ///
    /// # Errors
    /// Why the connection is of no more use.
    pub(super) fn deny(&mut self, what: Place, refusal: &Refusal) -> Result<(), String> {
        let now = Instant::now();
        let measured = self.plan.way(now) == Ok(Way::Measured);
        match what {
            Place::Log(_) => {
                self.now.log_denied = true;
                self.now.more = false;
            }
            Place::Scan(_) if measured => match needed(refusal.clone()) {
                Trouble::Lost(why) => return Err(why),
                Trouble::Hash(why) => {
                    self.plan.cannot_measure(&why, now);
                    self.cannot_be_read(Obstacle::Failed(why));
                }
            },
            _ => match Trouble::from(refusal.clone()) {
                Trouble::Lost(why) => return Err(why),
                Trouble::Hash(why) => {
                    self.now.denied = true;
                    self.cannot_be_read(Obstacle::Refused(why));
                }
            },
        }
        Ok(())
    }

    /// It is time to see whether the user may by now.
    pub(super) fn try_what_was_denied(&mut self) {
        self.now.denied = false;
        self.now.log_denied = false;
    }

    /// An answer that held a page of the log, and no more, passed the budget.
    pub(super) fn shorten_pages(&mut self) {
        self.largest_page = (self.now.page / 8).max(SMALLEST_PAGE);
    }

    // --- The log -------------------------------------------------------------

    /// Takes its length, and what is new in its log. Says whether the log told
    /// of a change of the hash. `begins`: the question was the first of a scan.
    /// A scan that is wished for meanwhile is due at `due`.
    pub(super) fn take_log(
        &mut self,
        index: usize,
        answer: &mut Answer,
        begins: bool,
        due: Instant,
    ) -> Result<bool, String> {
        let length = answer.take(Place::Length(index)).next();
        let log = answer.take(Place::Log(index)).next();
        if let Err(why) = self.take_length(length, due) {
            return match why {
                Trouble::Lost(why) => Err(why),
                Trouble::Hash(why) => {
                    self.cannot_be_read(Obstacle::Refused(why));
                    Ok(false)
                }
            };
        }
        // Where it is refused, or is no stream, there is no log.
        let operated = if let Some(Ok(log)) = log {
            self.now.log_read = true;
            self.take_entries(&log, begins, due)
        } else {
            self.now.log_read = false;
            self.now.more = false;
            self.weigh(LogEvidence::Absent);
            false
        };
        self.compare_length(due);
        Ok(operated)
    }

    fn take_length(&mut self, length: Option<Reply>, due: Instant) -> Result<(), Trouble> {
        let Some(length) = length else { return Ok(()) };
        let Value::Int(length) = length? else {
            return Err(strange("HLEN"));
        };
        let length = u64::try_from(length).map_err(|_| strange("HLEN"))?;
        self.now.length = Some(length);
        if self.fresh {
            self.pacer
                .sized(usize::try_from(length).unwrap_or(usize::MAX), 0);
        }
        if let Some(wish) = &mut self.now.wish {
            wish.sized = true;
        }
        if let Some(Obstacle::Refused(_)) = self.now.obstacle {
            self.now.obstacle = None;
            self.wish(Cause::Change, due);
        }
        Ok(())
    }

    fn take_entries(&mut self, log: &Value, begins: bool, due: Instant) -> bool {
        let read = self.known.mark.read(log, self.now.page);
        self.now.more = read.more;
        self.now.page = if read.more {
            (self.now.page * 4).min(self.largest_page)
        } else {
            PAGE.min(self.largest_page)
        };
        self.weigh(read.evidence);
        self.known.gap |= read.gap;
        if let Some(scan) = &mut self.now.scan
            && read.gap
            && !begins
        {
            scan.gap = true;
            scan.torn |= !scan.is_exact();
        }
        // What was scanned without the log is newer than what it tells now.
        let behind = std::mem::take(&mut self.known.behind);
        if behind || read.gap {
            self.wish(Cause::Change, due);
        }
        if read.newest_len.is_some() {
            self.now.newest_len = read.newest_len;
        }
        let mut operated = false;
        for entry in read.entries {
            operated |= self.apply(entry, behind, due);
        }
        operated
    }

    /// What the log says now of whether the data goes on. What it once could not
    /// prove since the last scan it cannot prove later either.
    fn weigh(&mut self, evidence: LogEvidence) {
        if matches!(self.known.evidence, None | Some(LogEvidence::Continues)) {
            self.known.evidence = Some(evidence);
        }
    }

    /// Applies one entry, or where that is behind, only what it drops. Says
    /// whether it told of a change of the hash.
    fn apply(&mut self, entry: Entry, behind: bool, due: Instant) -> bool {
        // Data that has this entry has all that was changed before it.
        self.known.unlogged = false;
        self.now.newest_len = entry.len;
        let mut operated = false;
        for operation in entry.operations {
            operated |= !matches!(operation, Operation::Drop(_));
            match operation {
                Operation::Set { .. } | Operation::Delete { .. } if behind => {}
                Operation::Set { field, value } => {
                    if self.set(&field, Content::of(&value)).is_err() {
                        self.wish(Cause::Change, due);
                    }
                    self.overrule(&field);
                }
                Operation::Delete { field } => {
                    self.replica.remove(&field);
                    self.draft.gone(&field, Gone::Removed);
                    self.overrule(&field);
                }
                Operation::Drop(scope) => {
                    if !self.is_undisturbed() && self.known.evidence != Some(LogEvidence::Continues)
                    {
                        self.known.drops.push(scope.clone());
                    }
                    self.draft.dropped(scope);
                }
                Operation::Reset => self.wish(Cause::Change, due),
            }
        }
        operated
    }

    /// A scan under way must not take this field back, and a role that is left
    /// as it was is so no longer.
    fn overrule(&mut self, field: &[u8]) {
        let role = role_of(field);
        if self.known.gap && !self.told_after_gap.contains(&*role) {
            self.told_after_gap.insert(role.clone().into_owned());
        }
        if self.now.unsettled.fields_of(&role).is_some() {
            self.now.overtaken.insert(role.into_owned());
        }
        if let Some(scan) = &mut self.now.scan {
            scan.overrule(field);
        }
    }

    fn set(&mut self, field: &[u8], content: Content<'_>) -> Result<(), super::replica::Full> {
        if self.replica.see(field) == Some(content) {
            return Ok(());
        }
        self.replica.set(field, content)?;
        self.draft.set(field);
        Ok(())
    }

    /// A length that is not that of what is known tells of a change that was not
    /// logged.
    fn compare_length(&mut self, due: Instant) {
        let quiet = self.now.watched
            && !self.now.more
            && self.now.scan.is_none()
            && !self.is_suspected()
            && self.now.obstacle.is_none();
        if quiet && self.length_differs(self.replica.len()) {
            self.wish(Cause::Change, due);
        }
    }

    fn length_differs(&self, fields: usize) -> bool {
        self.now
            .length
            .is_some_and(|length| length as i64 != fields as i64 + self.excess)
    }

    /// Whether the log has to be read on before anything may be told.
    pub(super) fn has_more(&self) -> bool {
        self.now.more
    }

    /// Whether it changed in a way that its log cannot tell. What the logs of
    /// other hashes tell may be half of the same change.
    pub(super) fn is_half_known(&self) -> bool {
        self.is_suspected() && (self.known.gap || !self.now.log_read)
    }

    // --- Pushes --------------------------------------------------------------

    /// Takes in what was pushed around a question. `operated`: its answer told
    /// of logged changes. `begins`: it was the first of a scan.
    pub(super) fn take_pushes(
        &mut self,
        pushes: Pushes,
        operated: bool,
        begins: bool,
        due: Instant,
    ) {
        let unlogged_before = match pushes.before {
            Pushed::Hash => true,
            Pushed::LogThenHash => !operated && !self.now.explained,
            Pushed::Log | Pushed::Nothing => false,
        };
        let unlogged_during = pushes.during == Pushed::Hash;
        self.now.explained = operated;
        if let Some(scan) = &mut self.now.scan {
            let before = pushes.before != Pushed::Nothing && !begins;
            scan.disturbed |= before || pushes.during != Pushed::Nothing;
            scan.torn |= !scan.is_exact() && (unlogged_before && !begins || unlogged_during);
        }
        if unlogged_before && !begins || unlogged_during {
            self.wish(Cause::Change, due);
        }
    }

    /// A flush was pushed, the one with this number.
    pub(super) fn flushed(&mut self, number: u64, due: Instant) {
        self.now.flushed = Some(number);
        if let Some(scan) = &mut self.now.scan {
            scan.disturbed = true;
            scan.torn |= !scan.is_exact();
        }
        self.wish(Cause::Change, due);
    }

    // --- Wishes --------------------------------------------------------------

    /// It is to be scanned.
    pub(super) fn wish(&mut self, cause: Cause, due: Instant) {
        if !self.now.denied {
            self.now.wish = Some(Wish::join(self.now.wish, cause, due));
        }
    }

    /// The connection is made: everything is to be read by `due`.
    pub(super) fn greet(&mut self, due: Instant) {
        self.wish(Cause::First, due);
        if let Some(wish) = &mut self.now.wish {
            wish.sized = self.now.length.is_some();
        }
    }

    /// When a scan that is wished for may start.
    pub(super) fn due(&self) -> Option<Instant> {
        let wish = self.now.wish?;
        Some(if wish.cause == Cause::Change {
            self.pacer.earliest(wish.due)
        } else {
            wish.due
        })
    }

    /// Whether the length is known as it is since a scan is wished for.
    pub(super) fn is_sized(&self) -> bool {
        self.now.wish.is_some_and(|wish| wish.sized)
    }

    /// How many fields it has.
    pub(super) fn length(&self) -> u64 {
        self.now.length.unwrap_or(0)
    }

    /// Whether it is known, or must be suspected, to differ from what is known
    /// of it.
    pub(super) fn is_suspected(&self) -> bool {
        let wished = self.now.wish.is_some_and(|wish| wish.cause.is_suspicion());
        let scanned = self
            .now
            .scan
            .as_ref()
            .is_some_and(|scan| scan.cause.is_suspicion());
        (wished || scanned) && self.now.obstacle.is_none()
    }

    /// Whether it has yet to be read on this connection.
    pub(super) fn is_unread(&self) -> bool {
        self.now.completed == 0 && self.now.obstacle.is_none()
    }

    // --- Scans ---------------------------------------------------------------

    /// Begins the scan that is wished for.
    pub(super) fn begin(&mut self, number: u64, flushes: u64, at_once: bool, now: Instant) {
        if !self.known.gap {
            self.told_after_gap.clear();
        }
        let cause = self
            .now
            .wish
            .take()
            .map_or(Cause::Resync, |wish| wish.cause);
        match self.plan.way(now) {
            Ok(way) => {
                self.replica.begin_pass();
                let scan = Scan::new(number, cause, flushes, way, at_once);
                self.now.scan = Some(scan);
            }
            Err(why) => self.cannot_be_read(Obstacle::Failed(why)),
        }
    }

    /// The question that was to begin a scan was not answered.
    pub(super) fn take_back_scan(&mut self, now: Instant) {
        if let Some(scan) = self.now.scan.take() {
            self.wish(scan.cause, now);
        }
    }

    /// The scan under way.
    pub(super) fn scan(&self) -> Option<&Scan> {
        self.now.scan.as_ref()
    }

    /// The same, to be changed.
    pub(super) fn scan_mut(&mut self) -> Option<&mut Scan> {
        self.now.scan.as_mut()
    }

    /// Whether it is to be read at once: because it is small, or because it
    /// keeps changing under its scans, or would do so `unnoticed`.
    pub(super) fn fits_at_once(&mut self, unnoticed: bool, now: Instant) -> bool {
        let turbulent = unnoticed || self.turbulent_until.is_some_and(|until| now < until);
        self.plan.way(now) == Ok(Way::Whole)
            && (self.length() <= SCAN_ABOVE || turbulent && self.can_be_at_once())
    }

    fn can_be_at_once(&self) -> bool {
        let (fields, bytes) = AT_ONCE_AT_MOST;
        self.length() <= fields && self.replica.bytes() <= bytes
    }

    /// The scan was torn. Has it made once more, at once, if that can be.
    pub(super) fn scan_at_once(&mut self, now: Instant) -> bool {
        let can = self.can_be_at_once();
        let Some(scan) = self.now.scan.take_if(|scan| can && !scan.is_exact()) else {
            return false;
        };
        self.turbulent_until = now.checked_add(TURBULENT);
        self.wish(scan.cause, now);
        true
    }

    /// Asks for the next step of the scan.
    pub(super) fn ask_step(&self, index: usize, question: &mut Question) {
        let steps = self.scan().map(|scan| scan.questions(&self.key));
        for step in steps.into_iter().flatten() {
            question.add(Place::Scan(index), step);
        }
    }

    /// Takes the answers to that.
    pub(super) fn take_step(&mut self, index: usize, answer: &mut Answer) -> Result<(), String> {
        let length = self.length();
        let answers: Vec<Reply> = answer.take(Place::Scan(index)).collect();
        let taken = self
            .scan_mut()
            .filter(|_| !answers.is_empty())
            .map_or(Ok(()), |scan| scan.take(answers, length));
        taken.or_else(|trouble| self.scan_failed(trouble))
    }

    /// Compares what a step has brought with what is known. Gives the fields and
    /// bytes there were.
    pub(super) fn compare(&mut self) -> Result<(usize, usize), String> {
        let Some(scan) = &mut self.now.scan else {
            return Ok((0, 0));
        };
        let compared = scan.compare(&mut self.replica);
        compared.or_else(|trouble| self.scan_failed(trouble).map(|()| (0, 0)))
    }

    fn scan_failed(&mut self, trouble: Trouble) -> Result<(), String> {
        match trouble {
            Trouble::Lost(why) => Err(why),
            Trouble::Hash(why) => {
                let measured = self.scan().is_some_and(|scan| scan.way() == Way::Measured);
                if measured {
                    self.plan.cannot_measure(&why, Instant::now());
                }
                self.cannot_be_read(Obstacle::Failed(why));
                Ok(())
            }
        }
    }

    /// The answer to a step passed the budget of the connection.
    pub(super) fn overflowed(&mut self) {
        if let Some(scan) = &self.now.scan {
            self.plan.overflowed(scan.way(), Instant::now());
        }
    }

    fn cannot_be_read(&mut self, why: Obstacle) {
        self.now.scan = None;
        self.now.wish = None;
        if let (Obstacle::Failed(_), Some(at)) = (&why, self.plan.retry_at()) {
            self.now.wish = Some(Wish::join(None, Cause::Change, at));
        }
        self.now.obstacle = Some(why);
    }

    /// What the scan misses, in fields.
    pub(super) fn missing(&self) -> usize {
        self.replica.count_unseen()
    }

    /// Whether what the scan misses is so much, or has so uncertain a past, that
    /// all that Redis counts must be known to judge it.
    pub(super) fn needs_counters(&self) -> bool {
        !self.is_undisturbed() || self.misses_most()
    }

    /// Whether nothing can have happened to it that was not pushed.
    pub(super) fn is_undisturbed(&self) -> bool {
        self.now.watched && !self.is_flushed()
    }

    /// Whether a flush was pushed that a scan has yet to look into.
    pub(super) fn is_flushed(&self) -> bool {
        self.now.flushed.is_some()
    }

    fn misses_most(&self) -> bool {
        2 * self.missing() > self.replica.len()
    }

    /// The scan has been read to its end. Says whether it is of one moment: the
    /// moment of the last answer.
    pub(super) fn close_scan(&mut self) -> bool {
        let Some(scan) = &self.now.scan else {
            return true;
        };
        let staged = scan.staged().iter();
        let new = staged
            .filter(|(field, _)| self.replica.get(field).is_none())
            .count();
        let fields = self.replica.len() - self.missing() + new;
        let differs = self.length_differs(fields);
        let (exact, disturbed) = (scan.is_exact(), scan.disturbed);
        if differs && (exact || !disturbed) {
            // Nothing has changed it, so it is Redis that counts more.
            self.excess = self.length() as i64 - fields as i64;
        } else if differs && let Some(scan) = self.scan_mut() {
            scan.torn = true;
        }
        self.scan().is_none_or(|scan| !scan.torn)
    }

    /// What is missing was deleted, or got lost.
    pub(super) fn verdict(&self, facts: &ServerFacts) -> Gone {
        let case = Case {
            log: self.known.evidence.unwrap_or_default(),
            unlogged: self.known.unlogged,
            watched: self.now.watched,
            flushed: self.now.flushed.is_some(),
            most: self.misses_most(),
            had_ttl: self.known.ttl,
            identity: ThenAndNow {
                then: self.known.identity.as_ref(),
                now: facts.identity.as_ref(),
            },
            losses: ThenAndNow {
                then: self.known.losses.as_ref(),
                now: facts.losses.as_ref(),
            },
        };
        case.verdict()
    }

    /// All that the scan found differs: the hash is as it was read.
    pub(super) fn adopt(&mut self, gone: Gone) {
        let missing: Vec<Vec<u8>> = self.replica.unseen().map(<[u8]>::to_vec).collect();
        let Some(scan) = &mut self.now.scan else {
            return;
        };
        let staged = scan.take_staged();
        self.note_unlogged(!staged.is_empty() || !missing.is_empty());
        self.now.unsettled.clear();
        for field in missing {
            self.lose(&field, gone);
        }
        if self.fresh {
            self.draft.everything();
        }
        if self.replica.is_empty() {
            self.replica = staged;
            for (field, _) in self.replica.iter() {
                self.draft.set(field);
            }
        } else {
            for (field, content) in staged.iter() {
                // What one scan could hold, the replica can.
                let _ = self.set(field, content);
            }
        }
        self.replica.shrink();
    }

    /// The roles in which the scan found something that differs, with all their
    /// fields, and with their values as the scan read them.
    pub(super) fn changed_roles(&mut self) -> Vec<ReadRole> {
        let Some(scan) = &self.now.scan else {
            return Vec::new();
        };
        let (staged, replica) = (scan.staged(), &self.replica);
        let unseen: HashSet<&[u8]> = replica.unseen().collect();
        let changed = staged.iter().map(|(field, _)| field);
        let mut roles: HashMap<Vec<u8>, FieldsRead> = changed
            .chain(unseen.iter().copied())
            .map(|field| (role_of(field).into_owned(), Vec::new()))
            .collect();
        for (field, known) in replica.iter() {
            if let Some(fields) = roles.get_mut(&*role_of(field)) {
                let read = staged.get(field).or(Some(known));
                let read = read
                    .filter(|_| !unseen.contains(field))
                    .map(Content::to_bytes);
                fields.push((field.to_vec(), read));
            }
        }
        for (field, content) in staged.iter() {
            if replica.get(field).is_none()
                && let Some(fields) = roles.get_mut(&*role_of(field))
            {
                fields.push((field.to_vec(), Some(content.to_bytes())));
            }
        }
        let found = !roles.is_empty();
        self.now.unsettled.retain(|role| roles.contains_key(role));
        self.note_unlogged(found);
        roles
            .into_iter()
            .map(|(role, fields)| ReadRole { role, fields })
            .collect()
    }

    /// Roles that wait for scans which have been made by now.
    pub(super) fn ready_roles(&self, completed: impl Fn(Later) -> bool) -> Vec<ReadRole> {
        let ready = self.now.unsettled.ready(completed);
        let unread = |field| (field, None);
        ready
            .into_iter()
            .map(|(role, fields)| ReadRole {
                role,
                fields: fields.into_iter().map(unread).collect(),
            })
            .collect()
    }

    /// Roles that were left as they were, and of which the log has told
    /// meanwhile, each as far as it is known. Each is given once.
    pub(super) fn take_overtaken(&mut self) -> Vec<ReadRole> {
        let mut roles = Vec::new();
        for role in std::mem::take(&mut self.now.overtaken) {
            let Some(mut fields) = self.now.unsettled.fields_of(&role) else {
                continue;
            };
            let ours = self.replica.iter().map(|(field, _)| field);
            for field in ours.filter(|field| *role_of(field) == *role) {
                if !fields.iter().any(|(known, _)| known == field) {
                    fields.push((field.to_vec(), true));
                }
            }
            let value = |field: &[u8]| self.replica.get(field).map(Content::to_bytes);
            let fields = fields
                .into_iter()
                .map(|(field, there)| {
                    let value = value(&field).filter(|_| there);
                    (field, value)
                })
                .collect();
            roles.push(ReadRole { role, fields });
        }
        roles
    }

    /// A role was read at one moment: it is used as it is, or left as it was.
    pub(super) fn settle(
        &mut self,
        read: ReadRole,
        gone: Gone,
        awaited: Vec<Later>,
        completed: impl Fn(Later) -> bool,
    ) -> Decision {
        let missing = read.fields.iter().filter(|(_, value)| value.is_none());
        let missing: HashSet<Vec<u8>> = missing.map(|(field, _)| field.clone()).collect();
        let fields = read.fields.iter().map(|(field, _)| field.clone()).collect();
        // What is lost is retained: there is nothing to wait for. And a role that
        // is partly as it is now cannot be left as it was.
        let partly = self.told_after_gap.contains(&read.role);
        let awaited = if partly || gone == Gone::Lost {
            Vec::new()
        } else {
            awaited
        };
        let unsettled = &mut self.now.unsettled;
        let decision = unsettled.decide(&read.role, fields, missing, awaited, completed);
        if decision == Decision::Use {
            for (field, value) in read.fields {
                match value {
                    Some(value) => {
                        let _ = self.set(&field, Content::of(&value));
                    }
                    None => self.lose(&field, gone),
                }
            }
        }
        decision
    }

    /// The fields of a role that moved out of another hash were read here at
    /// the same moment. What is there is used.
    pub(super) fn adopt_moved(&mut self, read: ReadRole) {
        for (field, value) in read.fields {
            if let Some(value) = value {
                let _ = self.set(&field, Content::of(&value));
            }
        }
    }

    /// Whether a role is left as it was.
    pub(super) fn has_unsettled(&self) -> bool {
        !self.now.unsettled.is_empty()
    }

    /// A field is not there any more.
    fn lose(&mut self, field: &[u8], gone: Gone) {
        if self.replica.remove(field) {
            let dropped = self.known.drops.iter().any(|scope| drops(scope, field));
            self.draft
                .gone(field, if dropped { Gone::Removed } else { gone });
        }
    }

    /// A scan found something that the log did not tell. What came after the
    /// newest entry is not proved by it; but where the log was not followed up
    /// to now, that entry may have been the last change.
    fn note_unlogged(&mut self, found: bool) {
        let last_was_logged = self.now.newest_len.is_some()
            && self.now.newest_len == self.now.length
            && (self.fresh || self.known.evidence != Some(LogEvidence::Continues));
        self.known.unlogged |= found && !last_was_logged;
    }

    /// The scan is complete, and what it found is settled as far as it can be.
    pub(super) fn finish_scan(
        &mut self,
        facts: &ServerFacts,
        ttl: Option<bool>,
        tracked: bool,
        now: Instant,
    ) {
        let Some(scan) = self.now.scan.take() else {
            return;
        };
        self.fresh = false;
        self.plan.done(scan.way(), scan.sizes(), now);
        self.pacer.sized(self.replica.len(), self.replica.bytes());
        if scan.cause == Cause::Change {
            self.pacer.scanned(now);
        }
        self.known.identity.clone_from(&facts.identity);
        if facts.losses.is_some() || facts.identity.is_none() {
            self.known.losses.clone_from(&facts.losses);
        }
        if let Some(ttl) = ttl {
            self.known.ttl = ttl;
        }
        self.now.completed = scan.number;
        self.now.obstacle = None;
        self.now.watched = tracked;
        if self
            .now
            .flushed
            .is_some_and(|number| number <= scan.flushes)
        {
            self.now.flushed = None;
        }
        if !scan.gap {
            self.known.evidence = None;
            self.known.gap = false;
            self.known.drops.clear();
        }
        self.known.behind |= !self.now.log_read;
    }

    /// The number of the last scan that is complete; none where it cannot be
    /// read.
    pub(super) fn completed(&self) -> Option<u64> {
        self.now.obstacle.is_none().then_some(self.now.completed)
    }

    // --- Telling -------------------------------------------------------------

    /// What there is to tell the mirror. `anyway`: also why it cannot be read,
    /// although that was told.
    pub(super) fn tell(&mut self, anyway: bool) -> Option<Result<Changes, Unreadable>> {
        if let Some(why) = self.unreadable() {
            let why = why.clone();
            let told = Told::Unreadable(why.clone());
            if self.told == told && !anyway {
                return None;
            }
            self.told = told;
            return Some(Err(why));
        }
        if self.draft.is_empty() && self.told == Told::Readable {
            return None;
        }
        if self.draft.is_empty() && self.is_unread() {
            return None;
        }
        self.told = Told::Readable;
        Some(Ok(self.draft.take(&self.replica)))
    }
}
