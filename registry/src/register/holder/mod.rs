//! Holds a role with a lease, which is renewed until the holder ends.

mod hold_reply;
mod lease_reply;
mod lease_request;
mod lease_store;
mod member_name;
mod nonce;
mod redis_leases;
mod renewal;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloudhosts_config::Config;
pub use lease_reply::LeaseReply;
pub use lease_request::{EndRequest, LONGEST_LEASE, LeaseRequest, LeaseState, SHORTEST_LEASE};
pub use lease_store::LeaseStore;
pub use nonce::{HolderNonce, HolderNonceError};
pub use renewal::{Ended, EndedBy, HoldOptions, Renewal};

use super::change::{Place, logged, quoted};
use super::error::RegisterError;
use super::outcome::PlaceOutcome;
use super::registrar::Registrar;
use super::role::{Role, Where};
use super::script::lease_keys;
use crate::jitter;

/// The longest time between two renewals. Expired members are removed at the renewal of another, so
/// long leases are renewed as often.
const OFTEN: Duration = Duration::from_secs(4);

/// How many member IDs are tried.
const NAMES: usize = 4;

/// Holds one member of a role, in Redis or through a gateway ([`LeaseStore`]).
///
/// It renews after a quarter of the lease, and at least every 4 s. After a failure it reaches Redis
/// again within a third of the lease: connecting and waiting for a reply take at most a sixth each,
/// and the pause between two attempts at most a twelfth.
///
/// All times are measured here, by one clock: those of Redis and of a gateway may be wrong.
pub struct Holder<S = Registrar> {
    store: S,
    /// The configured role and member, and the current one.
    wanted: Role,
    role: Role,
    options: HoldOptions,
    /// Identifies this holder.
    nonce: HolderNonce,
    due: Instant,
    last: LastReply,
}

/// The state after the last reply.
#[derive(Debug, Default)]
struct LastReply {
    state: LeaseState,
    /// Since when; for an exclusive holder the term.
    from: u64,
    /// When the last confirmed renewal was sent.
    renewed: Option<Moment>,
    /// Whether an attempt has failed since.
    interrupted: bool,
    /// The term by which this holder was ended, or 0.
    barred: u64,
}

/// A time by CLOCK_BOOTTIME, which advances while the machine is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(Duration);

impl Moment {
    fn now() -> Moment {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Moment(Duration::try_from(now).unwrap_or_default())
    }
}

impl Holder {
    /// A holder in Redis that has not joined yet. The role needs a member.
    #[must_use]
    pub fn new(config: &Config, role: Role, options: HoldOptions) -> Holder {
        let registrar = Registrar::for_lease(config, options.lease);
        Holder::with_store(registrar, role, options)
    }
}

impl Registrar {
    /// A registrar for a holder: it notices soon enough that Redis does not answer.
    #[must_use]
    pub fn for_lease(config: &Config, lease: Duration) -> Registrar {
        let mut config = config.clone();
        config.redis.connect_timeout = config.redis.connect_timeout.min(lease / 6);
        Registrar::new(Arc::new(config)).with_patience(patience(lease))
    }
}

/// The limit for the reply to a request about a lease.
#[must_use]
pub fn patience(lease: Duration) -> Duration {
    (lease / 6).min(OFTEN)
}

impl<S: LeaseStore> Holder<S> {
    /// A holder that has not joined yet. The role needs a member. The store connects within a sixth of
    /// the lease, and waits for a reply for [`patience`] at most.
    #[must_use]
    pub fn with_store(store: S, role: Role, options: HoldOptions) -> Holder<S> {
        Holder {
            store,
            wanted: role.clone(),
            role,
            options,
            nonce: HolderNonce::random(),
            due: Instant::now(),
            last: LastReply::default(),
        }
    }

    /// The store, to learn the address from which Redis is reached.
    pub fn store(&mut self) -> &mut S {
        &mut self.store
    }

    /// The role with the member ID under which it is held. It differs from the configured one if
    /// another holder has that.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// Until when it is certainly held, by the clock of this machine: one lease after the last
    /// renewal was sent. None while it is not held. An exclusive holder has lost the role then.
    #[must_use]
    pub fn expires(&self) -> Option<Instant> {
        if self.last.state != LeaseState::Held {
            return None;
        }
        let gone = Moment::now().0.saturating_sub(self.last.renewed?.0);
        Some(Instant::now() + self.options.lease.saturating_sub(gone))
    }

    /// Waits until the next renewal is due. The first is due at once.
    pub async fn due(&self) {
        tokio::time::sleep_until(self.due.into()).await;
    }

    /// Renews now, in these places. It may be cancelled.
    pub async fn renew(&mut self, places: Vec<Place>) -> Renewal {
        let sent = Moment::now();
        let renewal = self.try_to_renew(&places, sent).await;
        if let Ok(Renewal::Ended(_)) = &renewal {
            // If it ended in one hash, it ends in all.
            let _ = self.end(places).await;
        }
        self.next(renewal.is_ok());
        renewal.unwrap_or_else(Renewal::Failed)
    }

    /// Records an attempt that failed before the renewal.
    pub fn failed(&mut self) {
        self.next(false);
    }

    /// Ends holding, or standby. Returns the result for each hash.
    ///
    /// # Errors
    /// Redis cannot be reached within a sixth of the lease, or refuses. The lease expires by
    /// itself.
    pub async fn end(&mut self, places: Vec<Place>) -> Result<Vec<Ended>, RegisterError> {
        let request = EndRequest {
            nonce: self.nonce.clone(),
            keep_last: self.options.keep_last,
        };
        self.store.end(&self.role, &places, &request).await
    }

    /// Holding as lines for `redis-cli`. What is not a Redis command is in comments.
    #[must_use]
    pub fn spelled(&self, places: &[Place]) -> Vec<String> {
        let (role, lease) = (&self.role, self.options.lease.as_millis());
        let mut lines = vec!["# in one step, by a script:".to_owned()];
        for Place { hash, at } in places {
            let [held, times, _] = lease_keys(hash, role.name()).map(|key| quoted(&key));
            let at = at.as_ref().map(Where::as_str).unwrap_or_default();
            if self.options.exclusive {
                let name = role.name();
                lines.push(format!(
                    "# if nobody else holds {name} in {}:",
                    quoted(hash)
                ));
            }
            lines.push(format!(
                "# HSET {held} {role} (who holds it, for {lease} ms: {})",
                quoted(at)
            ));
            lines.push(format!("# ZADD {times} (the time of Redis in ms) {role}"));
            lines.push(logged(hash, "hold", &[(&format!("+{role}"), at)]));
            lines.push(format!("HSET {} {role} {}", quoted(hash), quoted(at)));
            lines.push(format!(
                "# HDEL {} the members of {} whose lease has expired",
                quoted(hash),
                role.name()
            ));
        }
        lines
    }

    /// One attempt.
    async fn try_to_renew(
        &mut self,
        places: &[Place],
        sent: Moment,
    ) -> Result<Renewal, RegisterError> {
        let mut taken = 0;
        loop {
            let request = self.request();
            match self.store.renew(&self.role, places, &request).await? {
                LeaseReply::Held {
                    from,
                    barred,
                    places,
                } => return Ok(self.held(from, barred, places, sent)),
                LeaseReply::Standby {
                    holder,
                    from,
                    ended,
                    barred,
                } => {
                    self.replied(LeaseState::Standby, from, barred, sent);
                    return Ok(Renewal::Standby { holder, ended });
                }
                LeaseReply::Ended(ended) => {
                    self.last.state = LeaseState::New;
                    return Ok(Renewal::Ended(ended));
                }
                LeaseReply::Taken if taken < NAMES => {
                    taken += 1;
                    let nonce = if taken > 2 {
                        HolderNonce::random()
                    } else {
                        self.nonce.clone()
                    };
                    let other = member_name::other(&self.wanted, taken, nonce.as_str());
                    self.role = other.map_err(|error| RegisterError::Refused(error.to_string()))?;
                }
                LeaseReply::Taken => {
                    let why = format!("{}: other holders have this member ID", self.wanted);
                    return Err(RegisterError::Away(why));
                }
            }
        }
    }

    /// What is asked for next.
    fn request(&self) -> LeaseRequest {
        LeaseRequest {
            state: self.last.state,
            from: self.last.from,
            interrupted: self.last.interrupted,
            barred: self.last.barred,
            ..LeaseRequest::new(self.nonce.clone(), &self.options)
        }
    }

    /// Takes in that the role is held.
    fn held(&mut self, from: u64, barred: u64, places: Vec<PlaceOutcome>, sent: Moment) -> Renewal {
        let acquired = self.last.state != LeaseState::Held
            || self.has_run_out(sent)
            || (self.options.exclusive && self.last.from != from);
        self.replied(LeaseState::Held, from, barred, sent);
        let places = places.into_iter().map(|one| (one.place, one.outcome));
        let (places, done) = places.unzip();
        Renewal::Held {
            places,
            done,
            term: self.options.exclusive.then_some(from),
            acquired,
        }
    }

    /// Takes in a reply.
    fn replied(&mut self, state: LeaseState, from: u64, barred: u64, sent: Moment) {
        self.last = LastReply {
            state,
            from,
            renewed: Some(sent),
            interrupted: false,
            barred,
        };
    }

    /// Whether the lease had expired then, by the clock of this machine.
    fn has_run_out(&self, then: Moment) -> bool {
        let renewed = self.last.renewed;
        renewed.is_none_or(|renewed| then.0.saturating_sub(renewed.0) > self.options.lease)
    }

    /// Schedules the next attempt, with jitter, so that holders that lost the same Redis come back
    /// spread out.
    fn next(&mut self, renewed: bool) {
        let lease = self.options.lease;
        let pause = if renewed {
            jitter::between((lease / 4).min(OFTEN), 0.75, 1.0)
        } else {
            jitter::between((lease / 12).min(OFTEN), 0.25, 1.0)
        };
        self.due = Instant::now() + pause;
        if !renewed {
            self.last.interrupted = true;
            self.store.disconnect();
        }
    }
}

#[cfg(test)]
mod tests;
