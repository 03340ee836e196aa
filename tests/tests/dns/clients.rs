//! Programs of all kinds that resolve by DNS.

use std::process::Stdio;

use cloudhosts_tests::dns::{ADDRESS, DOMAIN};
use cloudhosts_tests::process::Process;
use cloudhosts_tests::{DnsServer, World, config, wait};

use super::{farm, serving, world};

/// Has the sandbox's programs ask that server by DNS.
fn resolve_by(world: &World, server: &str) {
    let file = world.sandbox.outside("/etc/resolv.conf");
    // a link to the machine's
    let _ = std::fs::remove_file(&file);
    std::fs::write(file, format!("nameserver {server}\nsearch {DOMAIN}\n")).unwrap();
}

#[test]
fn drill() {
    let (world, _server) = serving(&[("web", "10.0.0.5"), ("www", "web")]);
    let at = format!("@{ADDRESS}");
    let said = world.prints("drill", &[&at, "www.prod.example.com", "A"]);
    assert!(said.contains("rcode: NOERROR"), "{said}");
    assert!(said.contains("10.0.0.5"), "{said}");
    let said = world.prints("drill", &[&at, "nobody.prod.example.com", "A"]);
    assert!(said.contains("rcode: NXDOMAIN"), "{said}");
}

#[test]
fn dig_by_address() {
    let world = world(&[("web", "10.0.0.5 fd00::5")])
        .config("dns.zones", config::list(&["10.in-addr.arpa", "ip6.arpa"]))
        .start();
    let server = DnsServer::start(&world);
    for address in ["10.0.0.5", "fd00::5"] {
        let ptr = server.dig(&["-x", address]);
        assert_eq!(ptr.answers, ["PTR web.prod.example.com."], "{address}");
    }
    assert_eq!(server.dig(&["-x", "10.0.0.6"]).status, "NXDOMAIN");
    assert_eq!(server.dig(&["-x", "192.0.2.1"]).status, "REFUSED");
}

/// A program that never loads the module, such as one in a container.
#[test]
fn glibc_without_the_module() {
    let (world, _server) = serving(&[("web", "10.0.0.5"), ("www", "web")]);
    world.sandbox.set_services("files dns");
    resolve_by(&world, ADDRESS);
    // "ahostsv4" would want an address that is not loopback's
    for name in ["web.prod.example.com", "web", "www"] {
        let said = world.prints("getent", &["hosts", name]);
        assert!(said.starts_with("10.0.0.5 "), "{name}: {said}");
    }
    let nobody = world.prints("getent", &["hosts", "nobody.prod.example.com"]);
    assert_eq!(nobody, "");
}

/// c-ares, by which Node.js resolves.
const RESOLVE: &str = r"
const { Resolver } = require('node:dns').promises;
const resolver = new Resolver();
resolver.setServers([process.argv[1]]);
resolver.resolve4(process.argv[2]).then(
    (addresses) => console.log(addresses.sort().join(' ')),
    (error) => console.log(error.code),
);
";

#[test]
fn node() {
    let (world, _server) = serving(&[("web", "10.0.0.5"), ("www", "web"), ("farm", &farm())]);
    let said = |name: &str| {
        let name = format!("{name}.{DOMAIN}");
        world.prints("node", &["-e", RESOLVE, ADDRESS, &name])
    };
    assert_eq!(said("web"), "10.0.0.5\n");
    assert_eq!(said("www"), "10.0.0.5\n");
    assert_eq!(said("nobody"), "ENOTFOUND\n");
    assert_eq!(said("farm").split_whitespace().count(), 500);
    world.hset(&[("web", "10.0.0.6")]);
    world.sees("web", &["10.0.0.6"]);
    assert_eq!(said("www"), "10.0.0.6\n");
}

/// dnsmasq asks for each question anew, since nothing may be kept.
#[test]
fn dnsmasq_in_front() {
    let (world, server) = serving(&[("web", "10.0.0.5")]);
    let mut dnsmasq = world.sandbox.entrance().background("dnsmasq");
    dnsmasq
        .args([
            "--no-daemon",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
        ])
        .args([
            "--listen-address=127.0.0.1",
            "--bind-interfaces",
            "--pid-file",
        ])
        .arg(format!("--server=/{DOMAIN}/{ADDRESS}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _dnsmasq = Process::start(dnsmasq);
    let look = || {
        server.dig_at(
            "127.0.0.1",
            &["+tries=1", "+timeout=1", "web.prod.example.com"],
        )
    };
    let is_there = |status: &str| status == "NOERROR";
    let dug = wait::until_seen("dnsmasq answers", look, |dug| is_there(&dug.status));
    assert_eq!(dug.answers, ["A 10.0.0.5"]);
    world.hset(&[("web", "10.0.0.6")]);
    world.sees("web", &["10.0.0.6"]);
    assert_eq!(look().answers, ["A 10.0.0.6"]);
    let none = server.dig_at("127.0.0.1", &["nobody.prod.example.com"]);
    assert_eq!(none.status, "NXDOMAIN");
    world.hset(&[("nobody", "10.0.0.7")]);
    world.sees("nobody", &["10.0.0.7"]);
    let some = server.dig_at("127.0.0.1", &["nobody.prod.example.com"]);
    assert_eq!(some.answers, ["A 10.0.0.7"]);
}
