//! One hash that is followed: its state and how it changes.
//!
//! `schedule` turns invalidations into scans, `log` applies entries of the change log, `scanning`
//! runs a scan, `scan_result` and `roles` apply what it found.

mod log;
mod roles;
mod scan_result;
mod scanning;
mod schedule;

pub(super) use log::LogNews;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use cloudhosts_config::Allow;

use super::checkpoint::HashCheckpoint;
use super::deferred_roles::DeferredRoles;
use super::event::{Changes, Extent};
use super::loss_counters::LossCounters;
use super::pacer::Pacer;
use super::pending_changes::PendingChanges;
use super::read_plan::ReadPlan;
use super::replica::{Content, Replica, ReplicaFull};
use super::replication_identity::ReplicationIdentity;
use super::room::Room;
use super::scan::Scan;
use super::scheduled_scan::ScheduledScan;
use crate::log::log_key;
use crate::pairs::Pairs;
use crate::record::Field;
use crate::unreadable::Unreadable;

/// How long a hash is read by HGETALL after it changed during a scan.
const TURBULENT: Duration = Duration::from_secs(10);

/// Entries of the log that are read at a time.
const PAGE: usize = 256;

/// The most while there are more; and the fewest, if entries are so large that a page exceeds the
/// limit of a reply.
const LARGEST_PAGE: usize = 4_096;
const SMALLEST_PAGE: usize = 2;

/// What INFO said at one moment.
#[derive(Debug, Clone, Default)]
pub(in crate::follow) struct ServerFacts {
    pub(in crate::follow) identity: Option<ReplicationIdentity>,
    /// Only if it was requested.
    pub(in crate::follow) losses: Option<LossCounters>,
}

/// What was last reported about whether the hash can be read.
#[derive(Debug, Default, PartialEq, Eq)]
enum Published {
    #[default]
    Nothing,
    Readable,
    Unreadable(Unreadable),
}

/// What keeps a hash from being read.
#[derive(Debug)]
enum Obstacle {
    /// Redis refuses even HLEN. That may end at any moment.
    Refused(Unreadable),
    /// Reading it failed. It is retried by the read plan.
    Failed(Unreadable),
}

/// One hash.
pub(in crate::follow) struct Hash {
    pub(in crate::follow) key: String,
    log_key: String,
    replica: Replica,
    /// Which roles are mirrored. None if all are.
    allow: Option<Allow>,
    /// How many fields of the replica belong to other roles.
    filtered: usize,
    pending: PendingChanges,
    published: Published,
    known: HashCheckpoint,
    /// The hash was never read.
    fresh: bool,
    /// How many more fields HLEN counts than there are: it includes expired fields that are not
    /// deleted yet.
    excess: i64,
    /// How it is read: whole or measured.
    pub(in crate::follow) plan: ReadPlan,
    /// When it may be scanned again.
    pub(in crate::follow) pacer: Pacer,
    largest_page: usize,
    /// How much of it may be read.
    pub(in crate::follow) room: Room,
    /// Roles that the log changed after a gap: they are partly up to date.
    logged_after_gap: HashSet<Vec<u8>>,
    /// Until when it is read by HGETALL, because it changed during a scan.
    turbulent_until: Option<Instant>,
    now: ConnectionState,
}

/// The state that is lost with the connection.
#[derive(Default)]
struct ConnectionState {
    /// The user may not read the hash, or not its log. Not tried again until the next resync.
    denied: bool,
    log_denied: bool,
    obstacle: Option<Obstacle>,
    length: Option<u64>,
    page: usize,
    /// The last page of the log was full.
    more: bool,
    /// Whether the last request read the log.
    log_read: bool,
    /// How many fields the hash had after the newest entry, if that has `.len`.
    newest_len: Option<u64>,
    /// The pushes before the next request belong to entries that were read.
    explained: bool,
    scheduled: Option<ScheduledScan>,
    scan: Option<Scan>,
    /// The number of the last complete scan.
    completed: u64,
    /// The hash is tracked since a complete scan: what is missing was deleted.
    watched: bool,
    /// The number of the last pushed flush that no scan has evaluated.
    flushed: Option<u64>,
    deferred: DeferredRoles,
    /// Deferred roles that the log has changed meanwhile.
    overtaken: HashSet<Vec<u8>>,
    /// Roles that a scan found changed are to be read again.
    rereading: bool,
    /// Roles that the log has changed since.
    logged_meanwhile: HashSet<Vec<u8>>,
}

/// What setting a field did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetOutcome {
    /// Nothing: the field had that value.
    Same,
    /// The field is new, or had another value.
    Changed,
}

/// Raw fields and their values. None if there is no such field.
type FieldsRead = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// A role with its fields and values, as read.
pub(in crate::follow) struct ReadRole {
    pub(in crate::follow) role: Vec<u8>,
    pub(in crate::follow) fields: FieldsRead,
}

impl Hash {
    /// A hash with this known state.
    pub(in crate::follow) fn new(
        key: &str,
        pairs: Option<&Pairs>,
        known: HashCheckpoint,
        allow: &Allow,
    ) -> Hash {
        let (replica, whole) =
            pairs.map_or_else(|| (Replica::default(), Ok(())), Replica::from_pairs);
        let mut pacer = Pacer::default();
        pacer.sized(replica.len(), replica.bytes());
        let mut hash = Hash {
            key: key.to_owned(),
            log_key: log_key(key),
            fresh: replica.is_empty(),
            // If not everything fits, the checkpoint does not apply.
            known: if whole.is_ok() {
                known
            } else {
                HashCheckpoint::default()
            },
            replica,
            allow: (!allow.allows_all()).then(|| allow.clone()),
            filtered: 0,
            pending: PendingChanges::default(),
            published: Published::default(),
            excess: 0,
            plan: ReadPlan::default(),
            pacer,
            largest_page: LARGEST_PAGE,
            room: Room::default(),
            logged_after_gap: HashSet::new(),
            turbulent_until: None,
            now: ConnectionState::default(),
        };
        hash.count_filtered();
        hash
    }

    /// A connection was made: resets the state of the previous one.
    pub(in crate::follow) fn connected(&mut self) {
        self.known.gap |= self.is_unsettled();
        self.now = ConnectionState {
            page: PAGE.min(self.largest_page),
            ..ConnectionState::default()
        };
    }

    /// What is saved for a later daemon.
    pub(in crate::follow) fn checkpoint(&self) -> HashCheckpoint {
        HashCheckpoint {
            gap: self.known.gap || self.is_unsettled(),
            ..self.known.clone()
        }
    }

    /// Whether a scan found roles changed that are not used as it found them yet: what the log adds to
    /// them is not all of them.
    fn is_unsettled(&self) -> bool {
        self.now.rereading || !self.now.deferred.is_empty()
    }

    /// Why it cannot be read.
    pub(in crate::follow) fn unreadable(&self) -> Option<&Unreadable> {
        match self.now.obstacle.as_ref()? {
            Obstacle::Refused(why) | Obstacle::Failed(why) => Some(why),
        }
    }

    /// Whether the hash was never read.
    pub(in crate::follow) fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Gives a field a value.
    pub(super) fn set(
        &mut self,
        field: &[u8],
        content: Content<'_>,
    ) -> Result<SetOutcome, ReplicaFull> {
        let seen = self.replica.see(field);
        if seen == Some(content) {
            return Ok(SetOutcome::Same);
        }
        let is_new = seen.is_none();
        self.replica.set(field, content)?;
        self.filtered += usize::from(is_new && self.filters(field));
        self.pending.set(field);
        Ok(SetOutcome::Changed)
    }

    /// Removes a field from the replica. Returns whether it was there.
    pub(super) fn forget(&mut self, field: &[u8]) -> bool {
        let was_there = self.replica.remove(field);
        self.filtered -= usize::from(was_there && self.filters(field));
        was_there
    }

    /// Whether a field is of a role that is not mirrored.
    fn filters(&self, field: &[u8]) -> bool {
        self.allow.as_ref().is_some_and(|allow| {
            let field = Field::parse(field);
            field.is_ok_and(|field| !allow.allows(&field.role.to_string()))
        })
    }

    /// Counts the fields of roles that are not mirrored.
    fn count_filtered(&mut self) {
        if self.allow.is_some() {
            let fields = self.replica.iter().map(|(field, _)| field);
            self.filtered = fields.filter(|field| self.filters(field)).count();
        }
    }

    /// Takes the changes that are to be reported. `anyway`: also why the hash cannot be read, if that
    /// was reported before.
    pub(in crate::follow) fn take_changes(
        &mut self,
        anyway: bool,
    ) -> Option<Result<Changes, Unreadable>> {
        if let Some(why) = self.unreadable() {
            let why = why.clone();
            let published = Published::Unreadable(why.clone());
            if self.published == published && !anyway {
                return None;
            }
            self.published = published;
            return Some(Err(why));
        }
        if self.pending.is_empty() && self.published == Published::Readable {
            return None;
        }
        if self.pending.is_empty() && self.is_unread() {
            return None;
        }
        self.published = Published::Readable;
        let mut changes = self.pending.take(&self.replica);
        changes.extent = Some(Extent {
            fields: self.replica.len(),
            filtered: self.filtered,
        });
        Some(Ok(changes))
    }
}
