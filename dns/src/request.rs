//! What a message asks.

use domain::base::iana::{Class, Opcode, Rtype};
use domain::base::name::{ParsedName, ToLabelIter};
use domain::base::opt::{Opt, OptRecord};
use domain::base::wire::ParseError;
use domain::base::{Message, Question};

/// A byte that no name of ours has. It stands for those of a label that would
/// not be told from others once the name is text.
const STRANGE: u8 = 0xff;

/// Bytes of a header.
const HEADER: usize = 12;

/// Least first byte of a pointer to another name (RFC 1035, section 4.1.4).
const POINTER: u8 = 0xc0;

/// One question, and how its answer may be.
#[derive(Debug)]
pub(crate) struct Request<'q> {
    pub(crate) message: &'q Message<[u8]>,
    pub(crate) question: Question<ParsedName<&'q [u8]>>,
    pub(crate) edns: Option<Edns>,
    name: [u8; 255],
    len: usize,
}

/// What the EDNS record of a question says (RFC 6891).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edns {
    pub(crate) version: u8,
    /// Most bytes of an answer by UDP.
    pub(crate) size: usize,
    pub(crate) dnssec_ok: bool,
}

/// Why a message is no question that can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRequest {
    /// It is to be left alone: too short for a header, or an answer itself.
    Ignored,
    /// It is something else than a query.
    Opcode,
    /// It can't be read, or is not one question.
    Malformed,
}

impl From<ParseError> for NoRequest {
    fn from(_: ParseError) -> NoRequest {
        NoRequest::Malformed
    }
}

impl<'q> Request<'q> {
    /// Reads a message.
    pub(crate) fn read(query: &'q [u8]) -> Result<Request<'q>, NoRequest> {
        let message = Message::from_slice(query).map_err(|_| NoRequest::Ignored)?;
        let header = message.header();
        if header.qr() {
            return Err(NoRequest::Ignored);
        }
        if header.opcode() != Opcode::QUERY {
            return Err(NoRequest::Opcode);
        }
        // No answer can say which of two questions it is for (RFC 9619).
        let question = message.sole_question()?;
        // Nothing before it is a name that it could point at, and what it points at
        // in the header would be longer in the answer.
        let is_pointer = query.get(HEADER).is_some_and(|&first| first >= POINTER);
        if is_pointer || question.qname().is_compressed() {
            return Err(NoRequest::Malformed);
        }
        let edns = edns(message)?;
        let mut name = [0; 255];
        let len = text(question.qname(), &mut name);
        Ok(Request {
            message,
            question,
            edns,
            name,
            len,
        })
    }

    /// The name that is asked for: lower case, no trailing dot, empty for the
    /// root.
    pub(crate) fn name(&self) -> &[u8] {
        self.name.get(..self.len).unwrap_or_default()
    }

    /// What is asked of it.
    pub(crate) fn kind(&self) -> Rtype {
        self.question.qtype()
    }

    /// Whether it is a name of the Internet: we have no others.
    pub(crate) fn is_internet(&self) -> bool {
        self.question.qclass() == Class::IN
    }
}

/// The EDNS record; there is one at most (RFC 6891, section 6.1.1).
fn edns(message: &Message<[u8]>) -> Result<Option<Edns>, NoRequest> {
    if message.header_counts().arcount() == 0 {
        return Ok(None);
    }
    let mut edns = None;
    for record in message.additional()? {
        let record = record?;
        if record.rtype() != Rtype::OPT {
            continue;
        }
        let is_root = record.owner().is_root();
        let opt = record.into_record::<Opt<_>>()?.map(OptRecord::from);
        let Some(opt) = opt.filter(|_| is_root && edns.is_none()) else {
            return Err(NoRequest::Malformed);
        };
        edns = Some(Edns {
            version: opt.version(),
            size: usize::from(opt.udp_payload_size()),
            dnssec_ok: opt.dnssec_ok(),
        });
    }
    Ok(edns)
}

/// Writes a name as text in lower case; how long it is.
fn text(name: &ParsedName<&[u8]>, into: &mut [u8; 255]) -> usize {
    let mut len = 0;
    let labels = name.iter_labels().filter(|label| !label.is_root());
    for label in labels {
        let dot = (len > 0).then_some(b'.');
        let folded = label.iter().map(|byte| match byte {
            b'.' => STRANGE,
            other => other.to_ascii_lowercase(),
        });
        for byte in dot.into_iter().chain(folded) {
            // A name has 255 bytes at most in a message, and two less as text.
            if let Some(place) = into.get_mut(len) {
                *place = byte;
                len += 1;
            }
        }
    }
    len
}
