//! What all threads answer from.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use cloudhosts_table::clock::{last_tick, monotonic};
use cloudhosts_table::{Client, Paths, TableRevision};
use tracing::error;

use crate::answer::{Settings, Transport, answer, refer_to_tcp};
use crate::nonterminals::NonTerminals;
use crate::rate::{RateLimit, Verdict};

/// Longest that the names above roles are not gathered anew while changes go on.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// The table, and how it is answered from.
#[derive(Debug)]
pub struct Server {
    client: Client,
    paths: Paths,
    settings: RwLock<Settings>,
    above: NonTerminals,
    rate: RateLimit,
}

impl Server {
    /// One that attaches there at its first question.
    #[must_use]
    pub fn new(paths: Paths, settings: Settings) -> Server {
        Server {
            client: Client::new(),
            paths,
            settings: RwLock::new(settings),
            above: NonTerminals::default(),
            rate: RateLimit::new(),
        }
    }

    /// Answers with other settings from now on.
    pub fn change(&self, settings: Settings) {
        *self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Answers a message that came by UDP; how many bytes of `out` are to be sent
    /// back, if any.
    pub fn answer_datagram(&self, query: &[u8], from: SocketAddr, out: &mut [u8]) -> Option<usize> {
        if from.ip().to_canonical().is_loopback() {
            return self.answer(query, Transport::Udp, out);
        }
        let second = monotonic().0 / 1_000_000_000;
        match self.rate.count(from.ip(), second as u32) {
            Verdict::Answer => self.answer(query, Transport::UdpFromStranger, out),
            Verdict::ReferToTcp => refer_to_tcp(query, out),
            Verdict::Drop => None,
        }
    }

    /// Answers a message; how many bytes of `out` are to be sent back, if any.
    ///
    /// A bug must not take the answers from everybody: a question that brings one
    /// to light is left alone.
    pub fn answer(&self, query: &[u8], transport: Transport, out: &mut [u8]) -> Option<usize> {
        let answered = catch_unwind(AssertUnwindSafe(|| {
            self.answer_or_panic(query, transport, out)
        }));
        answered.unwrap_or_else(|_| {
            error!(
                "a question of {} bytes has brought a bug to light",
                query.len()
            );
            None
        })
    }

    fn answer_or_panic(&self, query: &[u8], transport: Transport, out: &mut [u8]) -> Option<usize> {
        let settings = &*self.settings.read().unwrap_or_else(PoisonError::into_inner);
        let paths = || Some(self.paths.clone());
        let answered = self.client.with(paths, last_tick(), |view| {
            answer(query, transport, Some(view), settings, &self.above, out)
        });
        match answered {
            Ok(answered) => answered,
            Err(_) => answer(query, transport, None, settings, &self.above, out),
        }
    }

    /// Gathers the names above roles, if the table is not the one `seen`; which one
    /// it is.
    pub fn gather(&self, seen: Option<TableRevision>) -> Option<TableRevision> {
        let paths = || Some(self.paths.clone());
        let revision = self.client.with(paths, monotonic(), |view| {
            let revision = view.revision();
            if seen != Some(revision) {
                self.above.gather(view);
            }
            revision
        });
        revision.ok()
    }

    /// Gathers the names above roles after each change, for as long as the process
    /// lives. Rests nine times as long as that takes.
    pub fn follow(&self, mut seen: Option<TableRevision>) {
        loop {
            self.client.wait(seen, LONGEST_REST);
            let begun = Instant::now();
            seen = self.gather(seen);
            std::thread::sleep((9 * begun.elapsed()).min(LONGEST_REST));
        }
    }
}
