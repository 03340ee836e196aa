//! Periodic work: resync, and PING on an idle connection.

use std::time::{Duration, Instant};

use redis::cmd;

use super::{Denied, Session};
use crate::connect::{CommandError, SILENCE, is_master};
use crate::fault::{Fault, FaultCode};
use crate::follow::info::{Info, Section};
use crate::follow::round::Round;
use crate::follow::scheduled_scan::ScanCause;
use crate::jitter;

/// PING is sent after this time without a byte. It wakes the daemon up to three times: to send, because
/// it was read, and because of the reply.
pub(super) const IDLE: Duration = Duration::from_millis(3_200);

/// How long the reply to PING may take. With [`IDLE`], a dead peer is noticed within 5 s.
const ANSWERS: Duration = Duration::from_millis(1_600);

impl Session<'_> {
    /// The time until the next resync, or poll. A resync has jitter, so that a fleet does not read in
    /// step.
    pub(super) fn until_resync(&self) -> Duration {
        let (config, load, cost) = (self.config, self.state.load, self.cost());
        if self.polls() {
            load.poll(config.poll_interval.min(config.resync_interval), cost)
        } else {
            let interval = load.resync(config.resync_interval, cost);
            jitter::about(interval)
        }
    }

    /// Schedules a scan of every hash.
    pub(super) async fn resync(&mut self) -> Result<(), Fault> {
        self.check_master().await?;
        let now = Instant::now();
        let cause = if self.polls() {
            ScanCause::Poll
        } else {
            ScanCause::Resync
        };
        self.round = Some(Round::new(self.state.hashes.len()));
        self.denied = Denied::default();
        self.state.plain_until = None;
        for hash in &mut self.state.hashes {
            hash.try_what_was_denied();
            hash.schedule_scan(cause, now);
        }
        Ok(())
    }

    /// Checks that a master that sentinels named was not demoted.
    pub(super) async fn check_master(&mut self) -> Result<(), Fault> {
        if self.config.redis.sentinel.is_none() {
            return Ok(());
        }
        let (tracking, patience) = (!self.polls(), self.patience());
        match is_master(&mut self.connection.link, tracking, patience).await? {
            Some(false) => {
                let why = "this Redis is no longer the master";
                Err(Fault::new(FaultCode::Replica, why))
            }
            Some(true) | None => Ok(()),
        }
    }

    /// Sees whether the connection is alive. A replica is asked for its replication instead, which
    /// says whether it still hears of changes: nothing is pushed when it does not.
    pub(super) async fn ping(&mut self) -> Result<(), Fault> {
        let answers = ANSWERS + self.patience().saturating_sub(SILENCE);
        let asks_link = self.master_link.is_some() && !self.denied.info;
        let question = if asks_link {
            Section::Replication.command()
        } else {
            cmd("PING")
        };
        match self.connection.link.send_within(&question, answers).await {
            Ok(answer) if asks_link => {
                let mut info = Info::default();
                info.add(&answer);
                self.master_link = info.master_link();
                self.report_link().await;
                Ok(())
            }
            // An error reply is a reply.
            Ok(_) | Err(CommandError::ErrorReply(_)) => Ok(()),
            Err(CommandError::Lost(fault)) => Err(fault),
        }
    }
}
