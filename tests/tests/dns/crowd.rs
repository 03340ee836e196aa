//! Connections that are held, and bytes that are no questions.

use super::{farm, python, serving};

/// Most memory, in KiB: it has a few connections and no more.
const MEMORY: u64 = 64 * 1024;

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
    let _idle = python(&world, &["-c", IDLE]);
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
    let _noise = python(&world, &["-c", NOISE]);
    server.sees("web.prod.example.com", &["10.0.0.5"]);
    assert!(server.runs());
    assert!(server.memory() < MEMORY, "{} KiB", server.memory());
    assert!(!server.log().contains("bug"), "{}", server.log());
}

/// A question a byte a second; prints how many answers came before the connection was closed.
const DRIP: &str = r"
import socket, time
question = bytes.fromhex('123401000001000000000000') + b'\x03web\x04prod\x07example\x03com\x00\x00\x01\x00\x01'
tcp = socket.create_connection(('127.0.0.153', 53))
tcp.settimeout(1)
answers = 0
try:
    for byte in len(question).to_bytes(2, 'big') + question:
        tcp.send(bytes([byte]))
        try:
            if not tcp.recv(4096):
                break
            answers += 1
        except TimeoutError:
            pass
except OSError:
    pass
print(answers)
";

#[test]
fn a_question_of_one_byte_a_second_is_not_waited_for() {
    let (world, _server) = serving(&[("web", "10.0.0.5")]);
    assert_eq!(world.prints("python3", &["-c", DRIP]), "0\n");
}

/// Three questions in pieces of that size, and no more to come; prints the identifiers of the answers.
const PIPELINE: &str = r"
import socket, sys
question = b'\x01\x00\x00\x01' + bytes(6) + b'\x03web\x04prod\x07example\x03com\x00\x00\x01\x00\x01'
def message(number):
    return (2 + len(question)).to_bytes(2, 'big') + number.to_bytes(2, 'big') + question
data = b''.join(message(number) for number in [7, 8, 9])
tcp = socket.create_connection(('127.0.0.153', 53))
tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
size = int(sys.argv[1])
for at in range(0, len(data), size):
    tcp.send(data[at:at + size])
tcp.shutdown(socket.SHUT_WR)
answers = b''
while piece := tcp.recv(4096):
    answers += piece
numbers = []
while answers:
    length = int.from_bytes(answers[:2], 'big')
    assert answers[5] & 15 == 0 and answers[9] == 1, answers
    numbers.append(int.from_bytes(answers[2:4], 'big'))
    answers = answers[2 + length:]
print(*numbers)
";

#[test]
fn questions_that_come_together_or_in_pieces_are_answered_in_order() {
    let (world, _server) = serving(&[("web", "10.0.0.5")]);
    for size in ["1", "7", "1000"] {
        let said = world.prints("python3", &["-c", PIPELINE, size]);
        assert_eq!(said, "7 8 9\n", "{size}");
    }
}

/// 200 connections that ask for 500 addresses again and again, and read nothing.
const DEAF: &str = r"
import socket, sys
question = bytes.fromhex('123401000001000000000000') + b'\x04farm\x04prod\x07example\x03com\x00\x00\x01\x00\x01'
message = len(question).to_bytes(2, 'big') + question
held = []
for _ in range(200):
    tcp = socket.create_connection(('127.0.0.153', 53))
    tcp.setblocking(False)
    try:
        while True:
            tcp.send(message * 100)
    except OSError:
        held.append(tcp)
print('ready', flush=True)
sys.stdin.read()
";

#[test]
fn connections_that_read_no_answer_take_no_memory() {
    let (world, mut server) = serving(&[("web", "10.0.0.5"), ("farm", &farm())]);
    let _deaf = python(&world, &["-c", DEAF]);
    for how in ["+tcp", "+notcp"] {
        let web = server.dig(&[how, "+tries=1", "web.prod.example.com"]);
        assert_eq!(web.answers, ["A 10.0.0.5"], "{how}");
    }
    assert!(server.memory() < MEMORY, "{} KiB", server.memory());
    assert!(server.runs());
}
