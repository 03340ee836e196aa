//! Starting, reloading and stopping.

use cloudhosts_tests::DnsServer;
use cloudhosts_tests::process::{Signal, run, stderr, succeed};
use cloudhosts_tests::{config, programs, wait};

use super::{python, serving, world};

#[test]
fn sigterm_ends_it_and_sighup_reads_the_configuration_again() {
    let (mut world, mut server) = serving(&[("db.internal", "10.0.0.5")]);
    assert_eq!(server.dig(&["db.internal"]).status, "REFUSED");
    world.config.set("dns.zones", config::list(&["internal"]));
    world.daemon.configure(&world.config.text());
    server.signal(Signal::HUP);
    server.sees("db.internal", &["10.0.0.5"]);
    // a wrong one changes nothing
    world.config.set("dns.ttl", "-1");
    world.daemon.configure(&world.config.text());
    let before = server.log().len();
    server.signal(Signal::HUP);
    wait::until("it says that it is wrong", || {
        server.log()[before..]
            .contains("cloudhosts.toml:")
            .then_some(())
    });
    assert_eq!(server.dig(&["db.internal"]).answers, ["A 10.0.0.5"]);
    server.signal(Signal::TERM);
    assert!(server.wait().success());
}

#[test]
fn of_two_at_one_address_the_second_says_so_and_exits() {
    let (world, server) = serving(&[("db", "10.0.0.5")]);
    let before = server.log().len();
    let mut second = DnsServer::new(&world.sandbox);
    second.launch();
    assert_eq!(second.wait().code(), Some(1));
    let said = &server.log()[before..];
    // which address, and how to see who has it
    assert!(
        said.contains("127.0.0.153:53") && said.contains("ss -"),
        "{said}"
    );
    assert_eq!(server.dig(&["db.prod.example.com"]).answers, ["A 10.0.0.5"]);
}

/// Holds the port by one kind of socket.
const HOLDER: &str = r"
import socket, sys
holder = socket.socket(socket.AF_INET, getattr(socket, sys.argv[1]))
holder.bind(('127.0.0.153', 53))
if sys.argv[1] == 'SOCK_STREAM':
    holder.listen()
print('ready', flush=True)
sys.stdin.read()
";

#[test]
fn a_port_that_another_server_has_is_told() {
    let world = world(&[("db", "10.0.0.5")]).start();
    for kind in ["SOCK_DGRAM", "SOCK_STREAM"] {
        let _holder = python(&world, &["-c", HOLDER, kind]);
        let mut server = DnsServer::new(&world.sandbox);
        let before = server.log().len();
        server.launch();
        assert_eq!(server.wait().code(), Some(1), "{kind}");
        let said = &server.log()[before..];
        assert!(said.contains("127.0.0.153:53"), "{kind}: {said}");
    }
}

/// As the bridge of containers, which comes after the machine has started.
#[test]
fn an_address_that_comes_later_is_answered_at_then() {
    let listen = config::list(&["127.0.0.153:53", "192.0.2.1:53", "[fd00::53]:53"]);
    let world = world(&[("db", "10.0.0.5")])
        .config("dns.listen", listen)
        .start();
    let server = DnsServer::start(&world);
    assert_eq!(server.dig(&["db.prod.example.com"]).answers, ["A 10.0.0.5"]);
    assert!(
        server
            .log()
            .contains("does not have the address 192.0.2.1:53")
    );
    for address in ["192.0.2.1/32", "fd00::53/128"] {
        let mut ip = world.sandbox.entrance().command("ip");
        succeed(ip.args(["address", "add", address, "dev", "lo"]));
        let (address, _) = address.split_once('/').unwrap();
        for how in ["+notcp", "+tcp"] {
            let db = server.dig_at(address, &[how, "db.prod.example.com"]);
            assert_eq!(db.answers, ["A 10.0.0.5"], "{address} {how}");
        }
    }
}

#[test]
fn a_configuration_that_is_not_enough_is_refused() {
    let world = world(&[]).config("domain", "''").build();
    for arguments in [&[][..], &["--check-config"]] {
        let program = programs::find(programs::DNS);
        let output = run(world.sandbox.entrance().command(program).args(arguments));
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).contains("domain"), "{output:?}");
    }
}
