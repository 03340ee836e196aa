//! What the tests of the table share: regions from a few words, and answers as
//! text.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod everything;
pub mod peer;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{
    Capacity, Cursor, Name, Order, RegionWriter, Role, RoleAnswer, Settings, Source, SourceValue,
    View, WriteError,
};

/// Settings with nothing special about them.
pub fn settings() -> Settings {
    Settings {
        generation: 0,
        stale_max: Some(Duration::from_secs(86_400)),
        order: Order::Rotate,
        domain: String::new(),
        reverse: true,
        hashes: vec!["cloudhosts".into()],
    }
}

/// One role in words: addresses, `-> name` and `pick=1`; nothing where it has no
/// answer.
#[derive(Default, Clone)]
pub struct Words {
    pub v4: Vec<[u8; 4]>,
    pub v6: Vec<[u8; 16]>,
    pub target: Option<String>,
    pub pick: u16,
}

impl Words {
    pub fn parse(text: &str) -> Words {
        let mut words = Words::default();
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

    pub fn answer(&self) -> Option<RoleAnswer<'_>> {
        let (v4, v6) = (&*self.v4, &*self.v6);
        let some = !v4.is_empty() || !v6.is_empty();
        match self.target.as_deref() {
            Some(target) if !some => Some(RoleAnswer::Alias { target }),
            canonical => some.then_some(RoleAnswer::Addresses { v4, v6, canonical }),
        }
    }

    /// What a plain field says that gives this answer.
    pub fn source(&self) -> Source<'_> {
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

    pub fn role<'a>(&'a self, name: &'a str, sources: &'a [Source<'a>]) -> Role<'a> {
        Role {
            name,
            answer: self.answer(),
            pick: self.pick,
            sources,
        }
    }
}

/// Sets one role to what the words say.
pub fn set(writer: &mut RegionWriter, name: &str, words: &str) -> Result<(), WriteError> {
    let words = Words::parse(words);
    writer.set(&words.role(name, &[words.source()]))
}

/// Completes a change.
pub fn commit(writer: &mut RegionWriter) -> u64 {
    writer.commit(SystemTime::now()).unwrap()
}

/// An empty region with room for a few roles.
pub fn empty(settings: Settings) -> RegionWriter {
    RegionWriter::create(settings, &Capacity::default(), monotonic()).unwrap()
}

/// A region of these roles, which must be whole.
pub fn region_with(settings: Settings, roles: &[(&str, &str)]) -> RegionWriter {
    let parsed: Vec<_> = roles.iter().map(|(_, words)| Words::parse(words)).collect();
    let plain: Vec<_> = parsed.iter().map(|words| [words.source()]).collect();
    let given = roles.iter().zip(&parsed).zip(&plain);
    let given: Vec<_> = given
        .map(|(((name, _), words), sources)| words.role(name, sources))
        .collect();
    let capacity: Capacity = given.iter().copied().collect();
    let mut writer = RegionWriter::create(settings, &capacity, monotonic()).unwrap();
    for role in &given {
        writer.set(role).unwrap();
    }
    commit(&mut writer);
    assert_eq!(writer.view().verify(), Ok(()));
    writer
}

pub fn region(roles: &[(&str, &str)]) -> RegionWriter {
    region_with(settings(), roles)
}

/// The bytes of the file that a region is saved as.
pub fn file_of(writer: &RegionWriter) -> Vec<u8> {
    let mut bytes = Vec::new();
    let snapshot = writer.snapshot();
    snapshot.write(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, snapshot.size());
    bytes
}

/// What a lookup answers, as text: the canonical name, the addresses, pick.
pub fn ask(view: &View<'_>, name: &str) -> String {
    let name = Name::parse(name.as_bytes()).unwrap();
    let Some(answer) = view.lookup(&name) else {
        return "none".into();
    };
    assert_eq!(answer.asked(), name.as_bytes());
    let mut text = answer.canonical().as_str().to_string();
    for v4 in answer.v4() {
        text += &format!(" {}", Ipv4Addr::from(v4));
    }
    for v6 in answer.v6() {
        text += &format!(" {}", Ipv6Addr::from(v6));
    }
    if answer.pick() != 0 {
        text += &format!(" pick={}", answer.pick());
    }
    text
}

/// The names of an address, the canonical one first.
pub fn names(view: &View<'_>, address: &str) -> Vec<String> {
    let Some(names) = view.reverse(address.parse().unwrap()) else {
        return Vec::new();
    };
    let rest = names.aliases().map(|name| name.to_string());
    [names.canonical().to_string()]
        .into_iter()
        .chain(rest)
        .collect()
}

/// All roles that are listed, sorted.
pub fn all(view: &View<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = Cursor::default();
    while let Some(role) = view.list(at) {
        found.push(role.name.to_string());
        at = Cursor(role.at.0 + 1);
    }
    found.sort();
    found
}
