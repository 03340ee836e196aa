//! The daemon's side: tables, and handing them over.

use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use std::{env, fs, thread};

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::shm::{EpochPage, seal_table};
use cloudhosts_table::{Builder, Order, Role, Settings, handover};

/// A role of the tables made here.
#[derive(Clone)]
pub struct Entry {
    pub name: String,
    pub canonical: Option<String>,
    pub v4: Vec<[u8; 4]>,
    pub v6: Vec<[u8; 16]>,
    pub pick: u16,
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
        canonical: None,
        v4,
        v6,
        pick: 0,
    }
}

/// A role that points at another.
pub fn pointer(name: &str, target: &str) -> Entry {
    Entry {
        canonical: Some(target.into()),
        ..entry(name, &[])
    }
}

/// A table of these roles.
pub fn table(generation: u64, stale_max: Option<Duration>, mut roles: Vec<Entry>) -> Vec<u8> {
    roles.sort_by(|a, b| a.name.cmp(&b.name));
    let mut builder = Builder::new(Settings {
        generation,
        published: SystemTime::now(),
        stale_max,
        order: Order::Fixed,
        domain: "example.com".into(),
        hashes: vec!["cloudhosts".into()],
    })
    .unwrap();
    for role in &roles {
        builder
            .role(Role {
                name: &role.name,
                canonical: role.canonical.as_deref(),
                v4: &role.v4,
                v6: &role.v6,
                pick: role.pick,
            })
            .unwrap();
    }
    builder.build().unwrap()
}

/// The daemon's side of the handover, in threads of this process.
pub struct Daemon {
    table: Arc<Mutex<Option<OwnedFd>>>,
    epoch: Arc<EpochPage>,
    beating: Arc<Mutex<bool>>,
}

impl Daemon {
    /// Listens at `CLOUDHOSTS_SOCKET`, with no table yet.
    pub fn start() -> Daemon {
        let path = env::var_os("CLOUDHOSTS_SOCKET").unwrap();
        let listener = UnixListener::bind(path).unwrap();
        let daemon = Daemon {
            table: Arc::default(),
            epoch: Arc::new(EpochPage::new(monotonic()).unwrap()),
            beating: Arc::new(Mutex::new(true)),
        };
        let (table, epoch) = (daemon.table.clone(), daemon.epoch.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                if let Some(table) = &*table.lock().unwrap() {
                    let _ = handover::send(&client, table.as_fd(), epoch.file());
                }
            }
        });
        let (epoch, beating) = (daemon.epoch.clone(), daemon.beating.clone());
        thread::spawn(move || {
            while *beating.lock().unwrap() {
                epoch.beat(monotonic());
                thread::sleep(Duration::from_millis(200));
            }
        });
        daemon
    }

    /// Publishes: the table first, its generation after.
    pub fn publish(&self, generation: u64, roles: Vec<Entry>) {
        self.publish_for(generation, None, roles);
    }

    /// The same, for a table that gets stale.
    pub fn publish_for(&self, generation: u64, stale_max: Option<Duration>, roles: Vec<Entry>) {
        let sealed = seal_table(&table(generation, stale_max, roles)).unwrap();
        *self.table.lock().unwrap() = Some(sealed);
        self.epoch.announce(generation);
    }

    /// Dies as a killed one would: no heartbeat and nobody who answers.
    pub fn die(&self) {
        *self.beating.lock().unwrap() = false;
        *self.table.lock().unwrap() = None;
        let _ = fs::remove_file(env::var_os("CLOUDHOSTS_SOCKET").unwrap());
    }
}
