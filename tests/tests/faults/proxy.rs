//! A proxy before a real Redis that makes the way to it bad, as a test says.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use cloudhosts_tests::wait;

/// What happens on the way. It holds for connections made from then on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Every connection is closed at once.
    Refuse,
    /// Nothing ever comes back.
    Silence,
    /// So many bytes come back, and then the end.
    CutAfter(usize),
    /// These bytes come back to whatever is said, and the connection stays.
    Say(&'static [u8]),
    /// These bytes come back without end.
    Endless(&'static [u8]),
    /// All comes back, byte by byte.
    Drip,
}

/// The proxy. It ends with the test's process.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    /// The port of the Redis behind it.
    redis: u16,
    fault: Fault,
    open: Vec<TcpStream>,
    /// Connections since the fault was set.
    met: usize,
    late: Late,
}

/// Whether an answer is to be late, on the connections that are open.
#[derive(Debug, Clone, Copy)]
enum Late {
    No,
    /// The one after the next change that Redis pushes.
    AfterAPush(Duration),
    /// The next.
    Next(Duration),
}

impl Late {
    /// How long these bytes of Redis are held back.
    fn hold(&mut self, bytes: &[u8]) -> Duration {
        const PUSH: &[u8] = b"invalidate";
        let pushes = bytes.windows(PUSH.len()).any(|window| window == PUSH);
        let (next, hold) = match *self {
            Late::AfterAPush(time) if pushes => (Late::Next(time), Duration::ZERO),
            Late::Next(time) if !pushes => (Late::No, time),
            as_it_was => (as_it_was, Duration::ZERO),
        };
        *self = next;
        hold
    }
}

impl Proxy {
    /// Stands before the Redis on that port.
    pub(crate) fn before(redis: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Mutex::new(Shared {
            redis,
            fault: Fault::None,
            open: Vec::new(),
            met: 0,
            late: Late::No,
        }));
        let proxy = Proxy {
            port,
            shared: Arc::clone(&shared),
        };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let way = Arc::clone(&shared);
                let mut shared = shared.lock().unwrap();
                let (redis, fault) = (shared.redis, shared.fault);
                shared.open.push(client.try_clone().unwrap());
                shared.met += 1;
                drop(shared);
                // an end on either side is what these are about
                thread::spawn(move || drop(pass(client, redis, fault, &way)));
            }
        });
        proxy
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Stands before another Redis, for connections made from then on.
    pub(crate) fn point_at(&self, redis: u16) {
        self.shared.lock().unwrap().redis = redis;
    }

    /// What Redis answers after it has pushed a change comes late, once.
    pub(crate) fn delay_the_answer_after_a_push(&self, time: Duration) {
        self.shared.lock().unwrap().late = Late::AfterAPush(time);
    }

    /// From now on this happens; all connections are cut.
    pub(crate) fn set(&self, fault: Fault) {
        let mut shared = self.shared.lock().unwrap();
        shared.fault = fault;
        shared.met = 0;
        for stream in shared.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Waits until that many connections have met the fault.
    pub(crate) fn wait_until_met(&self, times: usize) {
        wait::until("the fault is met", || {
            (self.shared.lock().unwrap().met >= times).then_some(())
        });
    }
}

fn pass(
    mut client: TcpStream,
    redis: u16,
    fault: Fault,
    way: &Mutex<Shared>,
) -> std::io::Result<()> {
    let mut chunk = vec![0; 16 << 10];
    match fault {
        Fault::Refuse => return client.shutdown(Shutdown::Both),
        Fault::Silence => while client.read(&mut chunk)? > 0 {},
        Fault::Say(bytes) => {
            while client.read(&mut chunk)? > 0 {
                client.write_all(bytes)?;
            }
        }
        Fault::Endless(bytes) => {
            let many = bytes.repeat(4096);
            loop {
                client.write_all(&many)?;
            }
        }
        Fault::None | Fault::CutAfter(_) | Fault::Drip => {
            let mut server = TcpStream::connect(("127.0.0.1", redis))?;
            let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
            thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
            let mut left = match fault {
                Fault::CutAfter(count) => count,
                _ => usize::MAX,
            };
            while left > 0 {
                let room = chunk.len().min(left);
                let count = server.read(&mut chunk[..room])?;
                if count == 0 {
                    break;
                }
                left -= count;
                let hold = way.lock().unwrap().late.hold(&chunk[..count]);
                thread::sleep(hold);
                if matches!(fault, Fault::Drip) {
                    for byte in &chunk[..count] {
                        client.write_all(std::slice::from_ref(byte))?;
                        thread::sleep(Duration::from_micros(100));
                    }
                } else {
                    client.write_all(&chunk[..count])?;
                }
            }
            let _ = server.shutdown(Shutdown::Both);
        }
    }
    client.shutdown(Shutdown::Both)
}
