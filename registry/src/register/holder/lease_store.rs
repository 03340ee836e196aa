//! Where leases are kept: Redis, or a gateway that passes requests on to it.

use std::future::Future;

use super::lease_reply::LeaseReply;
use super::lease_request::{EndRequest, LeaseRequest};
use super::renewal::Ended;
use crate::register::change::Place;
use crate::register::error::RegisterError;
use crate::register::role::Role;

/// Carries out the requests of a [`Holder`](super::Holder). It keeps no state of holders. The
/// registrar does it in Redis ([`Registrar`](crate::register::Registrar)); the command's client
/// of the gateway sends them there.
///
/// Each request is bounded in time by the store. What is cancelled may have been done.
pub trait LeaseStore {
    /// Joins, renews, or stands by, in all of these places at once. The role has a member.
    ///
    /// # Errors
    /// The store cannot be reached, or refuses.
    fn renew(
        &mut self,
        role: &Role,
        places: &[Place],
        request: &LeaseRequest,
    ) -> impl Future<Output = Result<LeaseReply, RegisterError>>;

    /// Ends holding, or standby. Returns the result for each place.
    ///
    /// # Errors
    /// The store cannot be reached, or refuses. The lease expires by itself.
    fn end(
        &mut self,
        role: &Role,
        places: &[Place],
        request: &EndRequest,
    ) -> impl Future<Output = Result<Vec<Ended>, RegisterError>>;

    /// Drops the connection: the next request makes a new one.
    fn disconnect(&mut self);
}
