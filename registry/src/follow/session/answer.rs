//! Taking in what a question was answered.

use super::inquiry::Inquiry;
use super::{Session, turn};
use crate::follow::backoff::random;
use crate::follow::hash::{Hash, ServerFacts};
use crate::follow::info::Info;
use crate::follow::loss_counters::LossCounters;
use crate::follow::question::Answer;
use crate::follow::replication_identity::ReplicationIdentity;
use std::time::{Duration, Instant};

impl Session<'_> {
    /// Takes in the answer to a question.
    pub(super) async fn take(
        &mut self,
        inquiry: Inquiry,
        mut answer: Answer,
    ) -> Result<(), String> {
        let now = Instant::now();
        let facts = self.take_info(&mut answer);
        let pushes = self.connection.invalidations.answered();
        self.look(now);
        let load = self.memory.load;
        for (index, (hash, pushes)) in self.memory.hashes.iter_mut().zip(pushes).enumerate() {
            let due = turn(load, hash, now);
            let begins = inquiry.begins.contains(&index);
            let operated = hash.take_log(index, &mut answer, begins, due)?;
            self.logged |= operated;
            hash.take_pushes(pushes, operated, begins, due);
        }
        for &index in &inquiry.steps {
            if let Some(hash) = self.memory.hashes.get_mut(index) {
                hash.take_step(index, &mut answer)?;
            }
        }
        if !inquiry.closes.is_empty() {
            for &index in &inquiry.steps {
                if let Some(hash) = self.memory.hashes.get_mut(index) {
                    compare(hash, self.took)?;
                }
            }
            self.close(&inquiry, &facts, &mut answer, now);
        }
        if !inquiry.confirms.is_empty() {
            self.confirm(inquiry.confirms, &facts, &mut answer, now)?;
        }
        self.confirm_what_was_logged(now);
        if !self.greeted {
            self.greet(now);
        }
        self.tell(now).await
    }

    /// What Redis says of itself.
    pub(super) fn take_info(&mut self, answer: &mut Answer) -> ServerFacts {
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
            let after_failure = self.memory.failed && !self.complete;
            self.memory.load.said(clients, after_failure);
        }
        ServerFacts {
            identity: ReplicationIdentity::read(&info, &self.run_id),
            losses: LossCounters::read(&info),
        }
    }

    /// The logs were read, and everything is to be scanned: at once where
    /// nothing is known, and each follower in its turn where much is.
    pub(super) fn greet(&mut self, now: Instant) {
        self.greeted = true;
        let fresh = self.memory.hashes.iter().any(Hash::is_fresh);
        let spread = self.memory.load.spread(self.cost(), random());
        let due = if fresh { now } else { now + spread };
        for hash in &mut self.memory.hashes {
            hash.greet(due);
        }
    }
}

/// Compares what an answer that took so long has brought of a hash.
pub(super) fn compare(hash: &mut Hash, took: Duration) -> Result<(), String> {
    let (fields, bytes) = hash.compare()?;
    if fields > 0 {
        hash.pacer.answered(fields, bytes, took);
    }
    Ok(())
}
