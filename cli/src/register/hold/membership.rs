//! Being in the hash, or not: what is asked of Redis, and when.

use std::future::pending;
use std::time::Instant;

use cloudhosts_registry::register::{Ended, Holder, Place, RegisterError, Renewal, Role, Where};

use super::super::place::Source;
use crate::outcome::Failure;

/// The membership of this machine.
pub(super) struct Membership {
    holder: Holder,
    source: Source,
    /// Where it may be registered, or stand by.
    places: Option<Vec<Place>>,
    /// What Redis was asked last may have made it a member, or a standby.
    joined: bool,
    /// It could not be left the last time.
    tried_to_leave: bool,
}

/// What came of asking Redis.
#[derive(Debug)]
pub(super) enum Step {
    /// Of renewing, or of an attempt to find out where this machine is.
    Renewed(Result<Renewal, Failure>),
    /// Of leaving.
    Left(Result<Vec<Ended>, RegisterError>),
}

impl Membership {
    /// Of nothing yet.
    pub(super) fn new(holder: Holder, source: Source) -> Membership {
        Membership {
            holder,
            source,
            places: None,
            joined: false,
            tried_to_leave: false,
        }
    }

    /// The next step on the way to being a member, or (`wanted` is false) to not
    /// being one: waits until it is time for it, and takes it. Given up half way
    /// it has done no harm.
    pub(super) async fn step(&mut self, wanted: bool) -> Step {
        if !wanted && !self.joined {
            return pending().await;
        }
        if wanted {
            self.holder.due().await;
            Step::Renewed(self.renew().await)
        } else {
            Step::Left(self.leave().await)
        }
    }

    async fn renew(&mut self) -> Result<Renewal, Failure> {
        let local = match self.source.local(self.holder.registrar()).await {
            Ok(local) => local,
            Err(trouble) => {
                self.holder.failed();
                return Ok(Renewal::Failed(trouble));
            }
        };
        match self.source.places(local) {
            Ok(places) => {
                self.places = Some(places.clone());
                self.joined = true;
                self.tried_to_leave = false;
                let beat = self.holder.renew(places).await;
                self.joined &= !matches!(beat, Renewal::Ended(_));
                Ok(beat)
            }
            Err(failure) => {
                self.holder.failed();
                Err(failure)
            }
        }
    }

    async fn leave(&mut self) -> Result<Vec<Ended>, RegisterError> {
        if self.tried_to_leave {
            self.holder.due().await;
        }
        let places = self.places.clone().unwrap_or_default();
        let ended = self.holder.end(places).await;
        self.tried_to_leave = ended.is_err();
        if ended.is_err() {
            self.holder.failed();
        }
        // What could not be left ends with its lease.
        let goes_on = self.expires().is_some_and(|at| at > Instant::now());
        self.joined = ended.is_err() && goes_on;
        ended
    }

    /// Nothing is to be left any more: the lease ends by itself.
    pub(super) fn give_up(&mut self) {
        self.joined = false;
    }

    /// Whether there may be something to be left.
    pub(super) fn is_joined(&self) -> bool {
        self.joined
    }

    /// The role, with the member that it is held as.
    pub(super) fn role(&self) -> &Role {
        self.holder.role()
    }

    /// Where it is held, or would be.
    pub(super) fn places(&self) -> &[Place] {
        self.places.as_deref().unwrap_or_default()
    }

    /// Until when it is held for certain.
    pub(super) fn expires(&self) -> Option<Instant> {
        self.holder.expires()
    }

    /// The addresses, each once, with blanks between.
    pub(super) fn addresses(&self) -> String {
        let values = self.places().iter().filter_map(|place| place.at.as_ref());
        let mut addresses: Vec<String> = Vec::new();
        for address in values.flat_map(Where::to_addresses) {
            let address = address.to_string();
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses.join(" ")
    }
}
