//! The scan of a hash that is under way.

use super::{Hash, Obstacle, TURBULENT};
use crate::fault::Fault;
use crate::follow::read_error::ReadError;
use crate::follow::read_plan::ReadMethod;
use crate::follow::request::{CommandTag, Replies, Reply, Request};
use crate::follow::scan::{AT_ONCE_AT_MOST, SCAN_ABOVE, Scan};
use crate::follow::scheduled_scan::{ScanCause, ScheduledScan};
use std::time::Instant;

impl Hash {
    /// Begins the scan that is scheduled for.
    pub(in crate::follow) fn begin(
        &mut self,
        number: u64,
        flushes: u64,
        at_once: bool,
        now: Instant,
    ) {
        if !self.known.gap {
            self.told_after_gap.clear();
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

    /// The request that was to begin a scan was not answered.
    pub(in crate::follow) fn take_back_scan(&mut self, now: Instant) {
        if let Some(scan) = self.now.scan.take() {
            self.schedule_scan(scan.cause, now);
        }
    }

    /// The scan under way.
    pub(in crate::follow) fn scan(&self) -> Option<&Scan> {
        self.now.scan.as_ref()
    }

    /// The same, to be changed.
    pub(in crate::follow) fn scan_mut(&mut self) -> Option<&mut Scan> {
        self.now.scan.as_mut()
    }

    /// Whether it is to be read at once: because it is small, or because it
    /// keeps changing under its scans, or would do so `unnoticed`.
    pub(in crate::follow) fn fits_at_once(&mut self, unnoticed: bool, now: Instant) -> bool {
        let turbulent = unnoticed || self.turbulent_until.is_some_and(|until| now < until);
        self.plan.way(now) == Ok(ReadMethod::Whole)
            && (self.length() <= SCAN_ABOVE || turbulent && self.can_be_at_once())
    }

    pub(super) fn can_be_at_once(&self) -> bool {
        let (fields, bytes) = AT_ONCE_AT_MOST;
        self.length() <= fields && self.replica.bytes() <= bytes
    }

    /// The scan was torn. Has it made once more, at once, if that can be.
    pub(in crate::follow) fn scan_at_once(&mut self, now: Instant) -> bool {
        let can = self.can_be_at_once();
        let Some(scan) = self.now.scan.take_if(|scan| can && !scan.is_exact()) else {
            return false;
        };
        self.turbulent_until = now.checked_add(TURBULENT);
        self.schedule_scan(scan.cause, now);
        true
    }

    /// Asks for the next step of the scan.
    pub(in crate::follow) fn ask_step(&self, index: usize, request: &mut Request) {
        let steps = self.scan().map(|scan| scan.questions(&self.key));
        for step in steps.into_iter().flatten() {
            request.add(CommandTag::Scan(index), step);
        }
    }

    /// Takes the answers to that.
    pub(in crate::follow) fn take_step(
        &mut self,
        index: usize,
        answer: &mut Replies,
    ) -> Result<(), Fault> {
        let length = self.length();
        let answers: Vec<Reply> = answer.take(CommandTag::Scan(index)).collect();
        let taken = self
            .scan_mut()
            .filter(|_| !answers.is_empty())
            .map_or(Ok(()), |scan| scan.take(answers, length));
        taken.or_else(|trouble| self.scan_failed(trouble))
    }

    /// Compares what a step has brought with what is known. Gives the fields and
    /// bytes there were.
    pub(in crate::follow) fn compare(&mut self) -> Result<(usize, usize), Fault> {
        let Some(scan) = &mut self.now.scan else {
            return Ok((0, 0));
        };
        let compared = scan.compare(&mut self.replica);
        compared.or_else(|trouble| self.scan_failed(trouble).map(|()| (0, 0)))
    }

    pub(super) fn scan_failed(&mut self, trouble: ReadError) -> Result<(), Fault> {
        match trouble {
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

    /// The answer to a step passed the budget of the connection.
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
