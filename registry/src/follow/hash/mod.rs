//! One hash that is followed: what is known of it, and what is to be done.

mod log;
mod roles;
mod scan_result;
mod scanning;
mod schedule;

use super::checkpoint::HashCheckpoint;
use super::deferred_roles::DeferredRoles;
use super::event::{Changes, Extent};
use super::loss_counters::LossCounters;
use super::pacer::Pacer;
use super::pending_changes::PendingChanges;
use super::read_plan::ReadPlan;
use super::replica::{Content, Replica, ReplicaFull};
use super::replication_identity::ReplicationIdentity;
use super::scan::Scan;
use super::scheduled_scan::ScheduledScan;
use crate::log::log_key;
use crate::pairs::Pairs;
use crate::record::Field;
use crate::unreadable::Unreadable;
use cloudhosts_config::Allow;
use std::collections::HashSet;
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
pub(in crate::follow) struct ServerFacts {
    pub(in crate::follow) identity: Option<ReplicationIdentity>,
    /// Only where it was asked for.
    pub(in crate::follow) losses: Option<LossCounters>,
}

/// Whether the mirror was told that the hash can be read.
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
    /// Redis refuses even its length. That may end at any moment.
    Refused(Unreadable),
    /// Reading it failed, and is tried again as the plan says.
    Failed(Unreadable),
}

/// One hash.
pub(in crate::follow) struct Hash {
    pub(in crate::follow) key: String,
    log_key: String,
    replica: Replica,
    /// Which roles are mirrored; none where all are.
    allow: Option<Allow>,
    /// How many fields of the replica belong to others.
    filtered: usize,
    pending: PendingChanges,
    published: Published,
    known: HashCheckpoint,
    /// Nothing was ever known of it.
    fresh: bool,
    /// By how much Redis counts more fields than there are: fields that have
    /// expired by themselves are counted until they are deleted.
    excess: i64,
    /// How it is read.
    pub(in crate::follow) plan: ReadPlan,
    /// What reading it costs, and the rest that follows.
    pub(in crate::follow) pacer: Pacer,
    largest_page: usize,
    /// Roles of which the log told after a gap: they are partly as they are now.
    told_after_gap: HashSet<Vec<u8>>,
    /// It has changed under a scan, and may again.
    turbulent_until: Option<Instant>,
    now: ConnectionState,
}

/// What holds for one connection.
#[derive(Default)]
struct ConnectionState {
    /// The user may not read the hash, or not its log. These are not asked for
    /// until the next resync.
    denied: bool,
    log_denied: bool,
    obstacle: Option<Obstacle>,
    length: Option<u64>,
    page: usize,
    /// The last page of the log was full.
    more: bool,
    /// Whether the last request asked for the log.
    log_read: bool,
    /// How many fields the hash had after the newest entry, if that says so.
    newest_len: Option<u64>,
    /// The pushes before the next request belong to entries that were read.
    explained: bool,
    scheduled: Option<ScheduledScan>,
    scan: Option<Scan>,
    /// The number of the last scan that is complete.
    completed: u64,
    /// What is missing was deleted under our eyes.
    watched: bool,
    /// The number of the last flush that was pushed and is not settled.
    flushed: Option<u64>,
    deferred: DeferredRoles,
    /// Roles among these of which the log has told meanwhile.
    overtaken: HashSet<Vec<u8>>,
}

/// What it makes of a field that it is given a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetOutcome {
    /// It had that value.
    Same,
    /// It is new, or had another.
    Changed,
}

/// Raw fields and their values; none where there is no such field.
type FieldsRead = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// A role with its fields, and their values as they were read.
pub(in crate::follow) struct ReadRole {
    pub(in crate::follow) role: Vec<u8>,
    pub(in crate::follow) fields: FieldsRead,
}

impl Hash {
    /// A hash of which this is known, and whose roles are mirrored as far as
    /// `allow` says.
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
            // What did not fit is as unknown as if nothing were known.
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
            told_after_gap: HashSet::new(),
            turbulent_until: None,
            now: ConnectionState::default(),
        };
        hash.count_filtered();
        hash
    }

    /// A connection was made: what held for the one before does so no more.
    pub(in crate::follow) fn connected(&mut self) {
        // What was left as it was is not known to be so any more.
        self.known.gap |= !self.now.deferred.is_empty();
        self.now = ConnectionState {
            page: PAGE.min(self.largest_page),
            ..ConnectionState::default()
        };
    }

    /// What a later daemon is to know of it.
    pub(in crate::follow) fn checkpoint(&self) -> HashCheckpoint {
        self.known.clone()
    }

    /// Why it cannot be read.
    pub(in crate::follow) fn unreadable(&self) -> Option<&Unreadable> {
        match self.now.obstacle.as_ref()? {
            Obstacle::Refused(why) | Obstacle::Failed(why) => Some(why),
        }
    }

    /// Whether nothing was ever known of it.
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

    /// Takes a field out of the replica; says whether it was there.
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

    /// Counts the fields anew that are of roles which are not mirrored.
    fn count_filtered(&mut self) {
        if self.allow.is_some() {
            let fields = self.replica.iter().map(|(field, _)| field);
            self.filtered = fields.filter(|field| self.filters(field)).count();
        }
    }

    /// What there is to tell the mirror. `anyway`: also why it cannot be read,
    /// although that was told.
    pub(in crate::follow) fn take_changes(
        &mut self,
        anyway: bool,
    ) -> Option<Result<Changes, Unreadable>> {
        if let Some(why) = self.unreadable() {
            let why = why.clone();
            let told = Published::Unreadable(why.clone());
            if self.published == told && !anyway {
                return None;
            }
            self.published = told;
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
