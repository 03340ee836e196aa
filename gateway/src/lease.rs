//! Members with a lease: `PUT` with `?lease=` or with a holder in the body, and their end. The
//! gateway keeps no state of them: the holder does, or Redis alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloudhosts_config::gateway::{ProblemCode, TokenVerb};
use cloudhosts_registry::register::{
    EndReply, EndRequest, EndedBy, HolderNonce, LeaseReply, LeaseRequest, LeaseStore, Place,
    RequestBody, Role, Verb,
};
use hyper::StatusCode;
use ring::digest::{Context, SHA256};
use serde::de::IgnoredAny;

use crate::caller::Caller;
use crate::change::{ChangeRequest, body, detached};
use crate::client_leases::LeaseKey;
use crate::gateway::Gateway;
use crate::permission;
use crate::places;
use crate::refusal::{Answer, Refusal, json};
use crate::route::Action;

/// Hexadecimal digits of a nonce, in bytes.
const NONCE_BYTES: usize = 8;

impl ChangeRequest {
    /// Whether it is about a lease.
    pub(crate) fn is_of_holder(&self) -> bool {
        let has_holder = || {
            let body = body::<IgnoredAny>(&self.body);
            body.is_ok_and(|body| body.holder.is_some())
        };
        self.role.member().is_some() && (self.query.lease.is_some() || has_holder())
    }

    /// Renews or ends a lease.
    pub(crate) async fn hold(
        self,
        gateway: &Arc<Gateway>,
        caller: Caller,
    ) -> Result<Answer, Refusal> {
        if self.condition.is_some() {
            return Err(Refusal::invalid(
                "a condition is for roles, not for members",
            ));
        }
        match self.action {
            Action::Put => self.renew(gateway, caller).await,
            Action::Delete => self.end(gateway, caller).await,
        }
    }

    async fn renew(self, gateway: &Arc<Gateway>, caller: Caller) -> Result<Answer, Refusal> {
        let body: RequestBody<LeaseRequest> = body(&self.body)?;
        let token = &caller.token.rules;
        let zone = body.zone.as_deref();
        let places = places::to_write(&self.query, &body.places, zone, token, caller.source)?;
        permission::check(token, TokenVerb::Hold, &self.role, &places, caller.source)?;
        match (body.holder, self.query.lease) {
            (Some(request), None) => {
                let reply = gateway.renew(caller, self.role, places, request).await?;
                Ok(json(StatusCode::OK, &reply))
            }
            (None, Some(lease)) => {
                let reply = gateway.renew_for(caller, self.role, places, lease).await?;
                client_answer(&reply)
            }
            _ => {
                let why = "say the lease either in the query or as holder";
                Err(Refusal::invalid(why))
            }
        }
    }

    async fn end(self, gateway: &Arc<Gateway>, caller: Caller) -> Result<Answer, Refusal> {
        let body: RequestBody<EndRequest> = body(&self.body)?;
        let token = &caller.token.rules;
        let Some(request) = body.holder.filter(|_| self.query.lease.is_none()) else {
            return Err(Refusal::invalid("a lease ends by leaving: without lease"));
        };
        let places = places::to_remove(&self.query, &body.places, token)?;
        permission::check(token, TokenVerb::Hold, &self.role, &places, caller.source)?;
        let reply = gateway.end(caller, self.role, places, request).await?;
        Ok(json(StatusCode::OK, &reply))
    }
}

/// The answer for a client that keeps no state.
fn client_answer(reply: &LeaseReply) -> Result<Answer, Refusal> {
    match reply {
        LeaseReply::Ended(EndedBy { by, verb }) => Err(Refusal::new(
            ProblemCode::Ended,
            format!("{by} ended this member by {verb}; another PUT joins anew"),
        )),
        LeaseReply::Taken => Err(Refusal::new(
            ProblemCode::Taken,
            "another holder has this member ID; choose another one",
        )),
        reply => Ok(json(StatusCode::OK, reply)),
    }
}

impl Gateway {
    /// Renews the lease of a client that keeps no state. Who has left may come back at once.
    async fn renew_for(
        self: &Arc<Gateway>,
        caller: Caller,
        role: Role,
        places: Vec<Place>,
        lease: Duration,
    ) -> Result<LeaseReply, Refusal> {
        let nonce = nonce(&caller, &role)?;
        let key = LeaseKey::new(&nonce, &places);
        for _ in 0..2 {
            let request = self.leases().request(&key, nonce.clone(), lease);
            let (caller, role, places) = (caller.clone(), role.clone(), places.clone());
            let author = caller.author().to_string();
            let reply = self.renew(caller, role, places, request).await?;
            self.leases().take_in(key.clone(), &reply, Instant::now());
            match reply {
                LeaseReply::Ended(by) if by.by == author && by.verb == Verb::Leave.name() => {}
                reply => return Ok(reply),
            }
        }
        Err(Refusal::new(
            ProblemCode::Ended,
            "the client leaves and joins at the same time",
        ))
    }

    /// Renews a lease that the token allows. A mere renewal is no change, and not logged.
    async fn renew(
        self: &Arc<Gateway>,
        caller: Caller,
        role: Role,
        places: Vec<Place>,
        request: LeaseRequest,
    ) -> Result<LeaseReply, Refusal> {
        let gateway = Arc::clone(self);
        detached(async move {
            let settings = Arc::clone(&caller.settings);
            let work = settings
                .writer
                .run(caller.author(), caller.deadline, async |registrar| {
                    let reply = registrar.renew(&role, &places, &request).await;
                    if let Ok(LeaseReply::Ended(_)) = &reply {
                        // If it ended in one hash, it ends in all.
                        let end = EndRequest {
                            nonce: request.nonce.clone(),
                            keep_last: false,
                        };
                        let _ = LeaseStore::end(registrar, &role, &places, &end).await;
                    }
                    reply
                });
            let done = work.await;
            match &done {
                Ok(LeaseReply::Held { places: all, .. }) => {
                    if all.iter().any(|one| one.outcome.changed) {
                        gateway.recent().begin(&role);
                        caller.log("hold", &role, &places, Ok(true));
                    }
                }
                Ok(LeaseReply::Standby { .. } | LeaseReply::Taken) => {}
                Ok(LeaseReply::Ended(_)) => caller.log("hold (ended)", &role, &places, Ok(false)),
                Err(why) => caller.log("hold", &role, &places, Err(why)),
            }
            done
        })
        .await
    }

    /// Ends a lease that the token allows.
    async fn end(
        self: &Arc<Gateway>,
        caller: Caller,
        role: Role,
        places: Vec<Place>,
        request: EndRequest,
    ) -> Result<EndReply, Refusal> {
        let gateway = Arc::clone(self);
        detached(async move {
            gateway.recent().begin(&role);
            let settings = Arc::clone(&caller.settings);
            let work = settings
                .writer
                .run(caller.author(), caller.deadline, async |registrar| {
                    LeaseStore::end(registrar, &role, &places, &request).await
                });
            let done = work.await;
            caller.log("end", &role, &places, done.as_ref().map(|_| true));
            Ok(EndReply::new(&places, &done?))
        })
        .await
    }
}

/// What identifies a client that keeps no state: its token, and which member it is.
fn nonce(caller: &Caller, role: &Role) -> Result<HolderNonce, Refusal> {
    let mut context = Context::new(&SHA256);
    context.update(&caller.token.rules.sha256.0);
    context.update(role.to_string().as_bytes());
    let hash = context.finish();
    let bytes = hash.as_ref().iter().take(NONCE_BYTES);
    let digits: String = bytes.map(|byte| format!("{byte:02x}")).collect();
    HolderNonce::try_from(digits).map_err(|why| Refusal::invalid(why.to_string()))
}
