//! Logging in, and switching change tracking on.

use super::invalidations::Invalidations;
use super::link::{Failure, Link, Protocol};
use super::materials::Materials;
use super::refusal::Refusal;
use super::stream::open;
use crate::fault::Fault;
use cloudhosts_config::Endpoint;
use cloudhosts_config::Redis;
use redis::{Value, cmd};
use std::sync::Arc;
use std::time::Duration;

/// A connection that is logged in.
pub(crate) struct Session {
    pub(crate) link: Link,
    /// Why Redis does not push changes, where it does not.
    pub(crate) no_tracking: Option<String>,
}

impl Session {
    /// Connects, logs in and switches tracking on: in RESP3 where Redis speaks
    /// it, in RESP2 and without tracking where it does not.
    ///
    /// # Errors
    /// In words for the operator.
    pub(crate) async fn begin(
        endpoint: &Endpoint,
        materials: &Materials,
        invalidations: &Arc<Invalidations>,
        limit: Duration,
    ) -> Result<Session, Fault> {
        let secret = materials.password.as_ref();
        let shown = |failure: Failure| match failure {
            Failure::Refused(refusal) => refusal.without(secret).fault(),
            Failure::Lost(fault) => fault,
        };
        let pushed = invalidations.clone();
        let resp3 = Protocol::Resp3 {
            username: materials.username.as_deref(),
            password: secret,
            pushed: Box::new(move |push| pushed.push(push)),
        };
        let stream = open(endpoint, materials, limit).await?;
        let (mut link, old) = match Link::start(stream, resp3, limit).await {
            Ok(link) => (link, None),
            Err(Failure::Refused(refusal)) if speaks_resp2_only(&refusal) => {
                let link = plain(endpoint, materials, limit).await.map_err(shown)?;
                (link, Some(refusal.without(secret)))
            }
            Err(failure) => return Err(shown(failure)),
        };
        select(&mut link, endpoint, limit).await.map_err(shown)?;
        if let Some(refusal) = old {
            let no_tracking = Some(format!("RESP3 is refused: {refusal}"));
            return Ok(Session { link, no_tracking });
        }
        let tracking = cmd("CLIENT").arg("TRACKING").arg("ON").to_owned();
        let no_tracking = match link.ask_within(&tracking, limit).await {
            Ok(_) => None,
            Err(Failure::Refused(refusal)) => {
                Some(format!("CLIENT TRACKING is refused: {refusal}"))
            }
            Err(Failure::Lost(fault)) => return Err(fault),
        };
        Ok(Session { link, no_tracking })
    }
}

impl Session {
    /// Connects and logs in, for who only asks and wants no pushes.
    ///
    /// # Errors
    /// In words for the operator.
    pub(crate) async fn one_way(
        endpoint: &Endpoint,
        materials: &Materials,
        limit: Duration,
    ) -> Result<Session, Fault> {
        let secret = materials.password.as_ref();
        let shown = |failure: Failure| match failure {
            Failure::Refused(refusal) => refusal.without(secret).fault(),
            Failure::Lost(fault) => fault,
        };
        let mut link = plain(endpoint, materials, limit).await.map_err(shown)?;
        select(&mut link, endpoint, limit).await.map_err(shown)?;
        let no_tracking = Some("it is not wanted".to_owned());
        Ok(Session { link, no_tracking })
    }
}

/// Whether TLS is spoken at an endpoint whose URL says that it is not.
pub(crate) async fn speaks_tls(redis: &Redis, endpoint: &Endpoint) -> bool {
    let Some(secure) = endpoint.spoken_to(true) else {
        return false;
    };
    let Ok(materials) = Materials::gather(redis, &secure).await else {
        return false;
    };
    match open(&secure, &materials, redis.connect_timeout).await {
        Ok(_) => true,
        Err(fault) => fault.code.proves_tls(),
    }
}

/// Whether Redis answers without TLS at an endpoint whose URL says that it speaks
/// it. Nobody is logged in: the password is not for a line that others can read.
pub(crate) async fn speaks_plainly(endpoint: &Endpoint, limit: Duration) -> bool {
    let Some(plain) = endpoint.spoken_to(false) else {
        return false;
    };
    let Ok(stream) = open(&plain, &Materials::default(), limit).await else {
        return false;
    };
    let Ok(mut link) = Link::start(stream, Protocol::Resp2, limit).await else {
        return false;
    };
    let answer = link.ask_within(&cmd("PING"), limit).await;
    // That it wants a password first is an answer, too.
    matches!(answer, Ok(_) | Err(Failure::Refused(_)))
}

/// Goes to the database of the endpoint.
async fn select(link: &mut Link, endpoint: &Endpoint, limit: Duration) -> Result<(), Failure> {
    if endpoint.db != 0 {
        let select = cmd("SELECT").arg(endpoint.db).to_owned();
        link.ask_within(&select, limit).await?;
    }
    Ok(())
}

/// Whether this is how a Redis, or what stands in for one, says that it does
/// not speak RESP3.
fn speaks_resp2_only(refusal: &Refusal) -> bool {
    refusal.is_unknown() || refusal.code() == "ERR" && !refusal.is_one_too_many()
}

/// Connects and logs in with RESP2.
pub(crate) async fn plain(
    endpoint: &Endpoint,
    materials: &Materials,
    limit: Duration,
) -> Result<Link, Failure> {
    let stream = open(endpoint, materials, limit)
        .await
        .map_err(Failure::Lost)?;
    let mut link = Link::start(stream, Protocol::Resp2, limit).await?;
    if let Some(password) = &materials.password {
        let mut auth = cmd("AUTH");
        if let Some(username) = &materials.username {
            auth.arg(username);
        }
        link.ask_within(auth.arg(password.reveal()), limit).await?;
    }
    Ok(link)
}

/// Whether the Redis at the other end is a master; `None` where it does not
/// say. HELLO needs no right in the ACL, ROLE does.
///
/// # Errors
/// Why the connection was lost.
pub(crate) async fn is_master(
    link: &mut Link,
    tracking: bool,
    silence: Duration,
) -> Result<Option<bool>, String> {
    let hello = cmd("HELLO").arg(if tracking { 3 } else { 2 }).to_owned();
    let role = match link.ask_within(&hello, silence).await {
        Ok(Value::Map(pairs)) => pairs.into_iter().find(|(key, _)| is_text(key, "role")),
        Ok(Value::Array(flat)) => flat
            .chunks_exact(2)
            .find(|pair| is_text(&pair[0], "role"))
            .map(|pair| (pair[0].clone(), pair[1].clone())),
        Ok(_) | Err(Failure::Refused(_)) => None,
        Err(Failure::Lost(fault)) => return Err(fault.why),
    };
    if let Some((_, role)) = role {
        return Ok(Some(is_text(&role, "master")));
    }
    match link.ask_within(&cmd("ROLE"), silence).await {
        Ok(Value::Array(parts)) => Ok(parts.first().map(|role| is_text(role, "master"))),
        Ok(_) | Err(Failure::Refused(_)) => Ok(None),
        Err(Failure::Lost(fault)) => Err(fault.why),
    }
}

fn is_text(value: &Value, text: &str) -> bool {
    match value {
        Value::BulkString(bytes) => bytes == text.as_bytes(),
        Value::SimpleString(string) => string == text,
        _ => false,
    }
}
