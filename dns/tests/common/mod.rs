//! What the tests of answers share: tables and questions from a few words, and
//! answers as text.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use cloudhosts_dns::answer::{MOST_TCP, Settings, Transport, answer};
use cloudhosts_dns::nonterminals::NonTerminals;
use cloudhosts_dns::zone::Zones;
use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{
    Capacity, Name, Order, Region, RegionWriter, Role, RoleAnswer, Settings as TableSettings,
    Source, SourceValue,
};
use domain::base::iana::Rtype;
use domain::base::{Message, ParsedRecord};
use domain::rdata::AllRecordData;

/// The domain of all tests.
pub(crate) const DOMAIN: &str = "prod.example.com";

/// A table, and how it is answered from.
pub(crate) struct Answers {
    writer: Option<RegionWriter>,
    pub(crate) settings: Settings,
    above: NonTerminals,
}

impl Answers {
    /// From roles in words: addresses, `-> name`, `pick=1`.
    pub(crate) fn new(roles: &[(&str, &str)]) -> Answers {
        Answers::with_order(roles, Order::Fixed, true)
    }

    pub(crate) fn with_order(roles: &[(&str, &str)], order: Order, reverse: bool) -> Answers {
        let settings = TableSettings {
            generation: 41,
            stale_max: None,
            order,
            domain: DOMAIN.into(),
            reverse,
            hashes: vec!["cloudhosts".into()],
        };
        let words: Vec<Words> = roles.iter().map(|(_, text)| Words::parse(text)).collect();
        let sources: Vec<[Source<'_>; 1]> = words.iter().map(|words| [words.source()]).collect();
        let given: Vec<Role<'_>> = roles
            .iter()
            .zip(&words)
            .zip(&sources)
            .map(|(((name, _), words), sources)| words.role(name, sources))
            .collect();
        let capacity: Capacity = given.iter().copied().collect();
        let mut writer = RegionWriter::create(settings, &capacity, monotonic()).unwrap();
        for role in &given {
            writer.set(role).unwrap();
        }
        writer.commit(SystemTime::now()).unwrap();
        let above = NonTerminals::default();
        above.gather(&writer.view());
        Answers {
            writer: Some(writer),
            settings: Settings {
                zones: zones(&[]),
                ttl: 0,
            },
            above,
        }
    }

    /// No table at all.
    pub(crate) fn none() -> Answers {
        Answers {
            writer: None,
            ..Answers::new(&[])
        }
    }

    /// With other zones too.
    pub(crate) fn zones(mut self, others: &[&str]) -> Answers {
        self.settings.zones = zones(others);
        self
    }

    /// The bytes of an answer.
    pub(crate) fn bytes(&self, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let mut out = vec![0; MOST_TCP];
        let len = self.write(query, transport, &mut out)?;
        out.truncate(len);
        Some(out)
    }

    /// Writes an answer there; how many bytes it has.
    pub(crate) fn write(
        &self,
        query: &[u8],
        transport: Transport,
        out: &mut [u8],
    ) -> Option<usize> {
        let view = self.writer.as_ref().map(RegionWriter::view);
        let (settings, above) = (&self.settings, &self.above);
        answer(query, transport, view.as_ref(), settings, above, out)
    }

    /// The region of the table, for processes to attach to.
    pub(crate) fn region(&self) -> Arc<Region> {
        Arc::clone(self.writer.as_ref().unwrap().region())
    }

    /// The answer to a plain question by UDP, as text.
    pub(crate) fn ask(&self, name: &str, kind: Rtype) -> String {
        text(&self.bytes(&query(name, kind), Transport::Udp).unwrap())
    }
}

fn zones(others: &[&str]) -> Zones {
    let name = |text: &str| Name::parse(text.as_bytes()).unwrap();
    let others: Vec<Name> = others.iter().map(|text| name(text)).collect();
    Zones::new(name(DOMAIN), &others).unwrap()
}

/// One role in words.
struct Words {
    v4: Vec<[u8; 4]>,
    v6: Vec<[u8; 16]>,
    target: Option<String>,
    pick: u16,
}

impl Words {
    fn parse(text: &str) -> Words {
        let (v4, v6) = (Vec::new(), Vec::new());
        let (target, pick) = (None, 0);
        let mut words = Words {
            v4,
            v6,
            target,
            pick,
        };
        let mut parts = text.split_whitespace();
        while let Some(part) = parts.next() {
            if part == "->" {
                words.target = parts.next().map(String::from);
            } else if let Some(pick) = part.strip_prefix("pick=") {
                words.pick = pick.parse().unwrap();
            } else {
                match part.parse().unwrap() {
                    IpAddr::V4(v4) => words.v4.push(v4.octets()),
                    IpAddr::V6(v6) => words.v6.push(v6.octets()),
                }
            }
        }
        words
    }

    fn source(&self) -> Source<'_> {
        Source {
            hash: 0,
            member: None,
            retained: false,
            value: SourceValue {
                v4: &self.v4,
                v6: &self.v6,
                target: self.target.as_deref(),
                pick: self.pick,
            },
        }
    }

    fn role<'a>(&'a self, name: &'a str, sources: &'a [Source<'a>]) -> Role<'a> {
        let (v4, v6) = (&*self.v4, &*self.v6);
        let some = !v4.is_empty() || !v6.is_empty();
        let answer = match self.target.as_deref() {
            Some(target) if !some => Some(RoleAnswer::Alias { target }),
            canonical => some.then_some(RoleAnswer::Addresses { v4, v6, canonical }),
        };
        Role {
            name,
            answer,
            pick: self.pick,
            sources,
        }
    }
}

/// A question, as a stub resolver sends it.
pub(crate) fn query(name: &str, kind: Rtype) -> Vec<u8> {
    let mut query = vec![0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        query.push(label.len() as u8);
        query.extend_from_slice(label.as_bytes());
    }
    query.push(0);
    query.extend(kind.to_int().to_be_bytes());
    query.extend([0, 1]);
    query
}

/// The same with an EDNS record that says how long an answer may be.
pub(crate) fn edns(name: &str, kind: Rtype, size: u16, version: u8) -> Vec<u8> {
    let mut query = query(name, kind);
    query[11] = 1;
    let [high, low] = size.to_be_bytes();
    query.extend([0, 0, 41, high, low, 0, version, 0x80, 0, 0, 0]);
    query
}

/// An answer as text: the code and the flags, then a line for each record.
pub(crate) fn text(bytes: &[u8]) -> String {
    let message = Message::from_octets(bytes).unwrap();
    let header = message.header();
    assert!(header.qr(), "an answer says that it is one");
    assert!(!header.ra(), "we are not recursive");
    let mut text = header.rcode().to_string();
    for (flag, is_set) in [(" aa", header.aa()), (" tc", header.tc())] {
        if is_set {
            text.push_str(flag);
        }
    }
    let (_, answer, authority, additional) = message.sections().unwrap();
    for (section, records) in [("", answer), ("authority: ", authority)] {
        for record in records {
            write!(text, "\n{section}{}", line(&record.unwrap())).unwrap();
        }
    }
    for record in additional {
        assert_eq!(record.unwrap().rtype(), Rtype::OPT);
    }
    text
}

fn line(record: &ParsedRecord<'_, &[u8]>) -> String {
    let record = record
        .to_any_record::<AllRecordData<_, _>>()
        .expect("a record that can be read");
    let data = record.data().to_string();
    let data = data.split_whitespace().collect::<Vec<_>>().join(" ");
    let (owner, ttl) = (record.owner(), record.ttl().as_secs());
    format!("{owner} {ttl} {} {data}", record.rtype())
}
