//! The daemon's side: tables, and handing them over.

use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Capacity, Order, RegionWriter, Role, RoleAnswer, Settings};

use super::socket;

/// A role of the tables made here.
#[derive(Clone)]
pub struct Entry {
    pub name: String,
    pub alias_of: Option<String>,
    pub v4: Vec<[u8; 4]>,
    pub v6: Vec<[u8; 16]>,
    pub pick: u16,
}

impl Entry {
    fn role(&self) -> Role<'_> {
        let answer = match &self.alias_of {
            Some(target) => RoleAnswer::Alias { target },
            None => RoleAnswer::Addresses {
                v4: &self.v4,
                v6: &self.v6,
                canonical: None,
            },
        };
        Role {
            name: &self.name,
            answer: Some(answer),
            pick: self.pick,
            sources: &[],
        }
    }
}

/// A role with these addresses, of both families.
pub fn entry(name: &str, addresses: &[&str]) -> Entry {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for address in addresses {
        match address.parse().unwrap() {
            IpAddr::V4(address) => v4.push(address.octets()),
            IpAddr::V6(address) => v6.push(address.octets()),
        }
    }
    Entry {
        name: name.into(),
        alias_of: None,
        v4,
        v6,
        pick: 0,
    }
}

/// A role that points at another.
pub fn pointer(name: &str, target: &str) -> Entry {
    Entry {
        alias_of: Some(target.into()),
        ..entry(name, &[])
    }
}

/// The daemon's side of the handover, and what it serves.
pub struct Daemon {
    /// None once it has died.
    peer: Mutex<Option<cloudhosts_testkit::Daemon>>,
    served: Mutex<Served>,
}

/// What is served now.
#[derive(Default)]
struct Served {
    /// None before the first table.
    writer: Option<RegionWriter>,
    /// What the region says at most once the daemon has gone.
    stale_max: Option<Duration>,
    generation: u64,
    names: Vec<String>,
}

impl Daemon {
    /// Listens at [`socket`], with no table yet.
    pub fn start() -> Daemon {
        let peer = cloudhosts_testkit::Daemon::without_table(socket()).keep_beating();
        Daemon {
            peer: Mutex::new(Some(peer)),
            served: Mutex::default(),
        }
    }

    /// Publishes these roles in place of all there were, as one change.
    pub fn publish(&self, roles: Vec<Entry>) {
        self.publish_for(None, roles);
    }

    /// The same, for a table that gets stale: in a new region where it is
    /// another span than before.
    pub fn publish_for(&self, stale_max: Option<Duration>, roles: Vec<Entry>) {
        let mut served = self.served.lock().unwrap();
        let anew = served.writer.is_none() || served.stale_max != stale_max;
        if anew {
            served.stale_max = stale_max;
            served.make(&roles);
        }
        served.change(&roles);
        if anew {
            self.offer(&served);
        }
    }

    /// Goes on in a new region, as after a restart.
    pub fn move_to_a_new_region(&self) {
        let mut served = self.served.lock().unwrap();
        let next = served.writer.as_ref().unwrap().rebuild(monotonic());
        served.writer = Some(next.unwrap());
        self.offer(&served);
    }

    fn offer(&self, served: &Served) {
        let peer = self.peer.lock().unwrap();
        peer.as_ref()
            .unwrap()
            .move_to(served.writer.as_ref().unwrap());
    }

    /// Dies as a killed one would: no heartbeat and nobody who answers.
    pub fn die(&self) {
        self.peer.lock().unwrap().take();
    }
}

impl Served {
    fn make(&mut self, roles: &[Entry]) {
        let capacity: Capacity = roles.iter().map(Entry::role).collect();
        let settings = Settings {
            generation: self.generation,
            stale_max: self.stale_max,
            order: Order::Fixed,
            domain: "example.com".into(),
            reverse: true,
            hashes: vec!["cloudhosts".into()],
        };
        self.writer = Some(RegionWriter::create(settings, &capacity, monotonic()).unwrap());
        self.names.clear();
    }

    fn change(&mut self, roles: &[Entry]) {
        let writer = self.writer.as_mut().unwrap();
        for name in &self.names {
            if !roles.iter().any(|role| role.name == *name) {
                writer.remove(name).unwrap();
            }
        }
        for role in roles {
            writer.set(&role.role()).unwrap();
        }
        self.generation = writer.commit(SystemTime::now()).unwrap();
        self.names = roles.iter().map(|role| role.name.clone()).collect();
    }
}
