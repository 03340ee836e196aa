//! A stream that counts the bytes that arrive and records when.
//!
//! The parser of the redis crate holds a whole reply in memory, so a reply must be bounded. And
//! whether the peer is alive shows in bytes that arrive, not in how long a large reply takes on a
//! slow link.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use crate::fault::{Fault, FaultCode};

/// Most bytes of one reply.
///
/// The largest replies that are requested are 10,000 fields (HGETALL) and some 1,000
/// (HSCAN). At 6,700 bytes a pair this is enough for the first: the longest
/// field with 400 addresses in every one of them. A hash of even larger
/// values is read in smaller steps (see `follow::read_plan`).
pub(crate) const MAX_REPLY: u64 = 64 * 1024 * 1024;

/// The first byte of a TLS alert (RFC 8446, 5.1), and of no reply of Redis: a port that speaks TLS
/// only sends one.
const ALERT: u8 = 21;

/// Counts the bytes of one connection.
pub(crate) struct Meter {
    start: Instant,
    /// When the last byte arrived or the last command was sent, in ms after `start`.
    last: AtomicU64,
    left: AtomicU64,
    overflowed: AtomicBool,
    /// Whether any byte has arrived.
    heard: AtomicBool,
    /// The file of the client certificate that was shown, if one was.
    client_certificate: Option<PathBuf>,
    ended: Mutex<Option<Fault>>,
    gone: Notify,
}

impl Meter {
    pub(crate) fn new(client_certificate: Option<PathBuf>) -> Meter {
        Meter {
            client_certificate,
            start: Instant::now(),
            last: AtomicU64::new(0),
            left: AtomicU64::new(MAX_REPLY),
            overflowed: AtomicBool::new(false),
            heard: AtomicBool::new(false),
            ended: Mutex::new(None),
            gone: Notify::new(),
        }
    }

    /// A command is about to be sent: its reply has the whole limit, and silence counts from now.
    pub(crate) fn asked(&self) {
        self.left.store(MAX_REPLY, Ordering::Relaxed);
        self.touch();
    }

    fn touch(&self) {
        let now = self.start.elapsed().as_millis();
        self.last
            .store(now.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// When the last byte arrived, or the last command was sent.
    pub(crate) fn last(&self) -> Instant {
        self.start + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }

    /// Whether a reply was too large.
    pub(crate) fn overflowed(&self) -> bool {
        self.overflowed.load(Ordering::Relaxed)
    }

    fn received(&self, bytes: u64) -> io::Result<()> {
        self.heard.store(true, Ordering::Relaxed);
        self.touch();
        let left = self.left.load(Ordering::Relaxed);
        match left.checked_sub(bytes) {
            Some(left) => {
                self.left.store(left, Ordering::Relaxed);
                Ok(())
            }
            None => {
                self.overflowed.store(true, Ordering::Relaxed);
                let most = MAX_REPLY / (1024 * 1024);
                let why = format!("a reply was larger than {most} MiB");
                Err(self.end(Fault::new(FaultCode::TooLarge, why)))
            }
        }
    }

    /// Records why the connection ends, if no reason is recorded yet. The error makes the redis
    /// crate give up the connection.
    fn end(&self, fault: Fault) -> io::Error {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.get_or_insert(fault);
        io::Error::new(io::ErrorKind::ConnectionAborted, "the connection ended")
    }

    /// Why the stream ended, if it did.
    pub(crate) fn why(&self) -> Option<Fault> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.clone()
    }

    /// Why the open connection failed.
    fn io(&self, error: &io::Error) -> Fault {
        Fault::io(error, self.client_certificate.as_deref())
    }

    /// What it means that the peer closed the connection.
    fn closed(&self) -> Fault {
        if self.heard.load(Ordering::Relaxed) {
            Fault::new(FaultCode::Closed, "Redis closed the connection")
        } else {
            Fault::new(
                FaultCode::Closed,
                "the connection was closed before Redis sent anything (if this is a TLS port, \
                 write rediss://)",
            )
        }
    }

    /// The task that reads the stream has ended.
    pub(crate) fn driver_ended(&self) {
        self.gone.notify_one();
    }

    /// Waits until the task that reads the stream has ended.
    pub(crate) async fn gone(&self) {
        self.gone.notified().await;
    }
}

/// A metered stream.
pub(crate) struct Metered<S> {
    stream: S,
    meter: Arc<Meter>,
}

impl<S> Metered<S> {
    pub(crate) fn new(stream: S, meter: Arc<Meter>) -> Metered<S> {
        Metered { stream, meter }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        Poll::Ready(match read {
            Ok(()) => match buf.filled().get(before..) {
                None | Some([]) => Err(self.meter.end(self.meter.closed())),
                Some([ALERT, ..]) if !self.meter.heard.load(Ordering::Relaxed) => {
                    Err(self.meter.end(Fault::new(
                        FaultCode::TlsOnly,
                        "this port accepts TLS only; write rediss:// in urls",
                    )))
                }
                Some(bytes) => self.meter.received(bytes.len() as u64),
            },
            Err(error) => Err(self.meter.end(self.meter.io(&error))),
        })
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf));
        Poll::Ready(written.map_err(|error| self.meter.end(self.meter.io(&error))))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        Poll::Ready(flushed.map_err(|error| self.meter.end(self.meter.io(&error))))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_reply_has_a_budget_and_a_question_renews_it() {
        let (mut peer, ours) = tokio::io::duplex(1 << 20);
        let meter = Arc::new(Meter::new(None));
        let mut metered = Metered::new(ours, meter.clone());
        let chunk = vec![b'x'; 1 << 20];
        let mut read = vec![0; 1 << 20];
        for _ in 0..2 {
            meter.asked();
            for _ in 0..MAX_REPLY >> 20 {
                peer.write_all(&chunk).await.unwrap();
                metered.read_exact(&mut read).await.unwrap();
            }
        }
        assert!(!meter.overflowed());
        peer.write_all(b"x").await.unwrap();
        assert!(metered.read_exact(&mut read[..1]).await.is_err());
        assert!(meter.overflowed() && meter.why().unwrap().why.contains("64 MiB"));
    }

    #[tokio::test]
    async fn the_end_is_an_error_that_says_so() {
        let (peer, ours) = tokio::io::duplex(16);
        let meter = Arc::new(Meter::new(None));
        let mut metered = Metered::new(ours, meter.clone());
        drop(peer);
        assert!(metered.read_u8().await.is_err());
        assert_eq!(meter.why().unwrap().code, FaultCode::Closed);
    }
}
