//! Connections that are held, and bytes that are no questions.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use cloudhosts_tests::World;
use cloudhosts_tests::process::Process;

use super::serving;

/// Most memory, in KiB: it has a few connections and no more.
const MEMORY: u64 = 64 * 1024;

/// Runs a line of Python inside until it has printed `ready`.
fn python(world: &World, script: &str) -> Process {
    let mut command = world.sandbox.entrance().background("python3");
    command
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut process = Process::start(command);
    let output = process.child().stdout.as_mut().expect("a pipe");
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).expect("a line");
    assert_eq!(line.trim(), "ready");
    process
}

/// 1,000 connections that say nothing, and one that promises 65,535 bytes and another that sends a
/// question, both a byte a second.
const IDLE: &str = r"
import resource, socket, sys, threading, time
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 4096), limit))
def connect():
    return socket.create_connection(('127.0.0.153', 53))
held = [connect() for _ in range(1000)]
def drip(data):
    while True:
        connection = connect()
        try:
            for byte in data:
                connection.send(bytes([byte]))
                time.sleep(1)
        except OSError:
            pass
for data in [b'\xff' * 65537, b'\x00\x40' + bytes(64)]:
    threading.Thread(target=drip, args=[data], daemon=True).start()
print('ready', flush=True)
sys.stdin.read()
";

#[test]
fn a_thousand_idle_connections_keep_nobody_from_an_answer() {
    let (world, mut server) = serving(&[("web", "10.0.0.5")]);
    let _idle = python(&world, IDLE);
    for _ in 0..20 {
        for how in ["+tcp", "+notcp"] {
            let web = server.dig(&[how, "+tries=1", "web.prod.example.com"]);
            assert_eq!(web.answers, ["A 10.0.0.5"], "{how}");
        }
    }
    assert!(server.memory() < MEMORY, "{} KiB", server.memory());
    assert!(server.runs());
}

/// Whatever a datagram or a connection has in it.
const NOISE: &str = r"
import os, random, socket, sys
random.seed(int(os.environ.get('SEED', '7')))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
question = bytes.fromhex('123401000001000000000000') + b'\x03web\x04prod\x07example\x03com\x00\x00\x01\x00\x01'
def noise():
    kind = random.randrange(4)
    if kind == 0:
        return random.randbytes(random.randrange(1500))
    if kind == 1:
        return question[:random.randrange(len(question))]
    if kind == 2:
        return question[:12] + bytes([0xc0, random.randrange(40)]) * random.randrange(1, 9) + question[-4:]
    changed = bytearray(question)
    changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)
for _ in range(20000):
    udp.sendto(noise(), ('127.0.0.153', 53))
for _ in range(500):
    with socket.create_connection(('127.0.0.153', 53)) as tcp:
        data = noise()
        try:
            tcp.send(len(data).to_bytes(2, 'big') + data)
        except OSError:
            pass
print('ready', flush=True)
sys.stdin.read()
";

#[test]
fn noise_neither_ends_it_nor_takes_its_answers() {
    let (world, mut server) = serving(&[("web", "10.0.0.5")]);
    let _noise = python(&world, NOISE);
    server.sees("web.prod.example.com", &["10.0.0.5"]);
    assert!(server.runs());
    assert!(server.memory() < MEMORY, "{} KiB", server.memory());
    assert!(!server.log().contains("bug"), "{}", server.log());
}
