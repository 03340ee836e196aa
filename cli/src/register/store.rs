//! What registers: Redis itself, or a gateway in front of it.

use std::sync::Arc;
use std::time::Duration;

use cloudhosts_config::{Config, Zone};
use cloudhosts_registry::register::{
    Change, ChangeOutcome, EndRequest, Ended, LeaseReply, LeaseRequest, LeaseStore, Place,
    RegisterError, Registrar, Role,
};

use super::gateway::GatewayClient;

/// Where changes are made and leases are kept, by the configuration.
pub(crate) enum Store {
    /// Redis.
    Redis(Box<Registrar>),
    /// A gateway.
    Gateway(Box<GatewayClient>),
}

impl Store {
    /// One that is not connected yet. The zone is for an address that a gateway fills in.
    pub(crate) fn new(config: &Config, zone: Option<Zone>) -> Store {
        match &config.gateway {
            Some(access) => Store::Gateway(Box::new(GatewayClient::new(access).in_zone(zone))),
            None => Store::Redis(Box::new(Registrar::new(Arc::new(config.clone())))),
        }
    }

    /// The same for a holder.
    pub(crate) fn for_lease(config: &Config, zone: Option<Zone>, lease: Duration) -> Store {
        match Store::new(config, zone) {
            Store::Gateway(client) => Store::Gateway(Box::new(client.for_lease(lease))),
            Store::Redis(_) => Store::Redis(Box::new(Registrar::for_lease(config, lease))),
        }
    }

    /// What a terminal shows while it is asked.
    pub(crate) fn waiting_text(&self) -> &'static str {
        match self {
            Store::Redis(_) => super::WAITING_FOR_REDIS,
            Store::Gateway(_) => "Waiting for the gateway...",
        }
    }

    /// Makes a change. Returns it with the values that were written, and the result for each place.
    ///
    /// # Errors
    /// Redis or the gateway cannot be reached, or refuses.
    pub(crate) async fn make(
        &mut self,
        change: Change,
    ) -> Result<(Change, Vec<ChangeOutcome>), RegisterError> {
        match self {
            Store::Redis(registrar) => {
                let outcomes = registrar.make(&change).await?;
                Ok((change, outcomes))
            }
            Store::Gateway(client) => client.make(change).await,
        }
    }
}

impl LeaseStore for Store {
    async fn renew(
        &mut self,
        role: &Role,
        places: &[Place],
        request: &LeaseRequest,
    ) -> Result<LeaseReply, RegisterError> {
        match self {
            Store::Redis(registrar) => registrar.renew(role, places, request).await,
            Store::Gateway(client) => client.renew(role, places, request).await,
        }
    }

    async fn end(
        &mut self,
        role: &Role,
        places: &[Place],
        request: &EndRequest,
    ) -> Result<Vec<Ended>, RegisterError> {
        match self {
            Store::Redis(registrar) => registrar.end(role, places, request).await,
            Store::Gateway(client) => client.end(role, places, request).await,
        }
    }

    fn disconnect(&mut self) {
        match self {
            Store::Redis(registrar) => LeaseStore::disconnect(&mut **registrar),
            Store::Gateway(client) => client.disconnect(),
        }
    }
}
