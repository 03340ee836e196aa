//! Takes in the replies to a request.

use std::time::{Duration, Instant};

use super::request_plan::RequestPlan;
use super::{Session, turn};
use crate::connect::Pushes;
use crate::fault::Fault;
use crate::follow::hash::{Hash, LogNews, ServerFacts};
use crate::follow::info::Info;
use crate::follow::loss_counters::LossCounters;
use crate::follow::replication_identity::ReplicationIdentity;
use crate::follow::request::Replies;
use crate::follow::room::Room;
use crate::jitter;

impl Session<'_> {
    /// Takes in the replies to a request.
    pub(super) async fn receive(
        &mut self,
        plan: RequestPlan,
        mut replies: Replies,
    ) -> Result<(), Fault> {
        let now = Instant::now();
        let facts = self.take_info(&mut replies);
        self.report_link().await;
        let pushes = self.connection.invalidations.answered();
        self.note_pushes(now);
        let half_seen = pushes.iter().any(Pushes::has_hash_without_log);
        let load = self.state.load;
        let (limit, mut fields) = (self.config.max_fields, 0u64);
        let bytes: usize = self.state.hashes.iter().map(Hash::bytes).sum();
        for (index, (hash, pushes)) in self.state.hashes.iter_mut().zip(pushes).enumerate() {
            let due = turn(load, hash, now);
            hash.room = Room::new(limit, fields, bytes - hash.bytes());
            let begins = plan.begins.contains(&index);
            let news = hash.take_log(index, &mut replies, begins, due)?;
            self.logged |= news == LogNews::Change;
            hash.take_pushes(pushes, news, half_seen, begins, due);
            if hash.unreadable().is_none() {
                fields += hash.length();
            }
        }
        for &index in &plan.steps {
            if let Some(hash) = self.state.hashes.get_mut(index) {
                hash.take_step(index, &mut replies)?;
            }
        }
        if plan.rereads.is_empty() && self.rereads.is_empty() {
            self.state
                .hashes
                .iter_mut()
                .for_each(Hash::nothing_to_reread);
        }
        if !plan.closes.is_empty() {
            for &index in &plan.steps {
                if let Some(hash) = self.state.hashes.get_mut(index) {
                    compare(hash, self.took)?;
                }
            }
            self.finish_scans(&plan, &facts, &mut replies, now);
        }
        if !plan.rereads.is_empty() {
            self.take_rereads(plan.rereads, &facts, &mut replies, now)?;
        }
        self.reread_overtaken(now);
        if !self.logs_read {
            self.schedule_first_scans(now);
        }
        self.publish(now).await
    }

    /// Reads the sections of INFO.
    pub(super) fn take_info(&mut self, replies: &mut Replies) -> ServerFacts {
        let mut info = Info::default();
        for (_, section) in replies.sections() {
            if let Ok(section) = section {
                info.add(&section);
            }
        }
        if let Some(run_id) = info.field("run_id") {
            self.run_id = run_id.to_owned();
        }
        if info.field("role").is_some() {
            self.master_link = info.master_link();
        }
        if let Some(clients) = info.number("connected_clients") {
            let after_failure = self.state.failed && !self.complete;
            self.state.load.set_clients(clients, after_failure);
        }
        ServerFacts {
            identity: ReplicationIdentity::read(&info, &self.run_id),
            losses: LossCounters::read(&info),
        }
    }

    /// The logs were read: schedules the first scans, at once if a hash was never read, else in the
    /// turn of this follower.
    pub(super) fn schedule_first_scans(&mut self, now: Instant) {
        self.logs_read = true;
        let fresh = self.state.hashes.iter().any(Hash::is_fresh);
        let spread = jitter::up_to(self.state.load.fleet_time(self.cost()));
        let due = if fresh { now } else { now + spread };
        for hash in &mut self.state.hashes {
            hash.schedule_first_scan(due);
        }
    }
}

/// Compares the last reply with the replica of a hash. `took` is how long the reply took.
pub(super) fn compare(hash: &mut Hash, took: Duration) -> Result<(), Fault> {
    let (fields, bytes) = hash.compare()?;
    if fields > 0 {
        hash.pacer.answered(fields, bytes, took);
    }
    Ok(())
}
