//! Opens the stream to Redis: TCP, TLS, or a Unix socket.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cloudhosts_config::printable::Quoted;
use cloudhosts_config::{Address, Endpoint, GatewayAccess, port_or_default};
use cloudhosts_nsswitch::bootstrap;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{timeout, timeout_at};
use tokio_rustls::client::TlsStream;

use super::credentials::Credentials;
use crate::fault::{Fault, FaultCode};

/// How long sent data may remain unacknowledged (TCP_USER_TIMEOUT, tcp(7)).
const UNACKNOWLEDGED: Duration = Duration::from_secs(4);

/// An open stream.
pub(crate) struct Stream {
    /// Whatever carries it.
    pub(crate) carrier: Box<dyn Duplex>,
    /// The file of the client certificate that was shown, if one was.
    pub(crate) client_certificate: Option<PathBuf>,
}

impl Stream {
    fn plain(carrier: impl Duplex + 'static) -> Stream {
        Stream {
            carrier: Box::new(carrier),
            client_certificate: None,
        }
    }
}

/// What carries a stream.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {
    /// The address of this machine that the peer sees. None over a Unix socket.
    fn local(&self) -> Option<IpAddr>;
}

impl Duplex for TcpStream {
    fn local(&self) -> Option<IpAddr> {
        self.local_addr().ok().map(|local| local.ip())
    }
}

impl Duplex for TlsStream<TcpStream> {
    fn local(&self) -> Option<IpAddr> {
        self.get_ref().0.local()
    }
}

impl Duplex for UnixStream {
    fn local(&self) -> Option<IpAddr> {
        None
    }
}

/// Opens a stream to a gateway within `limit`, as to Redis: its host is looked up without cloudhosts.
///
/// # Errors
/// The gateway cannot be reached, or its certificate is not accepted.
pub async fn open_gateway(
    gateway: &GatewayAccess,
    limit: Duration,
) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>, Fault> {
    let credentials = Credentials::for_gateway(gateway).await?;
    let stream = open(&gateway.url.endpoint(), &credentials, limit).await?;
    Ok(stream.carrier)
}

/// Opens a stream to the endpoint within `limit`.
pub(crate) async fn open(
    endpoint: &Endpoint,
    credentials: &Credentials,
    limit: Duration,
) -> Result<Stream, Fault> {
    let end = Instant::now() + limit;
    let shown = humantime::format_duration(limit);
    let (host, port, tls) = match &endpoint.address {
        Address::Tcp { host, port, tls } => (host, port_or_default(*port), *tls),
        Address::Unix(path) => {
            let stream = timeout_at(end.into(), UnixStream::connect(path)).await;
            let stream = stream.map_err(|_| late(format!("cannot connect within {shown}")))?;
            let stream = stream.map_err(|error| Fault::connecting(&error).at(path))?;
            return Ok(Stream::plain(stream));
        }
    };
    let addresses = timeout_at(end.into(), look_up(host, port)).await;
    let addresses = addresses.unwrap_or_else(|_| {
        Err(late(format!(
            "cannot look up {} within {shown}",
            Quoted(host.as_bytes())
        )))
    })?;
    let stream = tcp(&addresses, end).await?;
    if !tls {
        return Ok(Stream::plain(stream));
    }
    let tls = credentials.tls.as_ref();
    let tls = tls.ok_or_else(|| Fault::system("TLS is not set up"))?;
    let handshake = tls.connector.connect(tls.server_name.clone(), stream);
    match timeout_at(end.into(), handshake).await {
        Ok(Ok(stream)) => Ok(Stream {
            carrier: Box::new(stream),
            client_certificate: tls.certificate.clone(),
        }),
        Ok(Err(error)) => Err(Fault::handshake(&error, tls.certificate.as_deref())),
        Err(_) => Err(late(format!(
            "TLS: no answer within {shown} (is this a TLS port?)"
        ))),
    }
}

fn late(why: String) -> Fault {
    Fault::new(FaultCode::TimedOut, why)
}

/// Tries the addresses of the host in turn, each within its share of the remaining time.
async fn tcp(addresses: &[SocketAddr], end: Instant) -> Result<TcpStream, Fault> {
    let mut fault = Fault::new(
        FaultCode::UnknownHost,
        "cannot connect: the host has no address",
    );
    for (tried, address) in addresses.iter().enumerate() {
        let left = end.saturating_duration_since(Instant::now());
        let share = left / (addresses.len() - tried).try_into().unwrap_or(u32::MAX);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                tune(&stream).map_err(|error| Fault::connecting(&error))?;
                return Ok(stream);
            }
            Ok(Err(error)) => {
                fault = Fault::connecting(&error);
                fault.why = format!("{} ({address})", fault.why);
            }
            Err(_) => fault = late(format!("cannot connect: {address} does not answer")),
        }
    }
    Err(fault)
}

/// The addresses of the host, by the NSS services of this machine without cloudhosts: the names in
/// Redis are not used to find Redis. The lookup blocks, so it has its own thread.
async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let asked = host.to_owned();
    let found = tokio::task::spawn_blocking(move || bootstrap::addresses(&asked, port)).await;
    let found = found.unwrap_or_else(|error| Err(io::Error::other(error)));
    found.map_err(|error| {
        let why = format!("cannot look up {}: {error}", Quoted(host.as_bytes()));
        Fault::new(FaultCode::UnknownHost, why)
    })
}

/// Sends small commands at once, and notices a dead peer.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let unacknowledged = UNACKNOWLEDGED.as_millis().try_into().unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(stream, unacknowledged)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(10))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(2))?;
    sockopt::set_tcp_keepcnt(stream, 2)?;
    Ok(())
}
