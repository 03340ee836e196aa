//! Changes of roles and members: `PUT` and `DELETE`.

use std::sync::Arc;
use std::time::Instant;

use cloudhosts_config::gateway::TokenVerb;
use cloudhosts_config::printable::reason;
use cloudhosts_registry::register::{
    Change, ChangeOutcome, ChangeReport, Condition, Place, RequestBody, Role, Verb, Where,
};
use hyper::StatusCode;
use hyper::header::{HeaderMap, IF_MATCH, IF_NONE_MATCH};
use serde::de::DeserializeOwned;

use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::permission;
use crate::places::{self, Query};
use crate::refusal::{Answer, Refusal, json};
use crate::route::Action;

/// What a request says, without whom it is from.
#[derive(Debug)]
pub(crate) struct ChangeRequest {
    pub(crate) action: Action,
    pub(crate) role: Role,
    pub(crate) query: Query,
    pub(crate) condition: Option<Condition>,
    pub(crate) body: Vec<u8>,
}

/// Reads the role, and the member if there is one.
pub(crate) fn role(role: &str, member: Option<&str>) -> Result<Role, Refusal> {
    let wrong = |why: &dyn std::fmt::Display| Refusal::unprocessable(reason(&why.to_string()));
    let role = Role::parse(role).map_err(|why| wrong(&why))?;
    match member {
        Some(member) => role.with_member(member).map_err(|why| wrong(&why)),
        None => Ok(role),
    }
}

/// Reads `If-Match: "VALUE"` and `If-None-Match: *`.
pub(crate) fn condition(headers: &HeaderMap) -> Result<Option<Condition>, Refusal> {
    let of = |name| {
        let mut all = headers.get_all(name).iter();
        match (all.next(), all.next()) {
            (first, None) => Ok(first.map(|value| value.as_bytes().trim_ascii())),
            (_, Some(_)) => Err(Refusal::invalid("there may be one condition")),
        }
    };
    match (of(IF_MATCH)?, of(IF_NONE_MATCH)?) {
        (None, None) => Ok(None),
        (None, Some(b"*")) => Ok(Some(Condition::Absent)),
        (Some(value), None) => {
            let inner = value
                .strip_prefix(b"\"")
                .and_then(|value| value.strip_suffix(b"\""));
            let inner = inner.and_then(|value| std::str::from_utf8(value).ok());
            let at = inner.and_then(|value| {
                let at = Where::addresses(value);
                at.or_else(|_| Where::pointer(value)).ok()
            });
            let why = "write the value that the role must have: If-Match: \"10.0.0.4\"";
            at.map(Condition::At)
                .map(Some)
                .ok_or_else(|| Refusal::invalid(why))
        }
        _ => {
            let why = "the conditions are If-Match: \"VALUE\" and If-None-Match: *, one of them";
            Err(Refusal::invalid(why))
        }
    }
}

/// Reads a body. An empty one says nothing.
pub(crate) fn body<H: DeserializeOwned>(bytes: &[u8]) -> Result<RequestBody<H>, Refusal> {
    if bytes.trim_ascii().is_empty() {
        return Ok(RequestBody::default());
    }
    serde_json::from_slice(bytes)
        .map_err(|why| Refusal::invalid(format!("the body: {}", reason(&why.to_string()))))
}

impl ChangeRequest {
    /// The change of Redis, if the token allows it.
    fn checked(self, caller: &Caller) -> Result<Change, Refusal> {
        let body: RequestBody = body(&self.body)?;
        let token = &caller.token.rules;
        let is_member = self.role.member().is_some();
        let (verb, of_token) = match (self.action, is_member) {
            (Action::Put, false) => (Verb::Claim, TokenVerb::Claim),
            (Action::Put, true) => (Verb::Join, TokenVerb::Join),
            (Action::Delete, false) => (Verb::Release, TokenVerb::Release),
            (Action::Delete, true) => (Verb::Leave, TokenVerb::Leave),
        };
        if self.condition.is_some() && is_member {
            return Err(Refusal::invalid(
                "a condition is for roles, not for members",
            ));
        }
        if self.query.lease.is_some() {
            return Err(Refusal::invalid("a lease is for a member that is put"));
        }
        let places = match self.action {
            Action::Put => {
                let zone = body.zone.as_deref();
                places::to_write(&self.query, &body.places, zone, token, caller.source)?
            }
            Action::Delete => places::to_remove(&self.query, &body.places, token)?,
        };
        permission::check(token, of_token, &self.role, &places, caller.source)?;
        Ok(Change {
            verb,
            role: self.role,
            places,
            only_if: self.condition,
            views: None,
        })
    }

    /// What it asks for, for the log.
    pub(crate) fn describe(&self) -> String {
        let action = match self.action {
            Action::Put => "put",
            Action::Delete => "delete",
        };
        format!("{action} {}", self.role)
    }

    /// Makes the change.
    pub(crate) async fn make(
        self,
        gateway: &Arc<Gateway>,
        caller: Caller,
    ) -> Result<Answer, Refusal> {
        let change = self.checked(&caller)?;
        let outcomes = gateway.commit(caller, change.clone()).await?;
        Ok(json(StatusCode::OK, &ChangeReport::new(&change, outcomes)))
    }
}

impl Gateway {
    /// Makes a change that the token allows, and logs it. Once begun it goes on, even if the client
    /// is gone.
    ///
    /// # Errors
    /// Redis can't be reached, or refuses; or the condition is not met.
    pub(crate) async fn commit(
        self: &Arc<Gateway>,
        caller: Caller,
        change: Change,
    ) -> Result<Vec<ChangeOutcome>, Refusal> {
        let gateway = Arc::clone(self);
        detached(async move {
            let ticket = gateway.recent().begin(&change.role);
            let settings = Arc::clone(&caller.settings);
            let (author, deadline) = (caller.author(), caller.deadline);
            let work = settings.writer.run(author, deadline, async |registrar| {
                registrar.make(&change).await
            });
            let done = work.await;
            let changed = done.as_ref().map(|all| all.iter().any(|one| one.changed));
            caller.log(change.verb.name(), &change.role, &change.places, changed);
            if done.is_ok() {
                let (token, now) = (&caller.token.rules.name, Instant::now());
                let mut recent = gateway.recent();
                recent.remember(ticket, token, &change.role, &change.places, now);
            }
            done
        })
        .await
    }
}

/// Runs to its end, whether or not anybody waits for it.
pub(crate) async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    let task = tokio::spawn(work);
    let ended = || {
        Refusal::new(
            cloudhosts_config::gateway::ProblemCode::Unanswered,
            "the gateway ends",
        )
    };
    task.await.unwrap_or_else(|_| Err(ended()))
}

/// Places as one text, for the log.
pub(crate) fn shown(places: &[Place]) -> String {
    let shown = places.iter().map(|place| match &place.at {
        Some(at) => format!("{at} in {}", reason(&place.hash)),
        None => reason(&place.hash),
    });
    shown.collect::<Vec<_>>().join(", ")
}
