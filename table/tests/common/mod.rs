//! What the tests of the table share: tables from a few words, and answers as
//! text.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod everything;
pub mod peer;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use cloudhosts_table::{BuildError, Builder, Name, Order, Role, Settings, View};

/// Settings with nothing special about them.
pub fn settings(generation: u64) -> Settings {
    Settings {
        generation,
        published: SystemTime::now(),
        stale_max: Some(Duration::from_secs(86_400)),
        order: Order::Rotate,
        domain: String::new(),
        hashes: vec!["cloudhosts".into()],
    }
}

/// One role in words: addresses, `-> name` and `pick=1`.
#[derive(Default)]
pub struct Words {
    pub v4: Vec<[u8; 4]>,
    pub v6: Vec<[u8; 16]>,
    pub canonical: Option<String>,
    pub pick: u16,
}

impl Words {
    pub fn parse(text: &str) -> Words {
        let mut words = Words::default();
        let mut parts = text.split_whitespace();
        while let Some(part) = parts.next() {
            if part == "->" {
                words.canonical = parts.next().map(String::from);
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

    pub fn role<'a>(&'a self, name: &'a str) -> Role<'a> {
        Role {
            name,
            canonical: self.canonical.as_deref(),
            v4: &self.v4,
            v6: &self.v6,
            pick: self.pick,
        }
    }
}

/// A table of these roles, in whatever order they are given.
pub fn try_table(settings: Settings, roles: &[(&str, &str)]) -> Result<Vec<u8>, BuildError> {
    let mut roles = roles.to_vec();
    roles.sort_unstable();
    let mut builder = Builder::new(settings)?;
    for (name, words) in roles {
        builder.role(Words::parse(words).role(name))?;
    }
    builder.build()
}

/// The same, which must succeed and be whole.
pub fn table_with(settings: Settings, roles: &[(&str, &str)]) -> Vec<u8> {
    let table = try_table(settings, roles).unwrap();
    assert_eq!(View::open(&table).unwrap().verify(), Ok(()));
    table
}

pub fn table(roles: &[(&str, &str)]) -> Vec<u8> {
    table_with(settings(1), roles)
}

/// What a look-up answers, as text: the canonical name, the addresses, pick.
pub fn ask(view: &View<'_>, name: &str) -> String {
    let name = Name::parse(name.as_bytes()).unwrap();
    let Some(answer) = view.lookup(&name) else {
        return "none".into();
    };
    assert_eq!(answer.asked, name.as_str());
    let mut text = answer.canonical.to_string();
    for v4 in answer.v4 {
        text += &format!(" {}", Ipv4Addr::from(*v4));
    }
    for v6 in answer.v6 {
        text += &format!(" {}", Ipv6Addr::from(*v6));
    }
    if answer.pick != 0 {
        text += &format!(" pick={}", answer.pick);
    }
    text
}

/// The names of an address, the canonical one first.
pub fn names(view: &View<'_>, address: &str) -> Vec<String> {
    let Some(names) = view.reverse(address.parse().unwrap()) else {
        return Vec::new();
    };
    let rest = names.aliases().map(String::from);
    [names.canonical().to_string()]
        .into_iter()
        .chain(rest)
        .collect()
}

/// All roles, in the order in which they are enumerated.
pub fn all(view: &View<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = view.first();
    while let Some((answer, next)) = view.entry(at) {
        found.push(answer.asked.to_string());
        at = next;
    }
    found
}

/// A directory of the test's own, removed with all that is in it.
pub struct Dir(PathBuf);

impl Dir {
    pub fn new() -> Dir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cloudhosts-table-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Dir(path)
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A path as long-lived as `Paths` wants it.
    pub fn forever(&self, name: &str) -> &'static Path {
        Box::leak(self.at(name).into_boxed_path())
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits for a condition, and fails when it does not come about.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
