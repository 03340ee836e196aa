//! Who asks from elsewhere: as much is answered as is safe.

use cloudhosts_tests::process::succeed;
use cloudhosts_tests::{DnsServer, World, config};

use super::{farm, world};

/// An address of this network that is not loopback.
const ELSEWHERE: &str = "192.0.2.1";

/// A server that listens at that address too.
fn exposed(pairs: &[(&str, &str)]) -> (World, DnsServer) {
    let listen = config::list(&["127.0.0.153:53", &format!("{ELSEWHERE}:53")]);
    let world = world(pairs).config("dns.listen", listen).start();
    let mut ip = world.sandbox.entrance().command("ip");
    succeed(ip.args(["address", "add", &format!("{ELSEWHERE}/32"), "dev", "lo"]));
    let server = DnsServer::start(&world);
    (world, server)
}

#[test]
fn an_answer_by_udp_is_at_most_three_times_its_question() {
    let (_world, server) = exposed(&[("farm", &farm()), ("web", "10.0.0.5")]);
    let name = "farm.prod.example.com";
    // the question has 50 bytes: 12, the name of 23, 4, and 11 of EDNS
    let udp = server.dig_at(ELSEWHERE, &["+ignore", "+nocookie", "+bufsize=4096", name]);
    assert!(udp.has("tc"), "{udp:?}");
    assert!((1..=150).contains(&udp.size), "{udp:?}");
    let tcp = server.dig_at(ELSEWHERE, &["+tcp", name]);
    assert_eq!(tcp.answers.len(), 500);
    let web = server.dig_at(ELSEWHERE, &["web.prod.example.com"]);
    assert!(!web.has("tc"), "{web:?}");
    assert_eq!(web.answers, ["A 10.0.0.5"]);
}

/// Asks as fast as it can for a while; prints how many whole answers and how many referrals to TCP
/// came, and how many seconds it took, rounded up.
const FLOOD: &str = r"
import select, socket, sys, time
question = bytes.fromhex('123401000001000000000000') + b'\x03web\x04prod\x07example\x03com\x00\x00\x01\x00\x01'
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.setblocking(False)
udp.connect((sys.argv[1], 53))
start = time.monotonic()
whole = cut = 0
def take(wait):
    global whole, cut
    while select.select([udp], [], [], wait)[0]:
        answer = udp.recv(4096)
        if answer[2] & 2:
            cut += 1
        else:
            whole += 1
for _ in range(8000):
    udp.send(question)
    take(0)
take(1)
print(whole, cut, int(time.monotonic() - start) + 1)
";

#[test]
fn a_network_elsewhere_gets_a_thousand_answers_a_second() {
    let (world, server) = exposed(&[("web", "10.0.0.5")]);
    let count = |address: &str| -> Vec<u64> {
        let said = world.prints("python3", &["-c", FLOOD, address]);
        let numbers = said.split_whitespace().map(|word| word.parse().unwrap());
        numbers.collect()
    };
    let [whole, cut, seconds] = count(ELSEWHERE)[..] else {
        panic!("three numbers");
    };
    // a second may begin in the middle of one of ours
    assert!(whole <= 1000 * (seconds + 1), "{whole} in {seconds} s");
    assert!(cut > 0 || whole <= 1000 * seconds, "{whole}, {cut}");
    let [whole, cut, _] = count("127.0.0.153")[..] else {
        panic!("three numbers");
    };
    assert!(whole > 0);
    assert_eq!(cut, 0);
    // who comes by TCP is answered
    let web = server.dig_at(ELSEWHERE, &["+tcp", "web.prod.example.com"]);
    assert_eq!(web.answers, ["A 10.0.0.5"]);
}

/// Asks from 20,000 addresses, as somebody would who forges them.
const FORGED: &str = r"
import random, socket, sys
question = bytes.fromhex('123401000001000000000000') + b'\x04farm\x04prod\x07example\x03com\x00\x00\x01\x00\x01'
random.seed(7)
for _ in range(20000):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((f'198.{random.choice([18, 19])}.{random.randrange(256)}.{random.randrange(1, 255)}', 0))
        udp.sendto(question, (sys.argv[1], 53))
print('done')
";

#[test]
fn forged_addresses_take_no_memory_and_no_answers_from_others() {
    let (world, mut server) = exposed(&[("farm", &farm()), ("web", "10.0.0.5")]);
    let mut ip = world.sandbox.entrance().command("ip");
    succeed(ip.args(["route", "add", "local", "198.18.0.0/15", "dev", "lo"]));
    let before = server.memory();
    assert_eq!(
        world.prints("python3", &["-c", FORGED, ELSEWHERE]),
        "done\n"
    );
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 4096, "{grown} KiB more");
    for how in ["+notcp", "+tcp"] {
        let web = server.dig_at(ELSEWHERE, &[how, "web.prod.example.com"]);
        assert_eq!(web.answers, ["A 10.0.0.5"], "{how}");
    }
    assert!(server.runs());
}
