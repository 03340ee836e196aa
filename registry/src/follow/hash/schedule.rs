//! Invalidations, and the scan that they schedule.

use std::time::Instant;

use super::{Hash, LogNews, Obstacle};
use crate::connect::{Pushed, Pushes};
use crate::follow::scheduled_scan::{ScanCause, ScheduledScan};

impl Hash {
    /// Takes the pushes around a request. `news`: what its reply had of the log. `begins`: it was
    /// the first of a scan. `half_seen`: another hash was pushed without its log, so that a change of
    /// both may hide behind a logged one of this: a key is pushed once until it is read again.
    pub(in crate::follow) fn take_pushes(
        &mut self,
        pushes: Pushes,
        news: LogNews,
        half_seen: bool,
        begins: bool,
        due: Instant,
    ) {
        let unlogged_before = match pushes.before {
            Pushed::Hash => true,
            Pushed::LogThenHash => {
                // With nothing new in the log, they are of changes that the reply before had.
                let explained = self.now.explained && news == LogNews::Nothing;
                half_seen || news != LogNews::Change && !explained
            }
            Pushed::Log | Pushed::Nothing => false,
        };
        let unlogged_during = match pushes.during {
            Pushed::Hash => true,
            Pushed::LogThenHash => half_seen,
            Pushed::Log | Pushed::Nothing => false,
        };
        let unlogged_during = unlogged_during || pushes.apart && news != LogNews::Change;
        self.now.explained = news == LogNews::Change;
        if let Some(scan) = &mut self.now.scan {
            let before = pushes.before != Pushed::Nothing && !begins;
            scan.disturbed |= before || pushes.during != Pushed::Nothing;
            scan.torn |= !scan.is_exact() && (unlogged_before && !begins || unlogged_during);
        }
        if unlogged_before && !begins || unlogged_during {
            self.schedule_scan(ScanCause::Change, due);
        }
    }

    /// A flush was pushed; `number` counts them.
    pub(in crate::follow) fn flushed(&mut self, number: u64, due: Instant) {
        self.now.flushed = Some(number);
        if let Some(scan) = &mut self.now.scan {
            scan.disturbed = true;
            scan.torn |= !scan.is_exact();
        }
        self.schedule_scan(ScanCause::Change, due);
    }

    /// Schedules a scan.
    pub(in crate::follow) fn schedule_scan(&mut self, cause: ScanCause, due: Instant) {
        if !self.now.denied {
            self.now.scheduled = Some(ScheduledScan::join(self.now.scheduled, cause, due));
        }
    }

    /// Schedules the first scan of a connection.
    pub(in crate::follow) fn schedule_first_scan(&mut self, due: Instant) {
        self.schedule_scan(ScanCause::First, due);
        if let Some(scheduled) = &mut self.now.scheduled {
            scheduled.sized = self.now.length.is_some();
        }
    }

    /// When the scheduled scan may start.
    pub(in crate::follow) fn due(&self) -> Option<Instant> {
        let scheduled = self.now.scheduled?;
        Some(if scheduled.cause == ScanCause::Change {
            self.pacer.earliest(scheduled.due)
        } else {
            scheduled.due
        })
    }

    /// Whether the length was read since the scan was scheduled.
    pub(in crate::follow) fn is_sized(&self) -> bool {
        self.now.scheduled.is_some_and(|scan| scan.sized)
    }

    /// How many fields it has.
    pub(in crate::follow) fn length(&self) -> u64 {
        self.now.length.unwrap_or(0)
    }

    /// Whether the hash differs, or may differ, from its replica.
    pub(in crate::follow) fn is_suspected(&self) -> bool {
        let scheduled = self
            .now
            .scheduled
            .is_some_and(|scan| scan.cause.is_suspicion());
        let scanned = self
            .now
            .scan
            .as_ref()
            .is_some_and(|scan| scan.cause.is_suspicion());
        (scheduled || scanned) && self.now.obstacle.is_none()
    }

    /// How many bytes its fields and values had when it was read.
    pub(in crate::follow) fn bytes(&self) -> usize {
        self.replica.bytes()
    }

    /// Whether it is still to be read on this connection.
    pub(in crate::follow) fn is_unread(&self) -> bool {
        self.now.completed == 0 && self.now.obstacle.is_none()
    }

    /// Whether Redis lets us read it, as far as is known.
    pub(in crate::follow) fn can_be_read(&self) -> bool {
        !self.now.denied && !matches!(self.now.obstacle, Some(Obstacle::Refused(_)))
    }

    /// Whether single fields of it can be asked for, with values of any length.
    pub(in crate::follow) fn fields_can_be_read(&self) -> bool {
        !self.now.denied && self.now.obstacle.is_none() && self.plan.is_whole()
    }
}
