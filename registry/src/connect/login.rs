//! Logs in, and enables client tracking.

use std::sync::Arc;
use std::time::Duration;

use cloudhosts_config::{Endpoint, Redis};
use redis::{Value, cmd};

use super::credentials::Credentials;
use super::invalidations::Invalidations;
use super::link::{CommandError, Link, Protocol};
use super::stream::open;
use crate::fault::Fault;
use crate::reply::bytes;

/// A connection that is logged in.
pub(crate) struct Login {
    pub(crate) link: Link,
    /// Why client tracking is off, if it is.
    pub(crate) no_tracking: Option<String>,
}

impl Login {
    /// Connects, logs in and enables tracking: with RESP3 if Redis supports it, else with RESP2
    /// and without tracking.
    pub(crate) async fn with_tracking(
        endpoint: &Endpoint,
        credentials: &Credentials,
        invalidations: &Arc<Invalidations>,
        limit: Duration,
    ) -> Result<Login, Fault> {
        let secret = credentials.password.as_ref();
        let shown = |error: CommandError| error.without(secret);
        let pushed = invalidations.clone();
        let resp3 = Protocol::Resp3 {
            username: credentials.username.as_deref(),
            password: secret,
            pushed: Box::new(move |push| pushed.push(push)),
        };
        let stream = open(endpoint, credentials, limit).await?;
        let (mut link, old) = match Link::start(stream, resp3, limit).await {
            Ok(link) => (link, None),
            Err(CommandError::ErrorReply(reply)) if reply.is_without_resp3() => {
                let link = plain(endpoint, credentials, limit).await.map_err(shown)?;
                (link, Some(reply.without(secret)))
            }
            Err(failure) => return Err(shown(failure)),
        };
        select(&mut link, endpoint, limit).await.map_err(shown)?;
        if let Some(reply) = old {
            let no_tracking = Some(format!("RESP3 is refused: {reply}"));
            return Ok(Login { link, no_tracking });
        }
        let tracking = cmd("CLIENT").arg("TRACKING").arg("ON").to_owned();
        let no_tracking = match link.send_within(&tracking, limit).await {
            Ok(_) => None,
            Err(CommandError::ErrorReply(reply)) => {
                Some(format!("CLIENT TRACKING is refused: {reply}"))
            }
            Err(CommandError::Lost(fault)) => return Err(fault),
        };
        Ok(Login { link, no_tracking })
    }

    /// Connects and logs in, without tracking.
    pub(crate) async fn without_tracking(
        endpoint: &Endpoint,
        credentials: &Credentials,
        limit: Duration,
    ) -> Result<Login, Fault> {
        let secret = credentials.password.as_ref();
        let shown = |error: CommandError| error.without(secret);
        let mut link = plain(endpoint, credentials, limit).await.map_err(shown)?;
        select(&mut link, endpoint, limit).await.map_err(shown)?;
        let no_tracking = Some("it was not requested".to_owned());
        Ok(Login { link, no_tracking })
    }
}

/// Whether an endpoint with a redis:// URL speaks TLS.
pub(crate) async fn speaks_tls(redis: &Redis, endpoint: &Endpoint) -> bool {
    let Some(secure) = endpoint.spoken_to(true) else {
        return false;
    };
    let Ok(credentials) = Credentials::load(redis, &secure).await else {
        return false;
    };
    match open(&secure, &credentials, redis.connect_timeout).await {
        Ok(_) => true,
        Err(fault) => fault.code.proves_tls(),
    }
}

/// Whether an endpoint with a rediss:// URL answers without TLS. It does not log in, because the
/// password must not be sent in plain text.
pub(crate) async fn speaks_plainly(endpoint: &Endpoint, limit: Duration) -> bool {
    let Some(plain) = endpoint.spoken_to(false) else {
        return false;
    };
    let Ok(stream) = open(&plain, &Credentials::default(), limit).await else {
        return false;
    };
    let Ok(mut link) = Link::start(stream, Protocol::Resp2, limit).await else {
        return false;
    };
    let answer = link.send_within(&cmd("PING"), limit).await;
    // NOAUTH is an answer, too.
    matches!(answer, Ok(_) | Err(CommandError::ErrorReply(_)))
}

/// Selects the database of the endpoint.
async fn select(link: &mut Link, endpoint: &Endpoint, limit: Duration) -> Result<(), CommandError> {
    if endpoint.db != 0 {
        let select = cmd("SELECT").arg(endpoint.db).to_owned();
        link.send_within(&select, limit).await?;
    }
    Ok(())
}

/// Connects and logs in with RESP2.
pub(crate) async fn plain(
    endpoint: &Endpoint,
    credentials: &Credentials,
    limit: Duration,
) -> Result<Link, CommandError> {
    let stream = open(endpoint, credentials, limit)
        .await
        .map_err(CommandError::Lost)?;
    let mut link = Link::start(stream, Protocol::Resp2, limit).await?;
    if let Some(password) = &credentials.password {
        let mut auth = cmd("AUTH");
        if let Some(username) = &credentials.username {
            auth.arg(username);
        }
        link.send_within(auth.arg(password.reveal()), limit).await?;
    }
    Ok(link)
}

/// Whether the server is a master. None if it does not say. HELLO needs no permission, ROLE does.
///
/// # Errors
/// The connection was lost.
pub(crate) async fn is_master(
    link: &mut Link,
    tracking: bool,
    silence: Duration,
) -> Result<Option<bool>, Fault> {
    let hello = cmd("HELLO").arg(if tracking { 3 } else { 2 }).to_owned();
    let role = match link.send_within(&hello, silence).await {
        Ok(Value::Map(pairs)) => pairs
            .into_iter()
            .find(|(key, _)| bytes(key) == Some(b"role")),
        Ok(Value::Array(flat)) => flat
            .chunks_exact(2)
            .find(|pair| bytes(&pair[0]) == Some(b"role"))
            .map(|pair| (pair[0].clone(), pair[1].clone())),
        Ok(_) | Err(CommandError::ErrorReply(_)) => None,
        Err(CommandError::Lost(fault)) => return Err(fault),
    };
    if let Some((_, role)) = role {
        return Ok(Some(bytes(&role) == Some(b"master")));
    }
    match link.send_within(&cmd("ROLE"), silence).await {
        Ok(Value::Array(parts)) => Ok(parts.first().map(|role| bytes(role) == Some(b"master"))),
        Ok(_) | Err(CommandError::ErrorReply(_)) => Ok(None),
        Err(CommandError::Lost(fault)) => Err(fault),
    }
}
