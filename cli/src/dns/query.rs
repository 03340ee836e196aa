//! A question to a DNS server, by UDP.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use cloudhosts_table::Name;
use domain::base::iana::{Rcode, Rtype};
use domain::base::name::NameBuilder;
use domain::base::{Message, MessageBuilder, Name as WireName, Question};
use domain::dep::octseq::Array;
use domain::rdata::A;

/// How often a question is put.
const ATTEMPTS: usize = 3;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(1);

/// More than an answer by UDP has where the question has no EDNS record.
const MOST: usize = 4096;

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Whether it worked.
    pub(crate) rcode: Rcode,
    /// The IPv4 addresses in it, sorted, each once.
    pub(crate) addresses: Vec<IpAddr>,
    /// It did not fit.
    pub(crate) truncated: bool,
}

/// Asks for the record at the top of a zone.
///
/// # Errors
/// Nobody answers.
pub(crate) fn soa(server: SocketAddr, zone: &Name) -> io::Result<Reply> {
    ask(server, zone, Rtype::SOA)
}

/// Asks for the IPv4 addresses of a name.
///
/// # Errors
/// Nobody answers.
pub(crate) fn addresses(server: SocketAddr, name: &Name) -> io::Result<Reply> {
    ask(server, name, Rtype::A)
}

fn ask(server: SocketAddr, name: &Name, rtype: Rtype) -> io::Result<Reply> {
    let question = question(name, rtype).ok_or(io::ErrorKind::InvalidInput)?;
    let query = Message::from_slice(question.as_ref()).map_err(io::Error::other)?;
    let any: IpAddr = match server {
        SocketAddr::V4(_) => [0; 4].into(),
        SocketAddr::V6(_) => [0; 16].into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    // From here on nobody else's answer arrives.
    socket.connect(server)?;
    for _ in 0..ATTEMPTS {
        match attempt(&socket, query) {
            // A datagram may be lost.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            answered => return answered,
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "no answer"))
}

/// A query with one question. None where the name is too long.
fn question(name: &Name, rtype: Rtype) -> Option<Array<512>> {
    let mut wire = NameBuilder::<Array<255>>::new();
    for label in name.as_str().split('.') {
        wire.append_label(label.as_bytes()).ok()?;
    }
    let wire: WireName<Array<255>> = wire.into_name().ok()?;
    let mut message = MessageBuilder::from_target(Array::<512>::new()).ok()?;
    message.header_mut().set_rd(true);
    // The port is random, and the socket takes answers of one server alone.
    message.header_mut().set_id(std::process::id() as u16);
    let mut message = message.question();
    message.push(Question::new_in(wire, rtype)).ok()?;
    Some(message.finish())
}

fn attempt(socket: &UdpSocket, query: &Message<[u8]>) -> io::Result<Reply> {
    socket.send(query.as_slice())?;
    let start = Instant::now();
    let mut buffer = [0; MOST];
    while let Some(left) = TIMEOUT
        .checked_sub(start.elapsed())
        .filter(|left| !left.is_zero())
    {
        socket.set_read_timeout(Some(left))?;
        let len = socket.recv(&mut buffer)?;
        let bytes = buffer.get(..len).unwrap_or_default();
        match Message::from_slice(bytes) {
            Ok(message) if message.is_answer(query) => return Ok(reply(message)),
            _ => {}
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
}

fn reply(message: &Message<[u8]>) -> Reply {
    let records = message.answer().map(|answer| answer.limit_to::<A>());
    let records = records.into_iter().flatten().flatten();
    let mut addresses: Vec<IpAddr> = records.map(|record| record.data().addr().into()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Reply {
        rcode: message.header().rcode(),
        addresses,
        truncated: message.header().tc(),
    }
}
