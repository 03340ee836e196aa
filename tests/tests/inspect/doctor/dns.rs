//! cloudhosts-dns, and the resolver in front of it.

use std::fs;
use std::process::Stdio;

use cloudhosts_tests::dns::DOMAIN;
use cloudhosts_tests::process::Process;
use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{DnsServer, World, config, wait};

use super::examine;

/// A world with a domain, and the configuration of a server.
fn world() -> World {
    World::new()
        .network()
        .config("domain", config::quote(DOMAIN))
        .config("dns.zones", config::list(&["internal"]))
        .hash(HASH, &[("web", "10.0.0.5")])
        .start()
}

/// Writes a file in /etc, in a directory of our own.
fn write(world: &World, path: &str, text: &str) {
    let path = world.sandbox.outside(path);
    let directory = path.parent().unwrap();
    if directory.is_symlink() {
        fs::remove_file(directory).unwrap();
    }
    fs::create_dir_all(directory).unwrap();
    // a link to the machine's
    let _ = fs::remove_file(&path);
    fs::write(path, text).unwrap();
}

/// A dnsmasq that knows nothing but what is in `more`.
fn dnsmasq(world: &World, address: &str, more: &[&str]) -> Process {
    let mut command = world.sandbox.entrance().background("dnsmasq");
    command
        .args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv"])
        .args(["--no-hosts", "--bind-interfaces", "--pid-file"])
        .arg(format!("--listen-address={address}"))
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let process = Process::start(command);
    let server = DnsServer::new(&world.sandbox);
    wait::until("dnsmasq answers", || {
        let dug = server.dig_at(address, &["+tries=1", "+timeout=1", "x.test"]);
        (!dug.status.is_empty()).then_some(())
    });
    process
}

#[test]
fn where_it_is_not_configured_nobody_is_asked() {
    let world = World::new()
        .network()
        .config("domain", config::quote(DOMAIN))
        .hash(HASH, &[("web", "10.0.0.5")])
        .start();
    // an empty table, as in the file that is shipped
    let shipped = format!("{}[dns]\n", world.config.text());
    world.daemon.configure(&shipped);
    let examined = examine(&world);
    examined.is("dns", &[]);
    examined.is("resolver", &[]);
    assert_eq!(examined.code, 0);
    write(&world, "/etc/dnsmasq.d/README", "");
    world.cloudhosts(&["dns", "enable", "--for", "dnsmasq"]);
    examine(&world).is("dns", &["no-answer"]);
}

#[test]
fn a_server_that_does_not_answer_or_answers_something_else() {
    let mut world = world();
    let examined = examine(&world);
    examined.is("dns", &["no-answer"]);
    assert_eq!(examined.code, 1);
    {
        let _other = dnsmasq(&world, "127.0.0.153", &[]);
        examine(&world).is("dns", &["not-served"]);
    }
    {
        let zone = format!("--auth-zone={DOMAIN}");
        let wrong = format!("--host-record=web.{DOMAIN},10.9.9.9");
        let server = "--auth-server=ns.example.com,127.0.0.153";
        let _other = dnsmasq(&world, "127.0.0.153", &[&zone, server, &wrong]);
        let examined = examine(&world);
        examined.is("dns", &["mismatch"]);
    }
    {
        let _server = DnsServer::start(&world);
        let examined = examine(&world);
        examined.is("dns", &["ok"]);
        examined.is("resolver", &[]);
        assert_eq!(examined.code, 0);
    }
    // the daemon has no domain, so there is no table for this one
    world.config.set("domain", config::quote("eu.example.org"));
    world.daemon.configure(&world.config.text());
    let _server = {
        let mut server = DnsServer::new(&world.sandbox);
        server.launch();
        server
    };
    wait::until("the server answers", || {
        (examine(&world).codes("dns") == ["no-table"]).then_some(())
    });
    world.daemon.configure("[dns]\nzones = ['internal']\n");
    examine(&world).is("dns", &["no-domain"]);
}

#[test]
fn a_resolver_that_does_not_lead_to_it() {
    let mut world = world();
    let _server = DnsServer::start(&world);
    let file = "/etc/dnsmasq.d/cloudhosts.conf";
    write(&world, "/etc/dnsmasq.d/README", "");
    write(&world, "/etc/resolv.conf", "nameserver 127.0.0.1\n");
    let enable = || {
        let output = world.cloudhosts(&["dns", "enable", "--for", "dnsmasq"]);
        assert!(output.status.success(), "{output:?}");
    };
    enable();
    examine(&world).is("resolver", &["no-answer"]);
    {
        let _unread = dnsmasq(&world, "127.0.0.1", &[]);
        let examined = examine(&world);
        examined.is("resolver", &["mismatch"]);
        assert_eq!(examined.code, 1);
        let remedy = examined.remedy("resolver", "mismatch");
        assert!(remedy.contains("systemctl restart dnsmasq"), "{remedy}");
        assert!(remedy.contains(file), "{remedy}");
    }
    {
        let _read = dnsmasq(&world, "127.0.0.1", &["--conf-dir=/etc/dnsmasq.d"]);
        let examined = examine(&world);
        examined.is("dns", &["ok"]);
        examined.is("resolver", &["ok"]);
        assert_eq!(examined.code, 0);
    }
    write(&world, "/etc/resolv.conf", "nameserver 192.0.2.1\n");
    examine(&world).is("resolver", &["not-asked"]);
    write(&world, "/etc/resolv.conf", "nameserver 127.0.0.1\n");
    let _read = dnsmasq(&world, "127.0.0.1", &["--conf-dir=/etc/dnsmasq.d"]);
    world
        .config
        .set("dns.zones", config::list(&["10.in-addr.arpa", "internal"]));
    world.daemon.configure(&world.config.text());
    let examined = examine(&world);
    examined.is("resolver", &["outdated", "ok"]);
    let remedy = examined.remedy("resolver", "outdated");
    assert!(
        remedy.contains("cloudhosts dns enable --for dnsmasq"),
        "{remedy}"
    );
}
