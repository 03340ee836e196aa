//! From a message and a table to an answer: no network, no clock, no memory of
//! what was asked before, and nothing that allocates.

use std::net::IpAddr;

use cloudhosts_table::random::draw;
use cloudhosts_table::{Addresses, Answer, Canonical, Name, View};
use domain::base::charstr::CharStr;
use domain::base::iana::{OptRcode, Rcode, Rtype};
use domain::base::message_builder::{
    AdditionalBuilder, AnswerBuilder, AuthorityBuilder, PushError, StaticCompressor,
};
use domain::base::name::ToName;
use domain::base::rdata::ComposeRecordData;
use domain::base::{Message, MessageBuilder, Name as WireName, Serial, Ttl};
use domain::rdata::{A, Aaaa, Cname, Hinfo, Ns, Ptr, Soa};

use crate::buffer::Buffer;
use crate::nonterminals::NonTerminals;
use crate::request::{Edns, NoRequest, Request};
use crate::reverse::{Meaning, meaning};
use crate::zone::{FullName, Kind, Zone, Zones};

/// Most bytes of an answer by UDP: what passes through every network in one
/// piece (RFC 9715), and what we say that we take.
pub const MOST_UDP: usize = 1232;

/// Most bytes of an answer by UDP to who does not say (RFC 1035, section 2.3.4).
const LEAST_UDP: usize = 512;

/// Most bytes of a message by TCP.
pub const MOST_TCP: usize = 65535;

/// How many times as long as its question an answer to a stranger is at most:
/// a source address may be a lie, and the answer goes there. The bound of
/// QUIC (RFC 9000, section 8.1), which has the same problem.
const FAIR_SHARE: usize = 3;

/// Bytes of our EDNS record.
const EDNS: usize = 11;

/// The address of nobody, in the form in which an SOA record has one: that of
/// RFC 6303, section 3.
const NOBODY: &[u8] = b"\x06nobody\x07invalid\x00";

/// How a message came, and its answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// By UDP, from this machine.
    Udp,
    /// By UDP, from elsewhere as it seems.
    UdpFromStranger,
    /// By TCP, so that the other side is where it says.
    Tcp,
}

/// What is answered, whatever the table has.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The zones that are ours.
    pub zones: Zones,
    /// How many seconds a resolver may keep an answer.
    pub ttl: u32,
}

/// A message that is being written.
type Target<'b> = StaticCompressor<Buffer<'b>>;
type Answers<'b> = AnswerBuilder<Target<'b>>;
type Additional<'b> = AdditionalBuilder<Target<'b>>;

/// Answers one message; how many bytes of `out` the answer has. None where the
/// message is to be left alone.
///
/// Without a table (`view`), or with one of another domain, whatever is in our
/// zones is a failure of ours.
/// `out` has room for [`MOST_UDP`] or [`MOST_TCP`] bytes; a longer answer is cut
/// off, and says so.
pub fn answer(
    query: &[u8],
    transport: Transport,
    view: Option<&View<'_>>,
    settings: &Settings,
    above: &NonTerminals,
    out: &mut [u8],
) -> Option<usize> {
    let request = match Request::read(query) {
        Ok(request) => request,
        Err(NoRequest::Ignored) => return None,
        Err(NoRequest::Opcode) => return header_alone(query, Rcode::NOTIMP, out),
        Err(NoRequest::Malformed) => return header_alone(query, Rcode::FORMERR, out),
    };
    let most = most(&request, transport).min(out.len());
    let edns = request.edns.map_or(0, |_| EDNS);
    let mut builder = message(out)?;
    // The limit is the first length that is too long.
    builder.set_push_limit((most + 1).saturating_sub(edns));
    let answers = builder.start_answer(request.message, Rcode::NOERROR).ok()?;
    let responder = Responder {
        request: &request,
        settings,
        above,
    };
    let mut message = responder.respond(view, answers);
    if let Some(edns) = request.edns {
        message.set_push_limit(most + 1);
        push_edns(edns, &mut message).ok()?;
    }
    Some(message.as_slice().len())
}

/// Answers a message by telling its sender to ask by TCP; how many bytes of
/// `out` that takes, which are no more than the question has.
pub fn refer_to_tcp(query: &[u8], out: &mut [u8]) -> Option<usize> {
    let request = match Request::read(query) {
        Ok(request) => request,
        Err(NoRequest::Ignored) => return None,
        Err(NoRequest::Opcode) => return header_alone(query, Rcode::NOTIMP, out),
        Err(NoRequest::Malformed) => return header_alone(query, Rcode::FORMERR, out),
    };
    let mut answers = message(out)?
        .start_answer(request.message, Rcode::NOERROR)
        .ok()?;
    answers.header_mut().set_tc(true);
    let mut message = answers.additional();
    if let Some(edns) = request.edns {
        push_edns(edns, &mut message).ok()?;
    }
    Some(message.as_slice().len())
}

/// A message to be written, in that room.
fn message(out: &mut [u8]) -> Option<MessageBuilder<Target<'_>>> {
    MessageBuilder::from_target(StaticCompressor::new(Buffer::new(out))).ok()
}

/// An answer to something that has no question that can be repeated.
fn header_alone(query: &[u8], rcode: Rcode, out: &mut [u8]) -> Option<usize> {
    let asked = Message::from_slice(query).ok()?.header();
    let mut message = message(out)?;
    let header = message.header_mut();
    header.set_id(asked.id());
    header.set_qr(true);
    header.set_opcode(asked.opcode());
    header.set_rd(asked.rd());
    header.set_rcode(rcode);
    Some(message.as_slice().len())
}

/// Most bytes of an answer.
fn most(request: &Request<'_>, transport: Transport) -> usize {
    if transport == Transport::Tcp {
        return MOST_TCP;
    }
    let told = request.edns.map_or(LEAST_UDP, |edns| edns.size);
    let most = told.clamp(LEAST_UDP, MOST_UDP);
    if transport == Transport::UdpFromStranger {
        most.min(FAIR_SHARE * request.message.as_slice().len())
    } else {
        most
    }
}

/// Our EDNS record. The flag is to be given back as it came (RFC 3225).
fn push_edns(asked: Edns, message: &mut Additional<'_>) -> Result<(), PushError> {
    let unsupported = asked.version != 0;
    message.opt(|opt| {
        opt.set_udp_payload_size(MOST_UDP as u16);
        opt.set_dnssec_ok(asked.dnssec_ok);
        if unsupported {
            opt.set_rcode(OptRcode::BADVERS);
        }
        Ok(())
    })
}

/// Answers one question.
struct Responder<'r> {
    request: &'r Request<'r>,
    settings: &'r Settings,
    above: &'r NonTerminals,
}

/// What is said of a name, but for its records.
#[derive(Debug, Clone, Copy)]
enum Found<'z> {
    /// The records are there, as many as there was room for.
    Records,
    /// The name is there, in that zone, and nothing of what was asked.
    NoData(&'z Zone),
    /// There is no such name.
    NoName,
}

impl<'z> Found<'z> {
    /// What is said of a name in that zone that has some records, or none.
    fn if_some(some: bool, zone: &'z Zone) -> Found<'z> {
        if some {
            Found::Records
        } else {
            Found::NoData(zone)
        }
    }
}

impl<'r> Responder<'r> {
    fn respond<'b>(&self, view: Option<&View<'_>>, mut answers: Answers<'b>) -> Additional<'b> {
        if self.request.edns.is_some_and(|edns| edns.version != 0) {
            // The EDNS record says that this version is unknown.
            return answers.additional();
        }
        let settings = self.settings;
        let zone = settings.zones.of(self.request.name());
        let transfer = [Rtype::AXFR, Rtype::IXFR].contains(&self.request.kind());
        let Some(zone) = zone.filter(|_| self.request.is_internet() && !transfer) else {
            answers.header_mut().set_rcode(Rcode::REFUSED);
            return answers.additional();
        };
        // By the table of a daemon that has another domain, roles would be denied.
        let domain = settings.zones.domain().map(Zone::name);
        let Some(view) = view.filter(|view| Some(view.domain()) == domain) else {
            answers.header_mut().set_rcode(Rcode::SERVFAIL);
            return answers.additional();
        };
        answers.header_mut().set_aa(true);
        let found = match zone.kind() {
            Kind::Roles => self.role(zone, view, &mut answers),
            Kind::V4 | Kind::V6 => self.address(zone, view, &mut answers),
        };
        match found {
            Ok(Found::Records) => answers.additional(),
            Ok(Found::NoData(zone)) => negative(zone, view, answers.authority()),
            Ok(Found::NoName) => {
                answers.header_mut().set_rcode(Rcode::NXDOMAIN);
                negative(zone, view, answers.authority())
            }
            Err(_) => {
                answers.header_mut().set_tc(true);
                answers.additional()
            }
        }
    }

    /// A name in a zone for roles.
    fn role(
        &self,
        zone: &'r Zone,
        view: &View<'_>,
        answers: &mut Answers<'_>,
    ) -> Result<Found<'r>, PushError> {
        let request = self.request;
        if self.apex(zone, view, answers)? {
            return Ok(Found::Records);
        }
        let mut name = Name::EMPTY;
        let is_name = name.read(request.name()).is_ok();
        let answer = is_name.then(|| view.lookup(&name)).flatten();
        let is_apex = request.name() == zone.name().as_bytes();
        let Some(answer) = answer else {
            let exists = is_apex || is_name && self.is_above(&name);
            return if exists {
                self.no_data(zone, answers)
            } else {
                Ok(Found::NoName)
            };
        };
        // Other records stand at the apex, and a CNAME stands alone.
        let alias = if is_apex {
            None
        } else {
            self.alias(view, &answer)
        };
        match alias {
            Some(alias) => {
                let cname = Cname::new(&alias.wire);
                answers.push((request.question.qname(), self.ttl(), cname))?;
                if [Rtype::CNAME, Rtype::ANY].contains(&request.kind()) {
                    return Ok(Found::Records);
                }
                // What there is not is told by the zone that it would be in.
                let there = self.settings.zones.of(alias.text.as_bytes());
                let some = self.addresses(&alias.wire, &answer, view, answers)?;
                Ok(Found::if_some(some, there.unwrap_or(zone)))
            }
            None if request.kind() == Rtype::ANY => self.no_data(zone, answers),
            None => {
                let some = self.addresses(request.question.qname(), &answer, view, answers)?;
                Ok(Found::if_some(some, zone))
            }
        }
    }

    /// A name in a zone for addresses.
    fn address(
        &self,
        zone: &'r Zone,
        view: &View<'_>,
        answers: &mut Answers<'_>,
    ) -> Result<Found<'r>, PushError> {
        if self.apex(zone, view, answers)? {
            return Ok(Found::Records);
        }
        let address = match meaning(self.request.name(), zone.kind()) {
            Meaning::Address(address) => address,
            // Whether there is an address below would take a look at all.
            Meaning::Prefix => return self.no_data(zone, answers),
            Meaning::Nothing => return Ok(Found::NoName),
        };
        let Some(name) = self.name_of(address, view) else {
            return Ok(Found::NoName);
        };
        if self.request.kind() != Rtype::PTR {
            return self.no_data(zone, answers);
        }
        let ptr = Ptr::new(&name.wire);
        answers.push((self.request.question.qname(), self.ttl(), ptr))?;
        Ok(Found::Records)
    }

    /// The name to call an address by. The others lead to it, and are not told.
    fn name_of(&self, address: IpAddr, view: &View<'_>) -> Option<FullName> {
        let names = view.reverse(address)?;
        self.settings.zones.full_name(names.canonical())
    }

    /// What stands at the top of a zone, if that is what is asked for: a zone that
    /// has no server of a name, as in RFC 6303, section 3.
    fn apex(
        &self,
        zone: &Zone,
        view: &View<'_>,
        answers: &mut Answers<'_>,
    ) -> Result<bool, PushError> {
        if self.request.name() != zone.name().as_bytes() {
            return Ok(false);
        }
        let qname = self.request.question.qname();
        match self.request.kind() {
            Rtype::SOA => answers.push((qname, self.ttl(), soa(zone, view)))?,
            Rtype::NS => answers.push((qname, self.ttl(), Ns::new(zone.wire())))?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A name that is there, without what is asked for. Who asks for anything
    /// gets one record that says as little as possible (RFC 8482).
    fn no_data(&self, zone: &'r Zone, answers: &mut Answers<'_>) -> Result<Found<'r>, PushError> {
        if self.request.kind() != Rtype::ANY {
            return Ok(Found::NoData(zone));
        }
        let text =
            |text: &'static [u8]| CharStr::from_octets(text).map_err(|_| PushError::ShortBuf);
        let hinfo = Hinfo::new(text(b"RFC8482")?, text(b"")?);
        answers.push((self.request.question.qname(), self.ttl(), hinfo))?;
        Ok(Found::Records)
    }

    /// Whether there is a role below a name.
    fn is_above(&self, name: &Name) -> bool {
        let domain = self.settings.zones.domain().map(Zone::name);
        let role = domain
            .and_then(|domain| name.as_str().strip_suffix(domain))
            .and_then(|above| above.strip_suffix('.'));
        self.above.contains(name.as_str()) || role.is_some_and(|role| self.above.contains(role))
    }

    /// What an answer's role points at, by the name under which that answers the
    /// same. None where the role has its addresses itself, or where that name means
    /// something else: then the addresses are given under the name asked for.
    fn alias(&self, view: &View<'_>, answer: &Answer<'_>) -> Option<FullName> {
        let Canonical::Other(target) = answer.canonical() else {
            return None;
        };
        let alias = self.settings.zones.full_name(target.as_str())?;
        let there = view.lookup(&alias.text)?;
        let is_it = matches!(there.canonical(), Canonical::Meant(name) if name == target.as_str());
        is_it.then_some(alias)
    }

    /// Answers the addresses of a role, if they are asked for; whether there are any.
    fn addresses(
        &self,
        owner: impl ToName,
        answer: &Answer<'_>,
        view: &View<'_>,
        answers: &mut Answers<'_>,
    ) -> Result<bool, PushError> {
        match self.request.kind() {
            Rtype::A => {
                let all = chosen(answer.v4(), answer, view);
                self.push(owner, all.map(|v4| A::new(v4.into())), answers)
            }
            Rtype::AAAA => {
                let all = chosen(answer.v6(), answer, view);
                self.push(owner, all.map(|v6| Aaaa::new(v6.into())), answers)
            }
            _ => Ok(false),
        }
    }

    /// Answers these records of a name; whether there are any.
    fn push(
        &self,
        owner: impl ToName,
        records: impl Iterator<Item = impl ComposeRecordData>,
        answers: &mut Answers<'_>,
    ) -> Result<bool, PushError> {
        let mut some = false;
        for data in records {
            some = true;
            answers.push((&owner, self.ttl(), data))?;
        }
        Ok(some)
    }

    fn ttl(&self) -> Ttl {
        Ttl::from_secs(self.settings.ttl)
    }
}

/// As many of these addresses as one lookup answers.
fn chosen<'t, const N: usize>(
    all: Addresses<'t, N>,
    answer: &Answer<'_>,
    view: &View<'_>,
) -> Addresses<'t, N> {
    let random = draw(all.len());
    all.chosen(answer.pick(), view.order(), random)
}

/// What says that there is nothing, and that this is not to be kept (RFC 2308).
fn negative<'b>(
    zone: &Zone,
    view: &View<'_>,
    mut authority: AuthorityBuilder<Target<'b>>,
) -> Additional<'b> {
    let soa = (zone.wire(), Ttl::ZERO, soa(zone, view));
    if authority.push(soa).is_err() {
        authority.header_mut().set_tc(true);
    }
    authority.additional()
}

/// The record at the top of a zone. There are no secondary servers that its
/// times would matter to.
fn soa<'z>(zone: &'z Zone, view: &View<'_>) -> Soa<&'z WireName<[u8]>> {
    let nobody = WireName::from_slice(NOBODY).unwrap_or(WireName::root_slice());
    Soa::new(
        zone.wire().for_slice(),
        nobody,
        Serial(view.generation() as u32),
        Ttl::HOUR,
        Ttl::MINUTE,
        Ttl::DAY,
        Ttl::ZERO,
    )
}
