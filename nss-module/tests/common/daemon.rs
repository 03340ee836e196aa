//! The daemon's side: tables, and handing them over.

use std::net::IpAddr;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use std::{env, fs, thread};

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Capacity, Order, RegionWriter, Role, RoleAnswer, Settings, handover};

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

/// What is served now.
struct Served {
    /// None before the first table, and after the daemon's death.
    writer: Option<RegionWriter>,
    /// What the region says at most once the daemon has gone.
    stale_max: Option<Duration>,
    generation: u64,
    names: Vec<String>,
}

/// The daemon's side of the handover, in threads of this process.
pub struct Daemon {
    served: Arc<Mutex<Served>>,
}

impl Daemon {
    /// Listens at `CLOUDHOSTS_SOCKET`, with no table yet.
    pub fn start() -> Daemon {
        let path = env::var_os("CLOUDHOSTS_SOCKET").unwrap();
        let listener = UnixListener::bind(path).unwrap();
        let served = Arc::new(Mutex::new(Served {
            writer: None,
            stale_max: None,
            generation: 0,
            names: Vec::new(),
        }));
        let offered = Arc::clone(&served);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                if let Some(writer) = &offered.lock().unwrap().writer {
                    let _ = handover::send(&client, writer.region(), monotonic());
                }
            }
        });
        let beating = Arc::clone(&served);
        thread::spawn(move || {
            loop {
                if let Some(writer) = &beating.lock().unwrap().writer {
                    writer.region().beat(monotonic());
                }
                thread::sleep(Duration::from_millis(200));
            }
        });
        Daemon { served }
    }

    /// Publishes these roles in place of all there were, as one change.
    pub fn publish(&self, roles: Vec<Entry>) {
        self.publish_for(None, roles);
    }

    /// The same, for a table that gets stale: in a new region where it is
    /// another span than before.
    pub fn publish_for(&self, stale_max: Option<Duration>, roles: Vec<Entry>) {
        let mut served = self.served.lock().unwrap();
        if served.writer.is_none() || served.stale_max != stale_max {
            served.stale_max = stale_max;
            served.make(&roles);
        }
        served.change(&roles);
    }

    /// Goes on in a new region, as after a restart.
    pub fn move_to_a_new_region(&self) {
        let mut served = self.served.lock().unwrap();
        let next = served.writer.as_ref().unwrap().rebuild(monotonic());
        let before = served.writer.replace(next.unwrap());
        drop(served);
        before.unwrap().region().mark_moved();
    }

    /// Dies as a killed one would: no heartbeat and nobody who answers.
    pub fn die(&self) {
        self.served.lock().unwrap().writer = None;
        let _ = fs::remove_file(env::var_os("CLOUDHOSTS_SOCKET").unwrap());
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
        let writer = RegionWriter::create(settings, &capacity, monotonic()).unwrap();
        self.names.clear();
        if let Some(before) = self.writer.replace(writer) {
            before.region().mark_moved();
        }
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
