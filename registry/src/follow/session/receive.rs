//! Taking in what a request was answered.

use super::request_plan::RequestPlan;
use super::{Session, turn};
use crate::fault::Fault;
use crate::follow::backoff::random;
use crate::follow::hash::{Hash, ServerFacts};
use crate::follow::info::Info;
use crate::follow::loss_counters::LossCounters;
use crate::follow::replication_identity::ReplicationIdentity;
use crate::follow::request::Replies;
use std::time::{Duration, Instant};

impl Session<'_> {
    /// Takes in the answer to a request.
    pub(super) async fn take(
        &mut self,
        plan: RequestPlan,
        mut answer: Replies,
    ) -> Result<(), Fault> {
        let now = Instant::now();
        let facts = self.take_info(&mut answer);
        let pushes = self.connection.invalidations.answered();
        self.note_pushes(now);
        let load = self.state.load;
        for (index, (hash, pushes)) in self.state.hashes.iter_mut().zip(pushes).enumerate() {
            let due = turn(load, hash, now);
            let begins = plan.begins.contains(&index);
            let operated = hash.take_log(index, &mut answer, begins, due)?;
            self.logged |= operated;
            hash.take_pushes(pushes, operated, begins, due);
        }
        for &index in &plan.steps {
            if let Some(hash) = self.state.hashes.get_mut(index) {
                hash.take_step(index, &mut answer)?;
            }
        }
        if !plan.closes.is_empty() {
            for &index in &plan.steps {
                if let Some(hash) = self.state.hashes.get_mut(index) {
                    compare(hash, self.took)?;
                }
            }
            self.finish_scans(&plan, &facts, &mut answer, now);
        }
        if !plan.rereads.is_empty() {
            self.take_rereads(plan.rereads, &facts, &mut answer, now)?;
        }
        self.reread_overtaken(now);
        if !self.logs_read {
            self.schedule_first_scans(now);
        }
        self.publish(now).await
    }

    /// What Redis says of itself.
    pub(super) fn take_info(&mut self, answer: &mut Replies) -> ServerFacts {
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
            let after_failure = self.state.failed && !self.complete;
            self.state.load.said(clients, after_failure);
        }
        ServerFacts {
            identity: ReplicationIdentity::read(&info, &self.run_id),
            losses: LossCounters::read(&info),
        }
    }

    /// The logs were read, and everything is to be scanned: at once where
    /// nothing is known, and each follower in its turn where much is.
    pub(super) fn schedule_first_scans(&mut self, now: Instant) {
        self.logs_read = true;
        let fresh = self.state.hashes.iter().any(Hash::is_fresh);
        let spread = self.state.load.spread(self.cost(), random());
        let due = if fresh { now } else { now + spread };
        for hash in &mut self.state.hashes {
            hash.schedule_first_scan(due);
        }
    }
}

/// Compares what an answer that took so long has brought of a hash.
pub(super) fn compare(hash: &mut Hash, took: Duration) -> Result<(), Fault> {
    let (fields, bytes) = hash.compare()?;
    if fields > 0 {
        hash.pacer.answered(fields, bytes, took);
    }
    Ok(())
}
