//! Applies the change log to a hash.

use std::time::Instant;

use redis::{Value, cmd};

use super::{Hash, Obstacle, PAGE, SMALLEST_PAGE, SetOutcome};
use crate::connect::ErrorReply;
use crate::fault::Fault;
use crate::follow::pending_changes::Absence;
use crate::follow::read_error::ReadError;
use crate::follow::read_plan::ReadMethod;
use crate::follow::replica::{Content, ReplicaFull};
use crate::follow::request::{CommandTag, Replies, Reply, Request};
use crate::follow::role::role_of;
use crate::follow::scan::cannot_measure;
use crate::follow::scheduled_scan::ScanCause;
use crate::follow::verdict::LogEvidence;
use crate::log::{LogEntry, Operation};

/// What the log had for a hash that was not read before. A later variant outweighs an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::follow) enum LogNews {
    /// No entry.
    Nothing,
    /// Entries that do not change the hash, or a gap.
    NoChange,
    /// Changes of the hash.
    Change,
}

impl Hash {
    /// Adds the commands for its length and the new entries of its log.
    pub(in crate::follow) fn ask_length_and_log(
        &self,
        index: usize,
        with_log: bool,
        request: &mut Request,
    ) {
        if self.now.denied {
            return;
        }
        request.add(
            CommandTag::Length(index),
            cmd("HLEN").arg(&self.key).to_owned(),
        );
        if with_log && !self.now.log_denied {
            let log = self.known.mark.command(&self.log_key, self.now.page);
            request.add(CommandTag::Log(index), log);
        }
    }

    /// The user may not do this.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub(in crate::follow) fn deny(
        &mut self,
        what: CommandTag,
        reply: &ErrorReply,
    ) -> Result<(), Fault> {
        let now = Instant::now();
        let measured = self.plan.way(now) == Ok(ReadMethod::Measured);
        match what {
            CommandTag::Log(_) => {
                self.now.log_denied = true;
                self.now.more = false;
            }
            CommandTag::Scan(_) if measured => match cannot_measure(reply.clone()) {
                ReadError::Lost(why) => return Err(why),
                ReadError::Hash(why) => {
                    self.plan.cannot_measure(&why, now);
                    self.cannot_be_read(Obstacle::Failed(why));
                }
            },
            _ => match ReadError::from(reply.clone()) {
                ReadError::Lost(why) => return Err(why),
                ReadError::Hash(why) => {
                    self.now.denied = true;
                    self.cannot_be_read(Obstacle::Refused(why));
                }
            },
        }
        Ok(())
    }

    /// Tries again what was refused.
    pub(in crate::follow) fn try_what_was_denied(&mut self) {
        self.now.denied = false;
        self.now.log_denied = false;
    }

    /// A reply with a page of the log, and no more, exceeded the limit.
    pub(in crate::follow) fn shorten_pages(&mut self) {
        self.largest_page = (self.now.page / 8).max(SMALLEST_PAGE);
    }

    /// Takes the length, and the new entries of the log. Returns what these are.
    /// `begins`: the request was the first of a scan.
    /// A scan that is scheduled for meanwhile is due at `due`.
    pub(in crate::follow) fn take_log(
        &mut self,
        index: usize,
        replies: &mut Replies,
        begins: bool,
        due: Instant,
    ) -> Result<LogNews, Fault> {
        let length = replies.take(CommandTag::Length(index)).next();
        let log = replies.take(CommandTag::Log(index)).next();
        if let Err(why) = self.take_length(length, due) {
            return match why {
                ReadError::Lost(why) => Err(why),
                ReadError::Hash(why) => {
                    self.cannot_be_read(Obstacle::Refused(why));
                    Ok(LogNews::Nothing)
                }
            };
        }
        // If it is refused, or is not a stream, there is no log.
        let news = if let Some(Ok(log)) = log {
            self.now.log_read = true;
            self.take_entries(&log, begins, due)
        } else {
            self.now.log_read = false;
            self.now.more = false;
            self.weigh(LogEvidence::Absent);
            LogNews::Nothing
        };
        self.compare_length(due);
        Ok(news)
    }

    pub(super) fn take_length(
        &mut self,
        length: Option<Reply>,
        due: Instant,
    ) -> Result<(), ReadError> {
        let Some(length) = length else { return Ok(()) };
        let Value::Int(length) = length? else {
            return Err(ReadError::unexpected_reply("HLEN"));
        };
        let length = u64::try_from(length).map_err(|_| ReadError::unexpected_reply("HLEN"))?;
        self.room.check_fields(length)?;
        self.now.length = Some(length);
        if self.fresh {
            self.pacer
                .sized(usize::try_from(length).unwrap_or(usize::MAX), 0);
        }
        if let Some(scheduled) = &mut self.now.scheduled {
            scheduled.sized = true;
        }
        if let Some(Obstacle::Refused(_)) = self.now.obstacle {
            self.now.obstacle = None;
            self.schedule_scan(ScanCause::Change, due);
        }
        Ok(())
    }

    pub(super) fn take_entries(&mut self, log: &Value, begins: bool, due: Instant) -> LogNews {
        let read = self.known.mark.read(log, self.now.page);
        self.now.more = read.more;
        self.now.page = if read.more {
            (self.now.page * 4).min(self.largest_page)
        } else {
            PAGE.min(self.largest_page)
        };
        // A log that was created while the hash is tracked has no gap.
        let begins_here = self.now.watched && read.evidence == LogEvidence::Absent && !read.gap;
        if !begins_here {
            self.weigh(read.evidence);
        }
        self.known.gap |= read.gap;
        if let Some(scan) = &mut self.now.scan
            && read.gap
            && !begins
        {
            scan.gap = true;
            scan.torn |= !scan.is_exact();
        }
        // What was scanned without the log is newer than these entries.
        let behind = std::mem::take(&mut self.known.behind);
        if behind || read.gap {
            self.schedule_scan(ScanCause::Change, due);
        }
        if read.newest_len.is_some() {
            self.now.newest_len = read.newest_len;
        }
        let mut news = if read.gap {
            LogNews::NoChange
        } else {
            LogNews::Nothing
        };
        for entry in read.entries {
            let one = if self.apply(&entry, behind, due) {
                LogNews::Change
            } else {
                LogNews::NoChange
            };
            news = news.max(one);
        }
        news
    }

    /// Adds evidence about the continuity of the data. What the log once did not prove since the
    /// last scan it cannot prove later, and what it once refuted remains refuted.
    fn weigh(&mut self, now: LogEvidence) {
        let before = self.known.evidence.unwrap_or(LogEvidence::Continues);
        self.known.evidence = Some(before.max(now));
    }

    /// Applies an entry, or only its `.drop` if the replica is newer (`behind`). Returns whether it
    /// changes the hash.
    pub(super) fn apply(&mut self, entry: &LogEntry, behind: bool, due: Instant) -> bool {
        // Data that includes this entry includes all changes before it.
        self.known.unlogged = false;
        self.known.logged = true;
        self.now.newest_len = entry.len;
        let mut operated = false;
        for operation in &entry.operations {
            operated |= !matches!(operation, Operation::Drop(_));
            match operation {
                Operation::Set { .. } | Operation::Delete { .. } if behind => {}
                Operation::Set { field, value } if !self.has_room(field, value) => {
                    // The scan says so.
                    self.schedule_scan(ScanCause::Change, due);
                }
                Operation::Set { field, value } => {
                    match self.set(field, Content::of(value)) {
                        Ok(SetOutcome::Changed) => self.pending.attribute(operation, entry),
                        Ok(SetOutcome::Same) => {}
                        Err(ReplicaFull) => self.schedule_scan(ScanCause::Change, due),
                    }
                    self.overrule(field);
                }
                Operation::Delete { field } => {
                    self.forget(field);
                    self.pending.gone(field, Absence::Removed);
                    self.pending.attribute(operation, entry);
                    self.overrule(field);
                }
                Operation::Drop(scope) => {
                    if !self.is_undisturbed() && self.known.evidence != Some(LogEvidence::Continues)
                    {
                        self.known.drops.push(scope.clone());
                    }
                    self.pending.dropped(scope.clone());
                    self.pending.attribute(operation, entry);
                }
                Operation::Reset => self.schedule_scan(ScanCause::Change, due),
            }
        }
        operated
    }

    /// Whether a field with this value may be kept.
    fn has_room(&self, field: &[u8], value: &[u8]) -> bool {
        let bytes = self.replica.bytes() + field.len() + value.len();
        self.room.has_bytes(bytes)
    }

    /// The log changed this field: a scan in progress must not undo that, and its role is no longer
    /// deferred.
    pub(super) fn overrule(&mut self, field: &[u8]) {
        let role = role_of(field);
        if self.known.gap && !self.logged_after_gap.contains(&*role) {
            self.logged_after_gap.insert(role.clone().into_owned());
        }
        if self.now.deferred.fields_of(&role).is_some() {
            self.now.overtaken.insert(role.clone().into_owned());
        }
        self.now.logged_meanwhile.insert(role.into_owned());
        if let Some(scan) = &mut self.now.scan {
            scan.overrule(field);
        }
    }

    /// If the length differs from that of the replica, there was a change that was not logged.
    pub(super) fn compare_length(&mut self, due: Instant) {
        let quiet = self.now.watched
            && !self.now.more
            && self.now.scan.is_none()
            && !self.is_suspected()
            && self.now.obstacle.is_none();
        if quiet && self.length_differs(self.replica.len()) {
            self.schedule_scan(ScanCause::Change, due);
        }
    }

    pub(super) fn length_differs(&self, fields: usize) -> bool {
        self.now
            .length
            .is_some_and(|length| length as i64 != fields as i64 + self.excess)
    }

    /// Whether more of the log must be read before anything may be reported.
    pub(in crate::follow) fn has_more(&self) -> bool {
        self.now.more
    }

    /// Whether it changed in a way that its log does not show. What the logs of other hashes show may
    /// be half of the same change.
    pub(in crate::follow) fn is_half_known(&self) -> bool {
        self.is_suspected() && (self.known.gap || !self.now.log_read)
    }
}
