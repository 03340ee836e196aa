//! A role that changes, and what is answered while something fails.

use std::io::Read;

use cloudhosts_tests::{DnsServer, wait};

use super::{python, serving, world};

#[test]
fn a_role_that_moves_is_answered_anew_at_the_next_question() {
    let (world, server) = serving(&[("db", "10.0.0.5"), ("primary", "db")]);
    let db = server.dig(&["db.prod.example.com"]);
    assert_eq!((db.status.as_str(), db.has("aa")), ("NOERROR", true));
    assert_eq!(db.answers, ["A 10.0.0.5"]);
    for last in 6..16 {
        let address = format!("10.0.0.{last}");
        world.hset(&[("db", &address)]);
        // once a process of this machine is told, so is who asks DNS
        world.sees("db", &[&address]);
        let db = server.dig(&["db.prod.example.com"]);
        assert_eq!(db.answers, [format!("A {address}")]);
        let primary = server.dig(&["primary.prod.example.com"]);
        let cname = "CNAME db.prod.example.com.".to_owned();
        assert_eq!(primary.answers, [cname, format!("A {address}")]);
    }
}

#[test]
fn it_answers_without_daemon_and_redis() {
    let (mut world, server) = serving(&[("db", "10.0.0.5")]);
    world.daemon.kill();
    world.redis.kill();
    assert_eq!(server.dig(&["db.prod.example.com"]).answers, ["A 10.0.0.5"]);
    // and one that starts now answers by the file
    drop(server);
    let server = DnsServer::start(&world);
    assert_eq!(server.dig(&["db.prod.example.com"]).answers, ["A 10.0.0.5"]);
    assert_eq!(server.dig(&["nobody.prod.example.com"]).status, "NXDOMAIN");
    // and follows the daemon that comes back
    world.redis.restart();
    world.daemon.start();
    world.hset(&[("db", "10.0.0.6")]);
    server.sees("db.prod.example.com", &["10.0.0.6"]);
}

#[test]
fn without_a_table_names_are_not_denied() {
    let mut world = world(&[("db", "10.0.0.5")]).build();
    let server = DnsServer::start(&world);
    assert_eq!(server.dig(&["db.prod.example.com"]).status, "SERVFAIL");
    assert_eq!(server.dig(&["example.com"]).status, "REFUSED");
    world.daemon.start();
    server.sees("db.prod.example.com", &["10.0.0.5"]);
}

/// What is above a role has no data, and what is not there is denied.
#[test]
fn names_above_roles_follow_too() {
    let (world, server) = serving(&[("db", "10.0.0.5"), ("a.old", "10.0.0.6")]);
    let status = |name: &str| server.dig(&[name]).status;
    assert_eq!(status("old.prod.example.com"), "NOERROR");
    assert_eq!(status("new.prod.example.com"), "NXDOMAIN");
    world.hset(&[("a.new", "10.0.0.7")]);
    world.redis.cli(&["HDEL", "cloudhosts", "a.old"]);
    for (name, expected) in [("new", "NOERROR"), ("old", "NXDOMAIN")] {
        let name = format!("{name}.prod.example.com");
        let look = || status(&name);
        wait::until_seen("what is above a role", look, |seen| seen == expected);
    }
}

/// Asks without a pause until its input ends; prints how many answers came, and each that was not the
/// one address of `web`.
const STEADY: &str = r"
import socket, sys, threading
question = bytes.fromhex('123401000001000000000000') + b'\x03web\x04prod\x07example\x03com\x00\x00\x01\x00\x01'
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.settimeout(5)
udp.connect(('127.0.0.153', 53))
done = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
print('ready', flush=True)
count, others = 0, set()
while not done.is_set():
    udp.send(question)
    answer = udp.recv(4096)
    count += 1
    if answer[3] & 15 or answer[-4:] != bytes([10, 0, 0, 5]):
        others.add(answer.hex())
print(count, *others)
";

/// The daemon moves to larger regions, is killed and started anew.
#[test]
fn while_the_region_is_replaced_each_answer_is_right() {
    let (mut world, _server) = serving(&[("web", "10.0.0.5")]);
    let mut steady = python(&world, &["-c", STEADY]);
    for round in 0..4 {
        let names: Vec<String> = (0..10_000).map(|n| format!("n{round}-{n}")).collect();
        let pairs: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), "10.1.0.1"))
            .collect();
        world.hset(&pairs);
        world.sees(&names[9_999], &["10.1.0.1"]);
        if round == 1 {
            world.daemon.kill();
            world.daemon.start();
        }
    }
    let child = steady.child();
    drop(child.stdin.take());
    let mut said = String::new();
    let mut output = child.stdout.take().expect("a pipe");
    output.read_to_string(&mut said).expect("text");
    let mut words = said.split_whitespace();
    let count: u64 = words.next().expect("a number").parse().expect("a number");
    assert!(count > 100, "{said}");
    assert_eq!(words.next(), None, "{said}");
}
