//! A connection, and whether another server should be used instead.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloudhosts_config::Endpoint;
use cloudhosts_config::status::UnreadableCode;
use tokio::sync::watch;

use super::hash_access::HashAccess;
use super::invalidations::Invalidations;
use super::link::Link;
use super::redirect::Node;
use super::server_watch::ServerWatch;
use crate::fault::{Fault, FaultCode};
use crate::unreadable::may_be_read_elsewhere;

/// How often a hash that can't be read is tried again, here and at the other URLs: Redis does not
/// push that a right was granted, or that a slot has moved.
pub(super) const RETRY_UNREADABLE: Duration = Duration::from_secs(10);

/// A connection that is logged in.
pub(crate) struct Connection {
    pub(crate) link: Link,
    /// What was pushed on it.
    pub(crate) invalidations: Arc<Invalidations>,
    /// The URL without the password.
    pub(crate) endpoint: String,
    /// The same with all it takes to connect.
    pub(super) server: Endpoint,
    /// The Redis user that it is logged in as; none is the default user.
    pub(crate) username: Option<String>,
    /// Why client tracking is off, if it is.
    pub(crate) no_tracking: Option<String>,
    /// Why a hash can't be read, for each hash.
    pub(super) unreadable: Vec<Option<UnreadableCode>>,
    /// When these are tried again.
    pub(super) again_at: Option<Instant>,
    /// Set if the connection was chosen from several URLs.
    pub(super) choice: Option<Choice>,
    /// The master that the sentinels named, if there are sentinels.
    pub(super) master: Option<Endpoint>,
    /// Looks for a better server in the background.
    pub(super) watch: Option<ServerWatch>,
}

/// Why a connection was chosen from several URLs.
pub(super) struct Choice {
    /// Which hashes could be read when it was chosen.
    pub(super) access: HashAccess,
    /// How many hashes can't be read over it, but perhaps at another URL.
    pub(super) elsewhere: watch::Sender<usize>,
}

impl Connection {
    /// Records whether a hash could be read. If one can't, the other URLs are tried in the
    /// background.
    ///
    /// # Errors
    /// The hash has moved to another node of the cluster since this URL was chosen: the caller
    /// connects anew.
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
            self.again_at = Some(Instant::now() + RETRY_UNREADABLE);
        }
        let moved = Some(UnreadableCode::Moved);
        let known = match &self.choice {
            Some(choice) => choice.access.of(hash) == moved,
            // Nobody was asked where the hash is, which this server may have said meanwhile.
            None => self.link.redirect().is_none(),
        };
        if unreadable == moved && !known {
            let why = "a hash has moved to another node of the Redis Cluster";
            return Err(Fault::new(FaultCode::Moved, why));
        }
        let Some(choice) = &self.choice else {
            return Ok(());
        };
        choice.elsewhere.send_if_modified(|known| {
            let before = std::mem::replace(known, elsewhere);
            before != elsewhere
        });
        Ok(())
    }

    /// The node of a cluster that this one has named as the one with a hash.
    pub(crate) fn named(&self) -> Option<Node> {
        self.link.redirect()?.from(&self.server)
    }

    /// When the unreadable hashes are to be tried again.
    pub(crate) fn again_at(&self) -> Option<Instant> {
        self.again_at
    }

    /// The unreadable hashes, if it is time to try them again.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<usize> {
        if self.again_at.take_if(|again_at| *again_at <= now).is_some() {
            self.elsewhere().collect()
        } else {
            Vec::new()
        }
    }

    /// The hashes that can perhaps be read at another URL, or here later.
    fn elsewhere(&self) -> impl Iterator<Item = usize> {
        let codes = self.unreadable.iter().enumerate();
        codes.filter_map(|(hash, code)| {
            code.filter(|&code| may_be_read_elsewhere(code))
                .map(|_| hash)
        })
    }

    /// Waits until another server should be used, and returns why.
    pub(crate) async fn superseded(&self) -> Fault {
        match &self.watch {
            Some(watch) => watch.found().await,
            None => std::future::pending().await,
        }
    }

    /// Whether another server should be used.
    pub(crate) fn is_superseded(&self) -> bool {
        self.watch.as_ref().is_some_and(ServerWatch::has_found)
    }
}
