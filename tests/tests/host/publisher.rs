//! A daemon of the tests' own, by the table's daemon side: it publishes table after table, faster
//! than any Redis would make them change.

use std::fs::{Permissions, set_permissions};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant, SystemTime};

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Order, RegionWriter, Role, RoleAnswer, Settings, WriteError, handover};

/// How often the heart beats; clients give up after three seconds.
const BEAT: Duration = Duration::from_millis(200);

/// What is published, and how fast.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The first table's number.
    pub first: u32,
    /// Between two tables; none for one table only.
    pub every: Option<Duration>,
    /// How long a client waits for its table.
    pub delay: Duration,
    /// Other roles in each table, to give a table that is leaked some weight.
    pub others: u32,
    /// Each tenth table is in a new region.
    pub moving: bool,
}

impl Pace {
    /// A hundred tables a second, or so.
    pub fn brisk() -> Pace {
        Pace::every(Duration::from_millis(10))
    }

    /// A table every so often.
    pub fn every(every: Duration) -> Pace {
        Pace {
            first: 1,
            every: Some(every),
            delay: Duration::ZERO,
            others: 0,
            moving: false,
        }
    }

    /// This one table.
    pub fn only(first: u32) -> Pace {
        Pace {
            first,
            every: None,
            delay: Duration::ZERO,
            others: 0,
            moving: false,
        }
    }

    /// Each client kept waiting for so long.
    pub fn after(self, delay: Duration) -> Pace {
        Pace { delay, ..self }
    }

    /// In one region after the other.
    pub fn moving(self) -> Pace {
        Pace {
            moving: true,
            ..self
        }
    }

    /// With so many other roles.
    pub fn beside(self, others: u32) -> Pace {
        Pace { others, ..self }
    }
}

/// Writes the `n`th table in place of the one before it, of which
/// `callers/host.h` tells what it says. Nobody may ever see some of each.
fn write(writer: &mut RegionWriter, n: u32) -> Result<(), WriteError> {
    let [_, high, middle, low] = n.to_be_bytes();
    let v4 = [[10, high, middle, low], [11, high, middle, low]];
    let v6 = [Ipv6Addr::from(0xfd00 << 112 | u128::from(n)).octets()];
    let target = format!("t{n}");
    writer.set(&role(&target, &v4, &v6))?;
    writer.set(&Role {
        answer: Some(RoleAnswer::Alias { target: &target }),
        ..role("which", &[], &[])
    })?;
    writer.remove(&format!("t{}", n - 1))?;
    writer.commit(SystemTime::now())?;
    Ok(())
}

fn role<'a>(name: &'a str, v4: &'a [[u8; 4]], v6: &'a [[u8; 16]]) -> Role<'a> {
    let canonical = None;
    Role {
        name,
        answer: Some(RoleAnswer::Addresses { v4, v6, canonical }),
        pick: 0,
        sources: &[],
    }
}

/// A region with the first table.
fn region(pace: Pace) -> RegionWriter {
    let settings = Settings {
        generation: 0,
        stale_max: None,
        order: Order::Rotate,
        domain: String::new(),
        reverse: true,
        hashes: vec!["cloudhosts".to_owned()],
    };
    let others: Vec<(String, [[u8; 4]; 1])> = (0..pace.others)
        .map(|other| {
            let address = Ipv4Addr::from(0xc612_0000 | other).octets();
            (format!("other-{other:06}"), [address])
        })
        .collect();
    let roles = || others.iter().map(|(name, v4)| role(name, v4, &[]));
    let mut writer = RegionWriter::create(settings, &roles().collect(), monotonic()).unwrap();
    roles().for_each(|role| writer.set(&role).unwrap());
    write(&mut writer, pace.first).unwrap();
    writer
}

/// The first table as a file.
pub fn file(pace: Pace) -> Vec<u8> {
    let mut bytes = Vec::new();
    region(pace).snapshot().write(&mut bytes).unwrap();
    bytes
}

/// Publishes until dropped.
#[derive(Debug)]
pub struct Publisher {
    socket: PathBuf,
    newest: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Publisher {
    /// Listens at that path, which anyone may connect to.
    pub fn start(socket: &Path, pace: Pace) -> Publisher {
        let listener = UnixListener::bind(socket).unwrap();
        set_permissions(socket, Permissions::from_mode(0o666)).unwrap();
        let mut writer = region(pace);
        let current = Arc::new(Mutex::new(Arc::clone(writer.region())));
        let newest = Arc::new(AtomicU32::new(pace.first));
        let stop = Arc::new(AtomicBool::new(false));

        let (server_stop, region) = (stop.clone(), current.clone());
        let server = std::thread::spawn(move || {
            for client in listener.incoming() {
                if server_stop.load(Ordering::SeqCst) {
                    return;
                }
                sleep(pace.delay);
                let region = region.lock().unwrap_or_else(PoisonError::into_inner);
                // a client may have gone; that is its own affair
                let _ = client.map(|client| handover::send(client, &region, monotonic()));
            }
        });
        let (writer_stop, written) = (stop.clone(), newest.clone());
        let writer = std::thread::spawn(move || {
            let mut beaten = Instant::now();
            let mut number = pace.first;
            while !writer_stop.load(Ordering::SeqCst) {
                if beaten.elapsed() >= BEAT {
                    writer.region().beat(monotonic());
                    beaten = Instant::now();
                }
                sleep(pace.every.unwrap_or(BEAT));
                if pace.every.is_some() {
                    number += 1;
                    written.store(number, Ordering::SeqCst);
                    write(&mut writer, number).unwrap();
                }
                if writer.needs_rebuild() || pace.moving && number.is_multiple_of(10) {
                    let next = writer.rebuild(monotonic()).unwrap();
                    let left = std::mem::replace(&mut writer, next);
                    let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
                    *current = Arc::clone(writer.region());
                    drop(current);
                    left.region().mark_moved();
                }
            }
        });
        Publisher {
            socket: socket.to_path_buf(),
            newest,
            stop,
            threads: vec![server, writer],
        }
    }

    /// The number of the newest table.
    pub fn newest(&self) -> u32 {
        self.newest.load(Ordering::SeqCst)
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // wakes the server up
        drop(UnixStream::connect(&self.socket));
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}
