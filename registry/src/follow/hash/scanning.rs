//! The scan of a hash in progress.

use std::time::Instant;

use super::{Hash, Obstacle, TURBULENT};
use crate::fault::Fault;
use crate::follow::read_error::ReadError;
use crate::follow::read_plan::ReadMethod;
use crate::follow::request::{CommandTag, Replies, Reply, Request};
use crate::follow::scan::{
    HGETALL_MAX_FIELDS, Scan, UNSTABLE_HGETALL_MAX_BYTES, UNSTABLE_HGETALL_MAX_FIELDS,
};
use crate::follow::scheduled_scan::{ScanCause, ScheduledScan};

impl Hash {
    /// Begins the scheduled scan.
    pub(in crate::follow) fn begin(
        &mut self,
        number: u64,
        flushes: u64,
        at_once: bool,
        now: Instant,
    ) {
        if !self.known.gap {
            self.logged_after_gap.clear();
        }
        let cause = self
            .now
            .scheduled
            .take()
            .map_or(ScanCause::Resync, |scan| scan.cause);
        match self.plan.way(now) {
            Ok(way) => {
                self.replica.begin_pass();
                let scan = Scan::new(number, cause, flushes, way, at_once);
                self.now.scan = Some(scan);
            }
            Err(why) => self.cannot_be_read(Obstacle::Failed(why)),
        }
    }

    /// The request that was to begin the scan failed.
    pub(in crate::follow) fn take_back_scan(&mut self, now: Instant) {
        if let Some(scan) = self.now.scan.take() {
            self.schedule_scan(scan.cause, now);
        }
    }

    /// The scan in progress.
    pub(in crate::follow) fn scan(&self) -> Option<&Scan> {
        self.now.scan.as_ref()
    }

    /// The same, mutable.
    pub(in crate::follow) fn scan_mut(&mut self) -> Option<&mut Scan> {
        self.now.scan.as_mut()
    }

    /// Whether HGETALL is always right for it.
    pub(in crate::follow) fn is_small(&self) -> bool {
        self.length() <= HGETALL_MAX_FIELDS
    }

    /// Whether it is read by HGETALL: because it is small, or because it keeps changing during its
    /// scans, or would do so `unnoticed`.
    pub(in crate::follow) fn fits_at_once(&mut self, unnoticed: bool, now: Instant) -> bool {
        let turbulent = unnoticed || self.turbulent_until.is_some_and(|until| now < until);
        self.plan.way(now) == Ok(ReadMethod::Whole)
            && (self.is_small() || turbulent && self.can_be_at_once())
    }

    pub(super) fn can_be_at_once(&self) -> bool {
        self.length() <= UNSTABLE_HGETALL_MAX_FIELDS
            && self.replica.bytes() <= UNSTABLE_HGETALL_MAX_BYTES
    }

    /// The scan was torn. Schedules another by HGETALL, if possible.
    pub(in crate::follow) fn scan_at_once(&mut self, now: Instant) -> bool {
        let can = self.can_be_at_once();
        let Some(scan) = self.now.scan.take_if(|scan| can && !scan.is_exact()) else {
            return false;
        };
        self.turbulent_until = now.checked_add(TURBULENT);
        self.schedule_scan(scan.cause, now);
        true
    }

    /// Adds the commands of the next step.
    pub(in crate::follow) fn ask_step(&self, index: usize, request: &mut Request) {
        let steps = self.scan().map(|scan| scan.commands(&self.key));
        for step in steps.into_iter().flatten() {
            request.add(CommandTag::Scan(index), step);
        }
    }

    /// Takes the replies to it.
    pub(in crate::follow) fn take_step(
        &mut self,
        index: usize,
        replies: &mut Replies,
    ) -> Result<(), Fault> {
        let length = self.length();
        let answers: Vec<Reply> = replies.take(CommandTag::Scan(index)).collect();
        let taken = self
            .scan_mut()
            .filter(|_| !answers.is_empty())
            .map_or(Ok(()), |scan| scan.take(answers, length));
        taken.or_else(|error| self.scan_failed(error))
    }

    /// Compares the last step with the replica. Returns how many fields and bytes there were.
    pub(in crate::follow) fn compare(&mut self) -> Result<(usize, usize), Fault> {
        let Some(scan) = &mut self.now.scan else {
            return Ok((0, 0));
        };
        let compared = scan.compare(&mut self.replica);
        // What is replaced or missing counts twice, until the scan ends.
        let bytes = self.replica.bytes() + scan.staged().bytes();
        let fits = self.room.check_bytes(bytes);
        let compared = compared.and_then(|read| fits.map(|()| read));
        compared.or_else(|error| self.scan_failed(error).map(|()| (0, 0)))
    }

    pub(super) fn scan_failed(&mut self, error: ReadError) -> Result<(), Fault> {
        match error {
            ReadError::Lost(why) => Err(why),
            ReadError::Hash(why) => {
                let measured = self
                    .scan()
                    .is_some_and(|scan| scan.way() == ReadMethod::Measured);
                if measured {
                    self.plan.cannot_measure(&why, Instant::now());
                }
                self.cannot_be_read(Obstacle::Failed(why));
                Ok(())
            }
        }
    }

    /// The reply to a step exceeded the limit.
    pub(in crate::follow) fn overflowed(&mut self) {
        if let Some(scan) = &self.now.scan {
            self.plan.overflowed(scan.way(), Instant::now());
        }
    }

    pub(super) fn cannot_be_read(&mut self, why: Obstacle) {
        self.now.scan = None;
        self.now.scheduled = None;
        if let (Obstacle::Failed(_), Some(at)) = (&why, self.plan.retry_at()) {
            self.now.scheduled = Some(ScheduledScan::join(None, ScanCause::Change, at));
        }
        self.now.obstacle = Some(why);
    }
}
