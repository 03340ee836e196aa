//! Holding a role: joining again and again, so that it ends when we do.

use super::change::{Change, Place, Verb};
use super::registrar::{Done, Registrar};
use super::role::Role;
use super::trouble::Trouble;
use crate::config::Config;
use crate::follow::random;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The shortest lease: a third of it must be enough to find Redis again.
pub const SHORTEST_LEASE: Duration = Duration::from_secs(3);

/// The longest lease.
pub const LONGEST_LEASE: Duration = Duration::from_secs(24 * 3600);

/// The longest time between two renewals. Leases of others end no sooner than
/// at somebody's renewal, so long leases are renewed as often.
const OFTEN: Duration = Duration::from_secs(5);

/// What came of a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beat {
    /// The lease goes on; for each hash, whether the field had to be written.
    Held(Vec<Done>),
    /// It was not renewed.
    Failed(Trouble),
}

/// Holds one member of a role.
///
/// It renews when a third of the lease has gone, and at least every 5 s. What
/// it does to reach Redis again after a failure is bounded so that it is back
/// within a third of the lease, which is what a lease has left at least when
/// Redis comes back: no attempt to connect and no wait for an answer takes
/// more than a sixth, and no pause between two attempts more than a twelfth.
pub struct Holder {
    registrar: Registrar,
    role: Role,
    lease: Duration,
    due: Instant,
}

impl Holder {
    /// One that has not joined yet. The role needs a member.
    #[must_use]
    pub fn new(config: &Config, role: Role, lease: Duration) -> Holder {
        let mut config = config.clone();
        config.redis.connect_timeout = config.redis.connect_timeout.min(lease / 6);
        let patience = (lease / 6).min(Duration::from_secs(4));
        Holder {
            registrar: Registrar::new(Arc::new(config)).with_patience(patience),
            role,
            lease,
            due: Instant::now(),
        }
    }

    /// The way to Redis: to ask from which address it is reached.
    pub fn registrar(&mut self) -> &mut Registrar {
        &mut self.registrar
    }

    /// Waits until the next renewal is due. The first is at once.
    pub async fn due(&self) {
        tokio::time::sleep_until(self.due.into()).await;
    }

    /// Renews now, in these places. Given up half way it has done no harm.
    pub async fn renew(&mut self, places: Vec<Place>) -> Beat {
        let change = self.change(Verb::Hold(self.lease), places);
        let renewed = self.registrar.make(&change).await;
        self.next(renewed.is_ok());
        match renewed {
            Ok(done) => Beat::Held(done),
            Err(trouble) => Beat::Failed(trouble),
        }
    }

    /// Takes note of an attempt that failed before it came to renewing.
    pub fn failed(&mut self) {
        self.next(false);
    }

    /// Holds it no more. In each hash it is removed, unless it is the last of
    /// its role: then it stays until somebody else holds the role.
    ///
    /// # Errors
    /// Redis cannot be reached within a sixth of the lease, or says no. The
    /// lease ends by itself.
    pub async fn end(&mut self, places: Vec<Place>) -> Result<Vec<Done>, Trouble> {
        let places = places.into_iter().map(|place| Place { at: None, ..place });
        let change = self.change(Verb::End, places.collect());
        match self.registrar.make(&change).await {
            // The connection may have been dead for as long as nobody asked.
            Err(Trouble::Unanswered(_)) => self.registrar.make(&change).await,
            done => done,
        }
    }

    fn change(&self, verb: Verb, places: Vec<Place>) -> Change {
        Change {
            verb,
            role: self.role.clone(),
            places,
        }
    }

    /// With jitter, so that those that lost the same Redis come back spread out.
    fn next(&mut self, renewed: bool) {
        let pause = match renewed {
            true => (self.lease / 3).min(OFTEN).mul_f64(0.75 + 0.25 * random()),
            false => (self.lease / 12).min(OFTEN).mul_f64(0.25 + 0.75 * random()),
        };
        self.due = Instant::now() + pause;
        if !renewed {
            self.registrar.hang_up();
        }
    }
}
