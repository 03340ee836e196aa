//! Requests to Redis, or to a gateway: becoming a member, renewing, leaving.

use std::future::pending;
use std::time::Instant;

use cloudhosts_registry::register::{Ended, Holder, Place, RegisterError, Renewal, Role, Where};

use super::super::addresses::AddressSource;
use super::super::store::Store;
use crate::outcome::Failure;

/// The membership of this machine.
pub(super) struct Membership {
    holder: Holder<Store>,
    source: AddressSource,
    /// The places in which it may be registered, or standing by.
    places: Option<Vec<Place>>,
    /// The last request may have made it a member, or a standby.
    joined: bool,
    /// The last attempt to leave failed.
    tried_to_leave: bool,
}

/// The result of a request.
#[derive(Debug)]
pub(super) enum MembershipEvent {
    /// Of a renewal, or of an attempt to find out this machine's address.
    Renewed(Result<Renewal, Failure>),
    /// Of an attempt to leave.
    Left(Result<Vec<Ended>, RegisterError>),
}

impl Membership {
    /// A membership that has not begun.
    pub(super) fn new(holder: Holder<Store>, source: AddressSource) -> Membership {
        Membership {
            holder,
            source,
            places: None,
            joined: false,
            tried_to_leave: false,
        }
    }

    /// Waits until the next request is due that makes this machine a member, or (`wanted`
    /// is false) makes it leave, and sends it. Cancellation safe.
    pub(super) async fn step(&mut self, wanted: bool) -> MembershipEvent {
        if !wanted && !self.joined {
            return pending().await;
        }
        if wanted {
            self.holder.due().await;
            MembershipEvent::Renewed(self.renew().await)
        } else {
            MembershipEvent::Left(self.leave().await)
        }
    }

    async fn renew(&mut self) -> Result<Renewal, Failure> {
        let local = match self.source.local(self.holder.store()).await {
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
                if let Renewal::Held { places, .. } = &beat {
                    self.places = Some(places.clone());
                }
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
        // A membership that could not be left ends with its lease.
        let goes_on = self.expires().is_some_and(|at| at > Instant::now());
        self.joined = ended.is_err() && goes_on;
        ended
    }

    /// Stops trying to leave: the lease ends by itself.
    pub(super) fn give_up(&mut self) {
        self.joined = false;
    }

    /// Whether there may be something to leave.
    pub(super) fn is_joined(&self) -> bool {
        self.joined
    }

    /// The role, with the member ID.
    pub(super) fn role(&self) -> &Role {
        self.holder.role()
    }

    /// The places in which it is held, or would be.
    pub(super) fn places(&self) -> &[Place] {
        self.places.as_deref().unwrap_or_default()
    }

    /// Until when it is held for certain.
    pub(super) fn expires(&self) -> Option<Instant> {
        self.holder.expires()
    }

    /// The addresses, each once, separated by spaces.
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
