//! From a request to its answer.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use cloudhosts_config::gateway::ProblemCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, StatusCode};
use tokio::time::{sleep, timeout_at};
use tracing::warn;

use crate::caller::Caller;
use crate::change::{self, ChangeRequest};
use crate::client_leases::ClientLeases;
use crate::credentials::Credentials;
use crate::metrics::{Metrics, Operation, count};
use crate::nic;
use crate::places::Query;
use crate::rate::{AddressMeters, Meter, Rate};
use crate::recent::Recent;
use crate::refusal::{Answer, Refusal, json, text};
use crate::route::Route;
use crate::settings::Settings;
use crate::source::{is_forwarded, source};
use crate::tokens::LiveToken;

/// How long an answer takes that says there is no such token.
const DELAY: Duration = Duration::from_secs(1);

/// Failed logins of one address, a second and at once. More of them are told to wait.
const FAILURES: (f64, u32) = (0.2, 10);

/// Failed logins that are logged, a second and at once.
const LOGGED: (f64, u32) = (1.0, 20);

/// The kind of text that Prometheus reads.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What all connections share.
#[derive(Debug)]
pub struct Gateway {
    settings: RwLock<Arc<Settings>>,
    pub(crate) metrics: Metrics,
    recent: Mutex<Recent>,
    leases: Mutex<ClientLeases>,
    requests: Mutex<AddressMeters>,
    failures: Mutex<AddressMeters>,
    logged: Mutex<(Meter, u64)>,
}

impl Gateway {
    /// A gateway with these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Gateway {
        Gateway {
            settings: RwLock::new(Arc::new(settings)),
            metrics: Metrics::default(),
            recent: Mutex::default(),
            leases: Mutex::default(),
            requests: Mutex::new(AddressMeters::new()),
            failures: Mutex::new(AddressMeters::new()),
            logged: Mutex::default(),
        }
    }

    /// Goes on with other settings. Requests that have begun keep theirs.
    pub fn change(&self, settings: Settings) {
        let mut current = self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(settings);
    }

    /// The settings of now.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        let current = self.settings.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    pub(crate) fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn leases(&self) -> MutexGuard<'_, ClientLeases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request of that peer.
    pub(crate) async fn answer(
        self: &Arc<Gateway>,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> Answer {
        let start = Instant::now();
        let (parts, body) = request.into_parts();
        let route = Route::read(&parts.method, parts.uri.path());
        let mut operation = route.as_ref().map_or(Operation::Other, Route::operation);
        let (answer, result) = match self
            .respond(route, &parts, body, peer, &mut operation)
            .await
        {
            Ok((answer, result)) => (answer, result),
            Err(why) if operation == Operation::NicUpdate => (nic::refused(&why), Err(why.code)),
            Err(why) => (why.answer(), Err(why.code)),
        };
        self.metrics.request(operation, result, start.elapsed());
        answer
    }

    async fn respond(
        self: &Arc<Gateway>,
        route: Result<Route, Refusal>,
        parts: &Parts,
        body: Incoming,
        peer: IpAddr,
        operation: &mut Operation,
    ) -> Result<(Answer, Result<(), ProblemCode>), Refusal> {
        let settings = self.settings();
        let deadline = Instant::now() + settings.limits.request_timeout;
        check_length(&parts.headers, settings.limits.body)?;
        let Some(source) = source(peer, &parts.headers, &settings.trusted_proxies) else {
            return Err(Refusal::invalid("X-Forwarded-For has what is no address").closing());
        };
        self.meter(source, settings.address_rate)?;
        match route {
            Ok(Route::Metrics) => return Ok((self.metrics_text(parts, peer, source)?, Ok(()))),
            Ok(Route::Health) => return self.health(&settings).await,
            _ => {}
        }
        let token = self.authenticate(&parts.headers, source, &settings).await?;
        let caller = Caller {
            token,
            source,
            settings,
            deadline,
        };
        let taken = caller
            .token
            .take(caller.settings.token_rate, Instant::now());
        taken.map_err(|wait| Refusal::too_many("this token asks too often", wait))?;
        let query = parts.uri.query().unwrap_or_default();
        let (action, role, member) = match route? {
            Route::Change {
                action,
                role,
                member,
            } => (action, role, member),
            _ => {
                let replies = nic::update(self, &caller, query, &parts.headers).await;
                let failed = replies.iter().find_map(|reply| reply.result().err());
                return Ok((nic::lines(&replies), failed.map_or(Ok(()), Err)));
            }
        };
        let request = ChangeRequest {
            action,
            role: change::role(&role, member.as_deref())?,
            query: Query::read(query)?,
            condition: change::condition(&parts.headers)?,
            body: read(body, &caller).await?,
        };
        let what = request.describe();
        let answer = if request.is_of_holder() {
            *operation = Operation::Hold;
            request.hold(self, caller.clone()).await
        } else {
            request.make(self, caller.clone()).await
        };
        if let Err(why) = &answer
            && matches!(why.code, ProblemCode::Forbidden | ProblemCode::Invalid)
        {
            caller.log_refused(&what, why);
        }
        Ok((answer?, Ok(())))
    }

    /// Counts a request of an address.
    fn meter(&self, source: IpAddr, rate: Rate) -> Result<(), Refusal> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests
            .take(source, rate, Instant::now())
            .map_err(|wait| Refusal::too_many("this address asks too often", wait))
    }

    /// The token of a request. Where there is none the answer takes a while, and is logged.
    async fn authenticate(
        &self,
        headers: &HeaderMap,
        source: IpAddr,
        settings: &Settings,
    ) -> Result<Arc<LiveToken>, Refusal> {
        let credentials = Credentials::read(headers);
        if let Some(token) = credentials
            .as_ref()
            .and_then(|one| settings.tokens.find(one))
        {
            return Ok(token);
        }
        count(&self.metrics.failed_logins);
        self.log_failure(source, credentials.is_some());
        let rate = Rate::new(FAILURES.0, FAILURES.1);
        let taken = {
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            failures.take(source, rate, Instant::now())
        };
        sleep(DELAY).await;
        taken.map_err(|wait| Refusal::too_many("too many requests without a known token", wait))?;
        Err(Refusal::new(
            ProblemCode::Unauthorized,
            "send the secret of a token: Authorization: Bearer SECRET, or Basic with its name and the \
             secret",
        ))
    }

    /// One line for a failed login, as long as there are few of them.
    fn log_failure(&self, source: IpAddr, has_credentials: bool) {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let (meter, skipped) = &mut *logged;
        if meter
            .take(Rate::new(LOGGED.0, LOGGED.1), Instant::now())
            .is_err()
        {
            *skipped += 1;
            return;
        }
        let more = match std::mem::take(skipped) {
            0 => String::new(),
            more => format!(" ({more} more before, from here or elsewhere)"),
        };
        if has_credentials {
            warn!("a request from {source} has no token that is known{more}");
        } else {
            warn!("a request from {source} has no token{more}");
        }
    }

    /// Metrics are for this machine only: not for whoever a proxy on it asks for.
    fn metrics_text(&self, parts: &Parts, peer: IpAddr, source: IpAddr) -> Result<Answer, Refusal> {
        let here = peer.to_canonical().is_loopback() && source.to_canonical().is_loopback();
        if !here || is_forwarded(&parts.headers) {
            return Err(Refusal::new(ProblemCode::NotFound, "there is nothing here"));
        }
        let up = self.settings().writer.is_up();
        Ok(text(StatusCode::OK, OPEN_METRICS, self.metrics.text(up)))
    }

    async fn health(
        &self,
        settings: &Settings,
    ) -> Result<(Answer, Result<(), ProblemCode>), Refusal> {
        if settings.writer.is_well().await {
            let status = serde_json::json!({"status": "ok"});
            return Ok((json(StatusCode::OK, &status), Ok(())));
        }
        Err(Refusal::away("Redis can't be reached"))
    }
}

/// Refuses a body whose end could be taken for somewhere else by somebody before us, and one that
/// is too large.
fn check_length(headers: &HeaderMap, most: usize) -> Result<(), Refusal> {
    if headers.contains_key(TRANSFER_ENCODING) {
        return Err(Refusal::without_length());
    }
    let length: Option<u64> = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    match length {
        Some(length) if length > most as u64 => Err(too_large(most)),
        _ => Ok(()),
    }
}

fn too_large(most: usize) -> Refusal {
    let why = format!("a body has {most} bytes at most");
    Refusal::new(ProblemCode::TooLarge, why).closing()
}

/// Reads a body, in the time and size that it may have.
async fn read(body: Incoming, caller: &Caller) -> Result<Vec<u8>, Refusal> {
    let most = caller.settings.limits.body;
    let whole = Limited::new(body, most).collect();
    match timeout_at(caller.deadline.into(), whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(why)) if why.is::<LengthLimitError>() => Err(too_large(most)),
        Ok(Err(_)) => Err(Refusal::invalid("the body ended too early").closing()),
        Err(_) => {
            let why = "the body did not arrive in time";
            Err(Refusal::new(ProblemCode::Timeout, why).closing())
        }
    }
}
