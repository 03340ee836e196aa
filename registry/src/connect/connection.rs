//! A connection, and what is known of whether it is the right one.

use super::hash_access::HashAccess;
use super::invalidations::Invalidations;
use super::link::Link;
use super::server_watch::ServerWatch;
use crate::fault::{Fault, FaultCode};
use crate::unreadable::may_be_read_elsewhere;
use cloudhosts_config::Endpoint;
use cloudhosts_config::status::UnreadableCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// After so long a hash that can't be read is read again, and the other URLs are
/// visited: that the user has got the right, or a node the slot, is not pushed.
pub(super) const AGAIN: Duration = Duration::from_secs(10);

/// A connection that is logged in, to one of the configured Redis.
pub(crate) struct Connection {
    pub(crate) link: Link,
    /// What it pushes.
    pub(crate) invalidations: Arc<Invalidations>,
    /// Where it goes, fit for printing.
    pub(crate) endpoint: String,
    /// Why it pushes nothing, where it does not.
    pub(crate) no_tracking: Option<String>,
    /// Why each hash can't be read over it, where it can't.
    pub(super) unreadable: Vec<Option<UnreadableCode>>,
    /// When these are read again, where no push will tell.
    pub(super) again_at: Option<Instant>,
    /// What there was to choose from, where there are several URLs.
    pub(super) choice: Option<Choice>,
    /// The master that sentinels named, where they did.
    pub(super) master: Option<Endpoint>,
    /// Who looks meanwhile whether another Redis should be in its place.
    pub(super) watch: Option<ServerWatch>,
}

/// Beside a connection that was chosen from several URLs.
pub(super) struct Choice {
    /// What it let us read when it was chosen.
    pub(super) access: HashAccess,
    /// How many hashes can't be read over it, but perhaps at another URL.
    pub(super) elsewhere: watch::Sender<usize>,
}

impl Connection {
    /// Takes note of whether a hash could be read, which decides whether another
    /// URL is looked for.
    ///
    /// # Errors
    /// The hash has gone to another node of the cluster since this URL was
    /// chosen: it is time to choose again.
    pub(crate) fn note(
        &mut self,
        hash: usize,
        unreadable: Option<UnreadableCode>,
    ) -> Result<(), Fault> {
        if let Some(noted) = self.unreadable.get_mut(hash) {
            *noted = unreadable;
        }
        let elsewhere = self.elsewhere().count();
        if elsewhere == 0 {
            self.again_at = None;
        } else if self.again_at.is_none() {
            self.again_at = Some(Instant::now() + AGAIN);
        }
        let Some(choice) = &self.choice else {
            return Ok(());
        };
        let moved = Some(UnreadableCode::Moved);
        if unreadable == moved && choice.access.of(hash) != moved {
            let why = "a hash has moved to another node of the Redis Cluster";
            return Err(Fault::new(FaultCode::Moved, why));
        }
        choice.elsewhere.send_if_modified(|known| {
            let before = std::mem::replace(known, elsewhere);
            before != elsewhere
        });
        Ok(())
    }

    /// When hashes are to be read again that can't be read, though nothing is
    /// pushed.
    pub(crate) fn again_at(&self) -> Option<Instant> {
        self.again_at
    }

    /// Which these are, once their time has come.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<usize> {
        if self.again_at.take_if(|again_at| *again_at <= now).is_some() {
            self.elsewhere().collect()
        } else {
            Vec::new()
        }
    }

    /// The hashes that may be read elsewhere, or here when things have changed.
    fn elsewhere(&self) -> impl Iterator<Item = usize> {
        let codes = self.unreadable.iter().enumerate();
        codes.filter_map(|(hash, code)| {
            code.filter(|&code| may_be_read_elsewhere(code))
                .map(|_| hash)
        })
    }

    /// Waits until another Redis should be in the place of this one, and says
    /// why.
    pub(crate) async fn superseded(&self) -> Fault {
        match &self.watch {
            Some(watch) => watch.found().await,
            None => std::future::pending().await,
        }
    }

    /// Whether another Redis should be in the place of this one already.
    pub(crate) fn is_superseded(&self) -> bool {
        self.watch.as_ref().is_some_and(ServerWatch::has_found)
    }
}
