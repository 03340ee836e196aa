//! Sends a request.

use std::time::{Duration, Instant};

use redis::cmd;

use super::Session;
use super::receive::compare;
use super::request_plan::RequestPlan;
use crate::connect::ErrorReply;
use crate::fault::Fault;
use crate::follow::request::{CommandTag, Replies, Request, RequestOutcome};
use crate::follow::reread;

/// How long no transaction is tried while Redis is out of state.
const OUT_OF_MEMORY: Duration = Duration::from_secs(5);

/// The same if they are refused: a resync tries again.
const REFUSED: Duration = Duration::from_secs(24 * 3600);

/// How long hashes are read by requests of their own.
const APART: Duration = Duration::from_secs(15 * 60);

impl Session<'_> {
    /// Sends a request, and takes in the replies.
    pub(super) async fn send(&mut self, plan: RequestPlan) -> Result<(), Fault> {
        let asked = Instant::now();
        let transaction = self.state.plain_until.is_none_or(|until| until <= asked);
        let request = self.build_request(&plan, transaction);
        if request.is_empty() {
            // Nothing may be read until the next resync.
            self.connection.invalidations.asking();
            return self.receive(plan, Replies::default()).await;
        }
        let patience = self.patience();
        self.connection.invalidations.asking();
        let Session {
            connection, state, ..
        } = self;
        let link = &mut connection.link;
        let answered = async {
            if transaction {
                request.send(link, patience).await
            } else {
                let answer = request.send_plainly(link, patience).await;
                answer.map(RequestOutcome::Answered)
            }
        };
        // While Redis executes this, the previous reply is compared.
        let took = self.took;
        let compared = async {
            tokio::task::yield_now().await;
            state
                .hashes
                .iter_mut()
                .try_for_each(|hash| compare(hash, took))
        };
        let (outcome, compared) = tokio::join!(answered, compared);
        compared?;
        self.took = asked.elapsed();
        let mut refused = match outcome {
            Ok(RequestOutcome::Answered(replies)) => {
                let denied = replies.denied();
                if denied.is_empty() {
                    self.plain = !transaction;
                    return self.receive(plan, replies).await;
                }
                denied
            }
            Ok(RequestOutcome::Refused(refused)) => refused,
            Ok(RequestOutcome::NoTransactions { out_of_memory }) => {
                let pause = if out_of_memory {
                    OUT_OF_MEMORY
                } else {
                    REFUSED
                };
                self.state.plain_until = Some(asked + pause);
                Vec::new()
            }
            Err(error) => {
                self.note_overflow(&plan);
                return Err(error.into());
            }
        };
        self.connection.invalidations.unanswered();
        self.put_back(plan);
        // A thousand HSTRLEN need one permission.
        refused.dedup_by_key(|(tag, _)| *tag);
        for (tag, reply) in refused {
            self.deny(tag, &reply)?;
        }
        self.publish(Instant::now()).await
    }

    pub(super) fn build_request(&self, plan: &RequestPlan, transaction: bool) -> Request {
        let mut request = Request::default();
        let hashes = &self.state.hashes;
        for (index, hash) in hashes.iter().enumerate() {
            hash.ask_length_and_log(index, transaction, &mut request);
        }
        for &index in &plan.steps {
            if let Some(hash) = hashes.get(index) {
                hash.ask_step(index, &mut request);
            }
        }
        for &index in &plan.closes {
            if let Some(hash) = hashes.get(index).filter(|_| !self.denied.time_to_live) {
                let pttl = cmd("PTTL").arg(&hash.key).to_owned();
                request.add(CommandTag::TimeToLive(index), pttl);
            }
        }
        let key = |index: usize| hashes.get(index).map_or("", |hash| hash.key.as_str());
        reread::add_commands(&plan.rereads, key, &mut request);
        if !self.denied.info {
            for &section in plan.depth.sections() {
                request.add(CommandTag::Info(section), section.command());
            }
        }
        request
    }

    /// The request failed: what it was to read is still to be read.
    pub(super) fn put_back(&mut self, plan: RequestPlan) {
        self.rereads.give_back(plan.rereads);
        // A scan by one request begins again.
        for index in plan.begins {
            let now = Instant::now();
            if let Some(hash) = self.state.hashes.get_mut(index) {
                hash.take_back_scan(now);
            }
        }
        if plan.steps.is_empty() && !plan.closes.is_empty() {
            self.closing = (plan.closes, plan.depth);
        }
    }

    /// The user may not do something.
    pub(super) fn deny(&mut self, tag: CommandTag, reply: &ErrorReply) -> Result<(), Fault> {
        let lasting = reply.unreadable().is_some() || reply.is_unknown_command();
        if !lasting {
            return Err(reply.fault());
        }
        match tag {
            CommandTag::Info(_) => self.denied.info = true,
            CommandTag::TimeToLive(_) => self.denied.time_to_live = true,
            CommandTag::Fields(_) => {
                self.denied.fields = true;
                self.give_up_rereads();
            }
            CommandTag::Log(index) | CommandTag::Length(index) | CommandTag::Scan(index) => {
                if let Some(hash) = self.state.hashes.get_mut(index) {
                    hash.deny(tag, reply)?;
                }
            }
        }
        Ok(())
    }

    /// The connection was lost during this request. If a reply was too large, the same is read in
    /// another way next time.
    fn note_overflow(&mut self, plan: &RequestPlan) {
        if !self.connection.link.overflowed() {
            return;
        }
        let reread = plan.rereads.iter().map(|reread| reread.hash);
        let mut read: Vec<usize> = plan.steps.iter().copied().chain(reread).collect();
        read.sort_unstable();
        read.dedup();
        if read.len() > 1 {
            self.state.apart_until = Some(Instant::now() + APART);
            return;
        }
        for (index, hash) in self.state.hashes.iter_mut().enumerate() {
            if plan.is_logs_only() {
                hash.shorten_pages();
            } else if read.contains(&index) {
                hash.overflowed();
            }
        }
    }
}
