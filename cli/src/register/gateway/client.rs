//! Makes changes, and renews leases, through a gateway.

use std::time::Duration;

use cloudhosts_config::{GatewayAccess, Zone};
use cloudhosts_registry::register::{
    Change, ChangeOutcome, ChangeReport, EndReply, EndRequest, Ended, LeaseReply, LeaseRequest,
    LeaseStore, Place, RegisterError, Role, patience,
};
use hyper::StatusCode;

use super::answer::GatewayAnswer;
use super::connection::GatewayConnection;
use super::request::GatewayRequest;

/// The limit for connecting.
const CONNECT: Duration = Duration::from_secs(5);

/// The limit for an answer. The gateway gives up sooner, and says why.
const ANSWER: Duration = Duration::from_secs(20);

/// A path that needs a token, and at which there is nothing.
const NOTHING: &str = "/v1/token";

/// The gateway, as it is configured.
pub(crate) struct GatewayClient {
    access: GatewayAccess,
    /// The zone of the address that the gateway fills in.
    zone: Option<Zone>,
    /// The limit for connecting.
    connect: Duration,
    /// The limit for an answer.
    patience: Duration,
    connection: Option<GatewayConnection>,
}

impl GatewayClient {
    /// A client that is not connected yet.
    pub(crate) fn new(access: &GatewayAccess) -> GatewayClient {
        GatewayClient {
            access: access.clone(),
            zone: None,
            connect: CONNECT,
            patience: ANSWER,
            connection: None,
        }
    }

    /// The same for an address in this zone, where none is given.
    pub(crate) fn in_zone(self, zone: Option<Zone>) -> GatewayClient {
        GatewayClient { zone, ..self }
    }

    /// The same for a holder: a failed renewal must be noticed while there is time to try again.
    pub(crate) fn for_lease(self, lease: Duration) -> GatewayClient {
        GatewayClient {
            connect: CONNECT.min(lease / 6),
            patience: patience(lease),
            ..self
        }
    }

    /// Makes a change. Returns it with the values that the gateway wrote, and the result for each place.
    ///
    /// # Errors
    /// The gateway or its Redis cannot be reached, or refuses.
    pub(crate) async fn make(
        &mut self,
        change: Change,
    ) -> Result<(Change, Vec<ChangeOutcome>), RegisterError> {
        let request = GatewayRequest::of_change(&change, self.zone.as_ref());
        let request = request.ok_or_else(|| {
            RegisterError::Refused(format!("a gateway does not {}", change.verb.name()))
        })?;
        let report: ChangeReport = self.ask(&request).await?;
        if report.places.len() != change.places.len() {
            return Err(self.not_understood());
        }
        let places = report.places.into_iter();
        let (places, outcomes) = places.map(|one| (one.place, one.outcome)).unzip();
        Ok((Change { places, ..change }, outcomes))
    }

    /// Whether the gateway accepts the token.
    ///
    /// # Errors
    /// The gateway cannot be reached, or answers otherwise.
    pub(crate) async fn accepts_token(&mut self) -> Result<bool, RegisterError> {
        let answer = self.send(&GatewayRequest::get(NOTHING)).await?;
        match answer.status {
            StatusCode::UNAUTHORIZED => Ok(false),
            StatusCode::NOT_FOUND | StatusCode::OK => Ok(true),
            _ => Err(answer.error(&self.access.url)),
        }
    }

    /// Whether the gateway reaches Redis.
    ///
    /// # Errors
    /// The gateway cannot be reached, or this is not one.
    pub(crate) async fn is_healthy(&mut self) -> Result<bool, RegisterError> {
        let answer = self.send(&GatewayRequest::get("/v1/health")).await?;
        match answer.status {
            StatusCode::OK => Ok(true),
            StatusCode::SERVICE_UNAVAILABLE => Ok(false),
            _ => Err(answer.error(&self.access.url)),
        }
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &mut self,
        request: &GatewayRequest,
    ) -> Result<T, RegisterError> {
        self.send(request).await?.document(&self.access.url)
    }

    /// Sends a request, and connects first if needed.
    async fn send(&mut self, request: &GatewayRequest) -> Result<GatewayAnswer, RegisterError> {
        let mut open = self.connection.take();
        if let Some(connection) = &mut open
            && !connection.is_ready(self.connect).await
        {
            open = None;
        }
        let mut connection = match open {
            Some(connection) => connection,
            None => GatewayConnection::open(&self.access, self.connect).await?,
        };
        let answer = connection
            .send(&self.access, request, self.patience)
            .await?;
        // After a failure, or if this is cancelled, the connection is not used again.
        self.connection = Some(connection);
        Ok(answer)
    }

    fn not_understood(&self) -> RegisterError {
        RegisterError::Unanswered(format!(
            "{}: the answer is about other hashes than were asked for",
            self.access.url
        ))
    }
}

impl LeaseStore for GatewayClient {
    async fn renew(
        &mut self,
        role: &Role,
        places: &[Place],
        request: &LeaseRequest,
    ) -> Result<LeaseReply, RegisterError> {
        let request = GatewayRequest::of_holder(role, places, self.zone.as_ref(), request);
        let reply: LeaseReply = self.ask(&request).await?;
        match &reply {
            LeaseReply::Held { places: held, .. } if held.len() != places.len() => {
                Err(self.not_understood())
            }
            _ => Ok(reply),
        }
    }

    async fn end(
        &mut self,
        role: &Role,
        places: &[Place],
        request: &EndRequest,
    ) -> Result<Vec<Ended>, RegisterError> {
        let request = GatewayRequest::of_end(role, places, request);
        let reply = match self.ask::<EndReply>(&request).await {
            // The connection may have been dead since the last renewal.
            Err(RegisterError::Unanswered(_)) => self.ask::<EndReply>(&request).await,
            reply => reply,
        }?;
        Ok(reply.places.into_iter().map(|one| one.ended).collect())
    }

    fn disconnect(&mut self) {
        self.connection = None;
    }
}
