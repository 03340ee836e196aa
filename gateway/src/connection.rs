//! One connection: TLS, its requests one after the other, and an end to whatever takes too long.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use cloudhosts_config::gateway::Limits;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use crate::gateway::Gateway;
use crate::metrics::count;
use crate::refusal::Answer;

/// Most headers of a request, and most bytes of all of them.
const MOST_HEADERS: usize = 64;
const MOST_HEADER_BYTES: usize = 16 * 1024;

/// How much longer a request may take than its handler allows: the delay of a failed login, and the
/// way of the answer.
const SLACK: Duration = Duration::from_secs(5);

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The head of a request is arriving.
    Reading,
    /// A request is being answered.
    Serving,
    /// No request has begun.
    Idle,
}

/// What it is doing, and since when.
#[derive(Debug)]
struct PhaseClock {
    now: Mutex<(Phase, Instant)>,
    changed: Notify,
}

impl PhaseClock {
    fn new() -> PhaseClock {
        PhaseClock {
            now: Mutex::new((Phase::Reading, Instant::now())),
            changed: Notify::new(),
        }
    }

    fn enter(&self, phase: Phase) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = (phase, Instant::now());
        self.changed.notify_one();
    }

    fn current(&self) -> (Phase, Instant) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once something takes too long.
    async fn overdue(&self, limits: &Limits) {
        loop {
            let (phase, since) = self.current();
            let limit = match phase {
                Phase::Reading => limits.header_timeout,
                Phase::Serving => limits.request_timeout.saturating_add(SLACK),
                Phase::Idle => limits.idle_timeout,
            };
            let end = since + limit;
            if Instant::now() >= end {
                return;
            }
            tokio::select! {
                () = sleep_until(end.into()) => {}
                () = self.changed.notified() => {}
            }
        }
    }
}

/// A stream that notes when a request begins to arrive.
struct Watched<S> {
    stream: S,
    clock: Arc<PhaseClock>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before && self.clock.current().0 == Phase::Idle {
            self.clock.enter(Phase::Reading);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Serves a connection to its end. Where `is_crowded` says so after an answer, that was its last.
pub(crate) async fn serve(
    stream: TcpStream,
    peer: IpAddr,
    gateway: Arc<Gateway>,
    is_crowded: impl Fn() -> bool,
) {
    let settings = gateway.settings();
    let limits = settings.limits.clone();
    let Some(certificate) = &settings.certificate else {
        drop(settings);
        return http(stream, peer, &gateway, &limits, is_crowded).await;
    };
    let acceptor = TlsAcceptor::from(certificate.current());
    drop(settings);
    match timeout(limits.header_timeout, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => http(stream, peer, &gateway, &limits, is_crowded).await,
        Ok(Err(_)) | Err(_) => count(&gateway.metrics.failed_handshakes),
    }
}

async fn http<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: IpAddr,
    gateway: &Arc<Gateway>,
    limits: &Limits,
    is_crowded: impl Fn() -> bool,
) {
    let clock = Arc::new(PhaseClock::new());
    let watched = Watched {
        stream,
        clock: Arc::clone(&clock),
    };
    let service = service_fn(|request| {
        let clock = Arc::clone(&clock);
        let is_crowded = &is_crowded;
        async move {
            clock.enter(Phase::Serving);
            let mut answer: Answer = gateway.answer(request, peer).await;
            clock.enter(Phase::Idle);
            if is_crowded() {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(CONNECTION, close);
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        // Some clients say that they are done before they read.
        .half_close(true)
        .max_headers(MOST_HEADERS)
        .max_buf_size(MOST_HEADER_BYTES)
        .serve_connection(TokioIo::new(watched), service);
    let connection = pin!(connection);
    tokio::select! {
        // How a client goes away is its own affair.
        _ = connection => {}
        () = clock.overdue(limits) => count(&gateway.metrics.overdue_connections),
    }
}
