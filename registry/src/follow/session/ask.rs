//! Asking a question, and what becomes of one that is refused.

use super::Session;
use super::answer::compare;
use super::inquiry::Inquiry;
use crate::connect::{Failure, Refusal};
use crate::follow::confirmation;
use crate::follow::question::{Answer, Outcome, Place, Question};
use redis::cmd;
use std::time::{Duration, Instant};

/// How long no transaction is tried while Redis is out of memory.
const OUT_OF_MEMORY: Duration = Duration::from_secs(5);

/// The same where they are refused, at most: a resync tries again.
const REFUSED: Duration = Duration::from_secs(24 * 3600);

/// How long hashes are read by questions of their own.
const APART: Duration = Duration::from_secs(15 * 60);

impl Session<'_> {
    /// Asks a question, and takes in what is answered.
    pub(super) async fn ask(&mut self, inquiry: Inquiry) -> Result<(), String> {
        let asked = Instant::now();
        let transaction = self.memory.plain_until.is_none_or(|until| until <= asked);
        let question = self.compose(&inquiry, transaction);
        if question.is_empty() {
            // Nothing may be asked for, until the next resync.
            self.connection.invalidations.asking();
            return self.take(inquiry, Answer::default()).await;
        }
        let patience = self.patience();
        self.connection.invalidations.asking();
        let Session {
            connection, memory, ..
        } = self;
        let link = &mut connection.link;
        let answered = async {
            if transaction {
                question.ask(link, patience).await
            } else {
                let answer = question.ask_plainly(link, patience).await;
                answer.map(Outcome::Answered)
            }
        };
        // While Redis works on this, the answer before is compared.
        let took = self.took;
        let compared = async {
            tokio::task::yield_now().await;
            memory
                .hashes
                .iter_mut()
                .try_for_each(|hash| compare(hash, took))
        };
        let (outcome, compared) = tokio::join!(answered, compared);
        compared?;
        self.took = asked.elapsed();
        let mut refused = match outcome {
            Ok(Outcome::Answered(answer)) => {
                let denied = answer.denied();
                if denied.is_empty() {
                    self.plain = !transaction;
                    return self.take(inquiry, answer).await;
                }
                denied
            }
            Ok(Outcome::Refused(refused)) => refused,
            Ok(Outcome::NoTransactions { out_of_memory }) => {
                let pause = if out_of_memory {
                    OUT_OF_MEMORY
                } else {
                    REFUSED
                };
                self.memory.plain_until = Some(asked + pause);
                Vec::new()
            }
            Err(failure) => return Err(self.failed(&inquiry, &failure)),
        };
        self.connection.invalidations.unanswered();
        self.take_back(inquiry);
        // A thousand lengths are one right.
        refused.dedup_by_key(|(place, _)| *place);
        for (place, refusal) in refused {
            self.deny(place, &refusal)?;
        }
        self.tell(Instant::now()).await
    }

    pub(super) fn compose(&self, inquiry: &Inquiry, transaction: bool) -> Question {
        let mut question = Question::default();
        let hashes = &self.memory.hashes;
        for (index, hash) in hashes.iter().enumerate() {
            hash.ask(index, transaction, &mut question);
        }
        for &index in &inquiry.steps {
            if let Some(hash) = hashes.get(index) {
                hash.ask_step(index, &mut question);
            }
        }
        for &index in &inquiry.closes {
            if let Some(hash) = hashes.get(index).filter(|_| !self.denied.time_to_live) {
                let pttl = cmd("PTTL").arg(&hash.key).to_owned();
                question.add(Place::TimeToLive(index), pttl);
            }
        }
        let key = |index: usize| hashes.get(index).map_or("", |hash| hash.key.as_str());
        confirmation::ask(&inquiry.confirms, key, &mut question);
        if !self.denied.info {
            for &section in inquiry.depth.sections() {
                question.add(Place::Info(section), section.question());
            }
        }
        question
    }

    /// The question was not answered: what it asked for is still to be asked.
    pub(super) fn take_back(&mut self, inquiry: Inquiry) {
        self.confirmation.give_back(inquiry.confirms);
        // A scan of one question begins anew, when its hash is next asked for.
        for index in inquiry.begins {
            let now = Instant::now();
            if let Some(hash) = self.memory.hashes.get_mut(index) {
                hash.take_back_scan(now);
            }
        }
        if inquiry.steps.is_empty() && !inquiry.closes.is_empty() {
            self.closing = (inquiry.closes, inquiry.depth);
        }
    }

    /// The user may not ask for something.
    pub(super) fn deny(&mut self, place: Place, refusal: &Refusal) -> Result<(), String> {
        let lasting = refusal.unreadable().is_some() || refusal.is_unknown();
        if !lasting {
            return Err(refusal.to_string());
        }
        match place {
            Place::Info(_) => self.denied.info = true,
            Place::TimeToLive(_) => self.denied.time_to_live = true,
            Place::Fields(_) => {
                self.denied.fields = true;
                self.confirm_nothing();
            }
            Place::Log(index) | Place::Length(index) | Place::Scan(index) => {
                if let Some(hash) = self.memory.hashes.get_mut(index) {
                    hash.deny(place, refusal)?;
                }
            }
        }
        Ok(())
    }

    /// The connection was lost over this question. What was too large for it is
    /// asked for in another way next time.
    pub(super) fn failed(&mut self, inquiry: &Inquiry, failure: &Failure) -> String {
        if self.connection.link.overflowed() {
            let confirmed = inquiry.confirms.iter().map(|changed| changed.hash);
            let mut read: Vec<usize> = inquiry.steps.iter().copied().chain(confirmed).collect();
            read.sort_unstable();
            read.dedup();
            if read.len() > 1 {
                self.memory.apart_until = Some(Instant::now() + APART);
                return failure.to_string();
            }
            for (index, hash) in self.memory.hashes.iter_mut().enumerate() {
                if inquiry.is_of_logs() {
                    hash.shorten_pages();
                } else if read.contains(&index) {
                    hash.overflowed();
                }
            }
        }
        failure.to_string()
    }
}
