//! Holding a role: joining again and again, so that it ends when we do.

use super::change::{Change, Place, Verb};
use super::registrar::{Done, Registrar};
use super::role::Role;
use super::trouble::Trouble;
use crate::config::Config;
use crate::follow::random;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The shortest lease: half of it must be enough to find Redis again.
pub const SHORTEST_LEASE: Duration = Duration::from_secs(3);

/// The longest lease.
pub const LONGEST_LEASE: Duration = Duration::from_secs(24 * 3600);

/// The longest time between two renewals. Leases of others end no sooner than
/// at somebody's renewal, so long leases are renewed as often.
const OFTEN: Duration = Duration::from_secs(4);

/// How a role is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldOptions {
    /// For how long the membership outlives the holder.
    pub lease: Duration,
    /// Whether there is one holder, and the others stand by.
    pub exclusive: bool,
    /// For how long the address stays after the lease of the last holder;
    /// without a bound it stays.
    pub expire_last: Option<Duration>,
    /// Whether the last holder leaves its address behind when it ends.
    pub keep_last: bool,
}

/// What came of a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beat {
    /// It is held.
    Held {
        /// For each hash, whether the field had to be written.
        done: Vec<Done>,
        /// Where it is held exclusively: a number that grows with each new
        /// holder.
        term: Option<u64>,
        /// Whether it was not held a moment ago: at the first time, and after
        /// the lease had run out by our own clock.
        acquired: bool,
    },
    /// It is not held: another holder has it exclusively, or it was claimed.
    Standby {
        /// Who has it, for people: a member, the value that was claimed, or
        /// nothing where nobody has it.
        holder: String,
        /// Who took it from us and how, the first time after it was taken.
        ended: Option<EndedBy>,
    },
    /// Somebody has taken it from its holders. It is not to be held again.
    Ended(EndedBy),
    /// It was not renewed.
    Failed(Trouble),
}

/// Who ended a holding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedBy {
    /// As the change log names them: `alice@web-1`.
    pub by: String,
    /// By which verb: `claim`, `point`, `release`, `leave` or `join`.
    pub verb: String,
}

/// How a holding ended in one hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The member was removed.
    Removed,
    /// It stays, as the last of its role, until somebody else holds or claims
    /// the role.
    Kept,
    /// It was not ours (any more), or there was none.
    Absent,
}

/// Holds one member of a role.
///
/// It renews when a quarter of the lease has gone, and at least every 4 s. What
/// it does to reach Redis again after a failure is bounded so that it is back
/// within a third of the lease. No attempt to connect and no wait for an answer
/// takes more than a sixth, and no pause between two attempts more than a
/// twelfth.
pub struct Holder {
    registrar: Registrar,
    role: Role,
    options: HoldOptions,
    due: Instant,
    /// When the last renewal that Redis confirmed was sent.
    renewed: Option<Instant>,
}

impl Holder {
    /// One that has not joined yet. The role needs a member.
    #[must_use]
    pub fn new(config: &Config, role: Role, options: HoldOptions) -> Holder {
        let lease = options.lease;
        let mut config = config.clone();
        config.redis.connect_timeout = config.redis.connect_timeout.min(lease / 6);
        let patience = (lease / 6).min(Duration::from_secs(4));
        Holder {
            registrar: Registrar::new(Arc::new(config)).with_patience(patience),
            role,
            options,
            due: Instant::now(),
            renewed: None,
        }
    }

    /// The way to Redis: to ask from which address it is reached.
    pub fn registrar(&mut self) -> &mut Registrar {
        &mut self.registrar
    }

    /// The role, with the member under which it is held: where another holder
    /// has that name, it is another than it was at first.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// Until when it is held for certain, by the clock of this machine: a lease
    /// from when the last renewal was sent. None while it is not held. Who holds
    /// exclusively has lost the role then.
    #[must_use]
    pub fn expires(&self) -> Option<Instant> {
        self.renewed.map(|sent| sent + self.options.lease)
    }

    /// Waits until the next renewal is due. The first is at once.
    pub async fn due(&self) {
        tokio::time::sleep_until(self.due.into()).await;
    }

    /// Renews now, in these places. Given up half way it has done no harm.
    pub async fn renew(&mut self, places: Vec<Place>) -> Beat {
        let sent = Instant::now();
        let change = self.change(Verb::Hold(self.options.lease), places);
        let renewed = self.registrar.make(&change).await;
        self.next(renewed.is_ok());
        match renewed {
            Ok(done) => {
                let acquired = self.expires().is_none_or(|until| until < sent);
                self.renewed = Some(sent);
                Beat::Held {
                    done,
                    term: None,
                    acquired,
                }
            }
            Err(trouble) => Beat::Failed(trouble),
        }
    }

    /// Takes note of an attempt that failed before it came to renewing.
    pub fn failed(&mut self) {
        self.next(false);
    }

    /// Holds it no more; how it ended in each hash.
    ///
    /// # Errors
    /// Redis cannot be reached within a sixth of the lease, or says no. The
    /// lease ends by itself.
    pub async fn end(&mut self, places: Vec<Place>) -> Result<Vec<Ended>, Trouble> {
        let places = places.into_iter().map(|place| Place { at: None, ..place });
        let change = self.change(Verb::End, places.collect());
        let done = match self.registrar.make(&change).await {
            // The connection may have been dead for as long as nobody asked.
            Err(Trouble::Unanswered(_)) => self.registrar.make(&change).await,
            done => done,
        }?;
        let ended = |one: &Done| match one.changed {
            true => Ended::Removed,
            false => Ended::Kept,
        };
        Ok(done.iter().map(ended).collect())
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
        let lease = self.options.lease;
        let pause = match renewed {
            true => (lease / 4).min(OFTEN).mul_f64(0.75 + 0.25 * random()),
            false => (lease / 12).min(OFTEN).mul_f64(0.25 + 0.75 * random()),
        };
        self.due = Instant::now() + pause;
        if !renewed {
            self.registrar.hang_up();
        }
    }
}
