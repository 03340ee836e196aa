//! A connection to the gateway: HTTP/1.1, one request after the other.

use std::time::Duration;

use cloudhosts_config::printable::reason;
use cloudhosts_config::{GatewayAccess, Secret};
use cloudhosts_registry::open_gateway;
use cloudhosts_registry::register::RegisterError;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::answer::GatewayAnswer;
use super::request::GatewayRequest;

/// Most bytes of an answer: a claim names each member that it removed.
const MOST: usize = 64 * 1024 * 1024;

/// How this program is called in the gateway's log, and in a proxy's.
const AGENT: &str = concat!("cloudhosts/", env!("CARGO_PKG_VERSION"));

/// An open connection.
pub(super) struct GatewayConnection {
    sender: SendRequest<Full<Bytes>>,
    token: Option<Secret>,
}

impl GatewayConnection {
    /// Reads the token as it is now, and connects within `limit`.
    ///
    /// # Errors
    /// The gateway cannot be reached, its certificate is not accepted, or a file cannot be read.
    pub(super) async fn open(
        access: &GatewayAccess,
        limit: Duration,
    ) -> Result<GatewayConnection, RegisterError> {
        let url = &access.url;
        let away = |why: String| RegisterError::Away(format!("{url}: {why}"));
        let reader = access.clone();
        let token = tokio::task::spawn_blocking(move || reader.token()).await;
        let token = token.map_err(|error| away(reason(&error.to_string())))?;
        let token = token.map_err(|error| away(error.to_string()))?;
        let stream = open_gateway(access, limit).await;
        let stream = stream.map_err(|fault| away(fault.to_string()))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| away(reason(&error.to_string())))?;
        // It ends with the sender, or when the gateway closes it: the sender finds that out.
        tokio::spawn(async { drop(connection.await) });
        Ok(GatewayConnection { sender, token })
    }

    /// Whether it takes another request: the gateway may have closed it. Waits for `limit` at most.
    pub(super) async fn is_ready(&mut self, limit: Duration) -> bool {
        matches!(timeout(limit, self.sender.ready()).await, Ok(Ok(())))
    }

    /// Sends a request, and waits for the whole answer within `patience`.
    ///
    /// # Errors
    /// [`RegisterError::Unanswered`] if there is none: the request may have arrived.
    pub(super) async fn send(
        &mut self,
        access: &GatewayAccess,
        request: &GatewayRequest,
        patience: Duration,
    ) -> Result<GatewayAnswer, RegisterError> {
        let url = &access.url;
        let request = self.http(access, request)?;
        let lost = |why: &str| RegisterError::Unanswered(format!("{url}: {}", reason(why)));
        let answer = timeout(patience, async {
            let answer = self.sender.send_request(request).await;
            read(answer.map_err(|error| cause(&error))?).await
        });
        match answer.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => Err(lost(&why)),
            Err(_) => {
                let shown = humantime::format_duration(patience);
                Err(lost(&format!("no answer within {shown}")))
            }
        }
    }

    /// The request as hyper sends it.
    fn http(
        &self,
        access: &GatewayAccess,
        request: &GatewayRequest,
    ) -> Result<Request<Full<Bytes>>, RegisterError> {
        let url = &access.url;
        let mut builder = Request::builder()
            .method(request.method.name())
            .uri(format!("{}{}", url.prefix(), request.path))
            .header(HOST, url.authority())
            .header(USER_AGENT, AGENT);
        if let Some(token) = self.token.as_ref() {
            builder = builder.header(AUTHORIZATION, bearer(token)?);
        }
        if !request.body.is_empty() {
            builder = builder.header(CONTENT_TYPE, "application/json");
        }
        if let Some((name, value)) = &request.condition {
            builder = builder.header(*name, value);
        }
        let body = Full::new(Bytes::from(request.body.clone()));
        builder
            .body(body)
            .map_err(|error| RegisterError::Refused(format!("{url}: {error}")))
    }
}

/// The header with the token. It is not shown in any error.
fn bearer(token: &Secret) -> Result<HeaderValue, RegisterError> {
    let value = HeaderValue::from_str(&format!("Bearer {}", token.reveal()));
    let mut value = value.map_err(|_| {
        let why = "the token has characters that HTTP does not carry; see token_file";
        RegisterError::Refused(why.to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads the body.
async fn read(answer: hyper::Response<Incoming>) -> Result<GatewayAnswer, String> {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MOST).collect().await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    Ok(GatewayAnswer { status, body })
}

/// What hyper says of an error, and what it says caused it.
fn cause(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
