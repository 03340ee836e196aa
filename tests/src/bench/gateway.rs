//! The gateway: updates a second and their time beside Redis itself, and what many machines cost that
//! renew their leases through one gateway.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::Scale;
use super::document::Section;
use super::figures::{Sample, bytes, count, digits, nanos, time};
use super::machine::cores;
use super::process_costs::Costs;
use super::wire::{Change, Wire};
use crate::gateway::{GatewayServer, secret};

/// Connections that make updates, one at a time each.
const CLIENTS: u32 = 8;

/// How long they do.
const SPAN: Duration = Duration::from_secs(3);

/// How often a machine renews: the gateway's clients do it at least so often.
const EVERY: Duration = Duration::from_secs(4);

/// Threads in which the machines renew.
const THREADS: u32 = 4;

/// What a token may do.
const RULES: &str = "roles = ['*']\nverbs = ['join', 'hold']\naddresses = ['0.0.0.0/0']";

/// Limits that are in nobody's way.
const LIMITS: &str = "rate = 1e6\nburst = 1000000\nconnections = 50000\n\
                      connections_per_address = 50000\nheader_timeout = '10m'";

/// A machine, or a client: a connection with TLS that stays open.
struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    token: String,
}

impl Client {
    fn new(server: &GatewayServer, config: &Arc<ClientConfig>, token: &str) -> Client {
        let name = ServerName::from(server.address().ip());
        let connection = ClientConnection::new(Arc::clone(config), name).expect("a name");
        let stream = server.connect();
        stream.set_nodelay(true).expect("a socket of our own");
        let stream = StreamOwned::new(connection, stream);
        let token = secret(token);
        Client { stream, token }
    }

    /// PUT, which has to succeed; how long that took.
    fn put(&mut self, path: &str) -> Duration {
        let start = Instant::now();
        let token = &self.token;
        let request = format!(
            "PUT {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        self.stream.write_all(request.as_bytes()).expect("it reads");
        self.stream.flush().expect("it reads");
        let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
        // The document ends with a newline.
        while !answer.ends_with(b"}\n") {
            let count = self.stream.read(&mut buffer).expect("it answers");
            assert_ne!(
                count,
                0,
                "it was closed: {}",
                String::from_utf8_lossy(&answer)
            );
            answer.extend(&buffer[..count]);
        }
        let text = String::from_utf8_lossy(&answer);
        assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
        start.elapsed()
    }
}

/// What a client trusts.
fn client_config(server: &GatewayServer) -> Arc<ClientConfig> {
    let tls = server.tls.as_ref().expect("it has TLS");
    let authority = CertificateDer::from_pem_file(&tls.authority).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(authority).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("its own versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// What was measured of updates.
struct Updates {
    a_second: f64,
    times: Sample,
}

/// Measures and describes.
pub fn measure(scale: &Scale) -> Section {
    let mut section = Section::new("Gateway");
    section.say(&format!(
        "`cloudhosts-gateway` with TLS. *Updates*: {CLIENTS} connections each join a member with another address \
         again and again; the gateway has a core of its own where there are more ({} here). *Redis itself*: as many \
         connections set fields, each with an entry in the change log, without a gateway and without leases.",
        cores(),
    ));
    let (gateway, redis) = updates();
    let row = |title: &str, one: &Updates| {
        let a_second = format!("{} k/s", digits(one.a_second / 1e3));
        let p99 = time(one.times.p99().unwrap_or(f64::NAN));
        vec![title.to_owned(), a_second, time(one.times.median()), p99]
    };
    section.table(
        &["", "updates a second", "p50", "p99"],
        &[row("gateway", &gateway), row("Redis itself", &redis)],
    );
    let (machines, span) = scale.renewing;
    section.say(&renewing(machines, span));
    section
}

/// Updates through a gateway, and of Redis itself.
fn updates() -> (Updates, Updates) {
    let server = GatewayServer::builder()
        .limits(LIMITS)
        .token("bench", RULES)
        .start();
    if cores() > 1 {
        let mut alone = CpuSet::new();
        alone.set(0);
        let id = i32::try_from(server.id()).ok().and_then(Pid::from_raw);
        sched_setaffinity(id, &alone).expect("a process of our own");
    }
    let config = client_config(&server);
    let gateway = all_clients(|nth| {
        let mut client = Client::new(&server, &config, "bench");
        let mut turn = 0_u32;
        move || {
            turn += 1;
            let host = turn % 250;
            client.put(&format!(
                "/v1/roles/farm/members/m{nth}?address=10.0.{nth}.{host}"
            ))
        }
    });
    let redis = all_clients(|nth| {
        let mut wire = Wire::new(&server.redis);
        let mut turn = 0_u32;
        move || {
            turn += 1;
            let (field, value) = (format!("farm/h{nth}"), format!("10.0.{nth}.{}", turn % 250));
            let start = Instant::now();
            wire.change(Change::Logged, "cloudhosts", &field, &value);
            start.elapsed()
        }
    });
    (gateway, redis)
}

/// Lets so many clients do something again and again.
fn all_clients<W: FnMut() -> Duration>(client: impl Fn(u32) -> W + Sync) -> Updates {
    let times = thread::scope(|scope| {
        let started: Vec<_> = (0..CLIENTS)
            .map(|nth| {
                let client = &client;
                scope.spawn(move || {
                    let mut work = client(nth);
                    work();
                    let (start, mut times) = (Instant::now(), Vec::new());
                    while start.elapsed() < SPAN {
                        let took = work().as_nanos();
                        times.push(u64::try_from(took).expect("less than a minute"));
                    }
                    times
                })
            })
            .collect();
        let all = started.into_iter().map(|one| one.join().expect("it ends"));
        all.flatten().collect::<Vec<u64>>()
    });
    let number = u32::try_from(times.len()).expect("not so many");
    Updates {
        a_second: f64::from(number) / SPAN.as_secs_f64(),
        times: Sample::new(times),
    }
}

/// Machines that renew through one gateway, each over a connection of its own; as a sentence.
fn renewing(machines: u32, span: Duration) -> String {
    raise_descriptors();
    let mut builder = GatewayServer::builder().limits(LIMITS);
    for nth in 0..machines {
        builder = builder.token(&format!("m{nth}"), RULES);
    }
    let server = builder.start();
    let config = client_config(&server);
    let before = Costs::of(server.id()).resident;
    let per_thread = machines / THREADS;
    let (costs, times) = thread::scope(|scope| {
        let started: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (server, config) = (&server, &config);
                let first = thread * per_thread;
                scope.spawn(move || renew(server, config, first..first + per_thread, span))
            })
            .collect();
        let done = started.into_iter().map(|one| one.join().expect("it ends"));
        let (mut spent, mut times) = (Vec::new(), Vec::new());
        for (at, some) in done {
            spent.push(at);
            times.extend(some);
        }
        (spent, times)
    });
    let after = Costs::of(server.id());
    let busy = costs.iter().sum::<f64>() / f64::from(THREADS);
    let times = Sample::new(times);
    format!(
        "{} machines, each with a token and a connection of its own, renew every {}: the gateway uses {:.0} % of a core \
         and {} ({} per machine beyond what it has with their tokens alone). A renewal takes {} (p50) or {} (p99).",
        count((per_thread * THREADS).into()),
        time(nanos(EVERY)),
        100.0 * busy,
        bytes(after.resident),
        bytes((after.resident - before) / f64::from(machines)),
        time(times.median()),
        time(times.p99().unwrap_or(f64::NAN)),
    )
}

/// Renews for these machines, evenly spread over the interval; the part of a core that the gateway
/// used meanwhile, and how long each renewal took.
fn renew(
    server: &GatewayServer,
    config: &Arc<ClientConfig>,
    machines: std::ops::Range<u32>,
    span: Duration,
) -> (f64, Vec<u64>) {
    let path = |nth: u32| format!("/v1/roles/farm-{}/members/m{nth}?lease=60s", nth / 100);
    let number = u32::try_from(machines.len()).expect("not so many");
    let mut clients: Vec<(u32, Client)> = machines
        .map(|nth| (nth, Client::new(server, config, &format!("m{nth}"))))
        .collect();
    for (nth, client) in &mut clients {
        client.put(&path(*nth));
    }
    let (start, before) = (Instant::now(), Costs::of(server.id()));
    let mut times = Vec::new();
    let mut turn = 0_u32;
    'renewing: loop {
        for (nth, client) in &mut clients {
            let due = start + EVERY * turn / number;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if start.elapsed() >= span {
                break 'renewing;
            }
            let took = client.put(&path(*nth)).as_nanos();
            times.push(u64::try_from(took).expect("less than a minute"));
            turn += 1;
        }
    }
    let spent = Costs::of(server.id()).since(&before).cpu;
    (spent / nanos(start.elapsed()), times)
}

/// As many descriptors as this process may have.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, all).expect("up to the hard limit anyone may");
}
