//! Nothing is allocated for an answer by UDP, whatever was asked: not in the
//! answer itself, and not on its way through the server.
#![allow(clippy::unwrap_used)]

mod common;

use std::ffi::CString;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::thread;

use allocation_counter::measure;
use cloudhosts_dns::answer::{Transport, refer_to_tcp};
use cloudhosts_dns::server::Server;
use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Order, Paths, handover};
use common::{Answers, edns, query, text};
use domain::base::iana::Rtype;

fn some() -> Answers {
    let farm: Vec<String> = (0..500)
        .map(|n| format!("10.1.{}.{}", n / 250, n % 250))
        .collect();
    let farm = farm.join(" ");
    let roles = [
        ("web", "10.0.0.5 fd00::5"),
        ("www", "-> web"),
        ("primary", "-> db.eu.internal"),
        ("db.eu.internal", "10.0.1.1"),
        ("*.apps", "10.0.2.1"),
        ("*.sites", "-> web"),
        ("farm", &farm),
        ("one", &format!("pick=1 {farm}")),
    ];
    let answers = Answers::with_order(&roles, Order::Rotate, true);
    answers.zones(&["internal", "in-addr.arpa", "ip6.arpa"])
}

/// A question, and how its answer begins.
fn kinds() -> Vec<(Vec<u8>, &'static str)> {
    let plain = |name: &str, kind| query(&format!("{name}.prod.example.com"), kind);
    let (a, aaaa) = (Rtype::A, Rtype::AAAA);
    let v6 = "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
    let changed = |at: usize, byte: u8| {
        let mut changed = plain("web", a);
        changed[at] = byte;
        changed
    };
    let mut kinds = vec![
        (plain("web", a), "NOERROR aa\nweb"),
        (plain("web", aaaa), "NOERROR aa\nweb"),
        (plain("wEb", a), "NOERROR aa\nwEb"),
        (plain("www", a), "NOERROR aa\nwww"),
        (plain("www", Rtype::MX), "NOERROR aa\nwww"),
        (plain("primary", a), "NOERROR aa\nprimary"),
        (plain("x.apps", a), "NOERROR aa\nx.apps"),
        (plain("x.sites", aaaa), "NOERROR aa\nx.sites"),
        (plain("one", a), "NOERROR aa\none"),
        (plain("farm", a), "NOERROR aa tc\nfarm"),
        (plain("web", Rtype::MX), "NOERROR aa\nauthority"),
        (plain("apps", a), "NOERROR aa\nauthority"),
        (plain("web", Rtype::ANY), "NOERROR aa\nweb"),
        (plain("nobody", a), "NXDOMAIN aa"),
        (plain("not a name", a), "NXDOMAIN aa"),
        (query("prod.example.com", Rtype::SOA), "NOERROR aa\nprod"),
        (query("prod.example.com", Rtype::NS), "NOERROR aa\nprod"),
        (query("db.eu.internal", a), "NOERROR aa\ndb"),
        (query("5.0.0.10.in-addr.arpa", Rtype::PTR), "NOERROR aa\n5"),
        (query(v6, Rtype::PTR), "NOERROR aa\n5"),
        (query("6.0.0.10.in-addr.arpa", Rtype::PTR), "NXDOMAIN aa"),
        (query("0.10.in-addr.arpa", Rtype::PTR), "NOERROR aa"),
        (query("example.com", a), "REFUSED"),
        (query("prod.example.com", Rtype::AXFR), "REFUSED"),
        (edns("web.prod.example.com", a, 4096, 0), "NOERROR aa\nweb"),
        (edns("web.prod.example.com", a, 4096, 1), "NOERROR"),
        (changed(2, 0x28), "NOTIMP"),
        (changed(5, 2), "FORMERR"),
    ];
    // who sends an answer is not answered
    kinds.push((changed(2, 0x81), ""));
    kinds.push((vec![0; 5], ""));
    kinds
}

#[test]
fn no_answer_allocates() {
    let answers = some();
    let none = Answers::none();
    let mut out = [0; 1232];
    for (query, begins) in kinds() {
        for transport in [Transport::Udp, Transport::UdpFromStranger] {
            let mut len = None;
            let counted = measure(|| len = answers.write(&query, transport, &mut out));
            assert_eq!(counted.count_total, 0, "{begins}, {transport:?}");
            let said = len.map(|len| text(&out[..len])).unwrap_or_default();
            if transport == Transport::Udp {
                assert!(said.starts_with(begins), "{begins}: {said}");
            }
            let counted = measure(|| len = none.write(&query, transport, &mut out));
            assert_eq!(counted.count_total, 0, "without a table: {begins}");
        }
        let counted = measure(|| {
            refer_to_tcp(&query, &mut out);
        });
        assert_eq!(counted.count_total, 0, "referred: {begins}");
    }
}

/// From the datagram on, by a table that was handed over as the daemon does it.
#[test]
fn the_way_through_the_server_allocates_nothing() {
    let answers = some();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let region = answers.region();
    // for as long as the test runs
    thread::spawn(move || {
        for client in listener.incoming() {
            let _ = handover::send(client.unwrap(), &region, monotonic());
        }
    });
    let socket = CString::new(path.as_os_str().as_bytes()).unwrap();
    let server = Server::new(Paths::at(&socket).unwrap(), answers.settings.clone());
    server.gather(None);
    let mut out = [0; 1232];
    for from in ["127.0.0.1:5353", "192.0.2.1:5353", "[2001:db8::1]:5353"] {
        let from: SocketAddr = from.parse().unwrap();
        let local = from.ip().is_loopback();
        for (query, begins) in kinds() {
            let mut len = None;
            let counted = measure(|| len = server.answer_datagram(&query, from, &mut out));
            assert_eq!(counted.count_total, 0, "{begins}, from {from}");
            let said = len.map(|len| text(&out[..len])).unwrap_or_default();
            assert!(!local || said.starts_with(begins), "{begins}: {said}");
        }
        // and so is one that is too many
        let (query, _) = &kinds()[0];
        let counted = measure(|| {
            for _ in 0..3000 {
                server.answer_datagram(query, from, &mut out);
            }
        });
        assert_eq!(counted.count_total, 0, "a flood, from {from}");
    }
}
