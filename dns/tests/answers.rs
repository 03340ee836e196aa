//! What is answered, of a table in this process.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use cloudhosts_dns::answer::{Transport, refer_to_tcp};
use cloudhosts_dns::zone::Zones;
use cloudhosts_table::{Name, Order};
use common::{Answers, DOMAIN, edns, query, text};
use domain::base::Message;
use domain::base::iana::Rtype;

/// What ends an answer that has no records.
const SOA: &str =
    "authority: prod.example.com 0 SOA prod.example.com. nobody.invalid. 42 3600 60 86400 0";

fn some() -> Answers {
    Answers::new(&[
        ("web", "10.0.0.5 fd00::5"),
        ("www", "-> web"),
        ("db.eu.internal", "10.0.1.1"),
        ("primary", "-> db.eu.internal"),
        ("*.apps", "10.0.2.1"),
        ("*.sites", "-> web"),
        ("cdn.prod.example.com", "10.0.3.1"),
    ])
}

#[test]
fn a_role_answers_below_the_domain() {
    let answers = some();
    let a = "NOERROR aa\nweb.prod.example.com 0 A 10.0.0.5";
    assert_eq!(answers.ask("web.prod.example.com", Rtype::A), a);
    let aaaa = "NOERROR aa\nweb.prod.example.com 0 AAAA fd00::5";
    assert_eq!(answers.ask("web.prod.example.com", Rtype::AAAA), aaaa);
    let long = "NOERROR aa\ndb.eu.internal.prod.example.com 0 A 10.0.1.1";
    assert_eq!(
        answers.ask("db.eu.internal.prod.example.com", Rtype::A),
        long
    );
    let own = "NOERROR aa\ncdn.prod.example.com 0 A 10.0.3.1";
    assert_eq!(answers.ask("cdn.prod.example.com", Rtype::A), own);
    let wildcard = "NOERROR aa\nshop.apps.prod.example.com 0 A 10.0.2.1";
    assert_eq!(
        answers.ask("shop.apps.prod.example.com", Rtype::A),
        wildcard
    );
}

#[test]
fn an_alias_is_a_cname_and_what_it_leads_to() {
    let answers = some();
    let cname = "www.prod.example.com 0 CNAME web.prod.example.com.";
    let a = format!("NOERROR aa\n{cname}\nweb.prod.example.com 0 A 10.0.0.5");
    assert_eq!(answers.ask("www.prod.example.com", Rtype::A), a);
    for alone in [Rtype::CNAME, Rtype::ANY] {
        let alone = answers.ask("www.prod.example.com", alone);
        assert_eq!(alone, format!("NOERROR aa\n{cname}"));
    }
    let no_data = format!("NOERROR aa\n{cname}\n{SOA}");
    assert_eq!(answers.ask("www.prod.example.com", Rtype::MX), no_data);
    let below = "primary.prod.example.com 0 CNAME db.eu.internal.prod.example.com.";
    let below = format!("NOERROR aa\n{below}\ndb.eu.internal.prod.example.com 0 A 10.0.1.1");
    assert_eq!(answers.ask("primary.prod.example.com", Rtype::A), below);
    let wildcard = "a.sites.prod.example.com 0 CNAME web.prod.example.com.";
    let wildcard = format!("NOERROR aa\n{wildcard}\nweb.prod.example.com 0 A 10.0.0.5");
    assert_eq!(answers.ask("a.sites.prod.example.com", Rtype::A), wildcard);
}

#[test]
fn a_cname_leads_to_a_name_in_a_zone_of_ours() {
    let answers = some().zones(&["internal"]);
    let cname = "primary.prod.example.com 0 CNAME db.eu.internal.";
    let a = format!("NOERROR aa\n{cname}\ndb.eu.internal 0 A 10.0.1.1");
    assert_eq!(answers.ask("primary.prod.example.com", Rtype::A), a);
    let own = "NOERROR aa\ndb.eu.internal 0 A 10.0.1.1";
    assert_eq!(answers.ask("db.eu.internal", Rtype::A), own);
}

/// The role `web` is not reachable below the domain: another has that name.
#[test]
fn no_cname_leads_to_another_role() {
    let answers = Answers::new(&[
        ("web", "10.0.0.5"),
        ("web.prod.example.com", "-> web"),
        ("www", "-> web"),
        ("db", "10.0.0.6"),
        ("db.prod.example.com", "10.9.9.9"),
        ("primary", "-> db"),
    ]);
    for (name, address) in [
        ("web", "10.0.0.5"),
        ("www", "10.0.0.5"),
        ("primary", "10.0.0.6"),
    ] {
        let name = format!("{name}.{DOMAIN}");
        let flat = format!("NOERROR aa\n{name} 0 A {address}");
        assert_eq!(answers.ask(&name, Rtype::A), flat);
    }
}

#[test]
fn a_name_without_data_is_not_a_name_that_is_not_there() {
    let answers = some();
    let (no_data, no_name) = (format!("NOERROR aa\n{SOA}"), format!("NXDOMAIN aa\n{SOA}"));
    for there in [
        "web",
        // names above roles
        "eu.internal",
        "internal",
        "apps",
        "sites",
    ] {
        let name = format!("{there}.{DOMAIN}");
        assert_eq!(answers.ask(&name, Rtype::MX), no_data, "{there}");
    }
    assert_eq!(answers.ask(DOMAIN, Rtype::A), no_data);
    for nowhere in ["nobody", "x.internal", "a.web", "a b", "ternal", "a\\.apps"] {
        let name = format!("{nowhere}.{DOMAIN}");
        assert_eq!(answers.ask(&name, Rtype::A), no_name, "{nowhere}");
        assert_eq!(answers.ask(&name, Rtype::ANY), no_name, "{nowhere}");
    }
}

/// A dot inside a label separates nothing.
#[test]
fn a_dot_in_a_label_is_no_dot() {
    let answers = some();
    let mut dotted = query("db.internal.prod.example.com", Rtype::A);
    dotted.splice(12..24, *b"\x0bdb.internal");
    let answer = answers.bytes(&dotted, Transport::Udp).unwrap();
    assert!(text(&answer).starts_with("NXDOMAIN aa"));
    let mut outside = query("x.prod.example.com", Rtype::A);
    outside.splice(12..19, *b"\x06x.prod");
    let answer = answers.bytes(&outside, Transport::Udp).unwrap();
    assert_eq!(text(&answer), "REFUSED");
}

#[test]
fn the_top_of_a_zone() {
    let answers = some();
    let soa = format!("NOERROR aa\n{}", SOA.trim_start_matches("authority: "));
    assert_eq!(answers.ask(DOMAIN, Rtype::SOA), soa);
    let ns = "NOERROR aa\nprod.example.com 0 NS prod.example.com.";
    assert_eq!(answers.ask(DOMAIN, Rtype::NS), ns);
    // a role of that name has no CNAME there, beside SOA and NS
    let answers = Answers::new(&[("prod.example.com", "-> web"), ("web", "10.0.0.5")]);
    let flat = "NOERROR aa\nprod.example.com 0 A 10.0.0.5";
    assert_eq!(answers.ask(DOMAIN, Rtype::A), flat);
}

#[test]
fn who_asks_for_anything_gets_one_record() {
    let answers = some();
    for name in ["web", "eu.internal"] {
        let answer = answers.ask(&format!("{name}.{DOMAIN}"), Rtype::ANY);
        let hinfo = format!("NOERROR aa\n{name}.{DOMAIN} 0 HINFO");
        assert!(answer.starts_with(&hinfo), "{answer}");
        assert!(answer.contains("RFC8482"), "{answer}");
        assert_eq!(answer.lines().count(), 2);
    }
}

#[test]
fn addresses_have_names_where_that_is_asked_for() {
    let answers = some().zones(&["10.in-addr.arpa", "d.f.ip6.arpa"]);
    let ptr = "NOERROR aa\n5.0.0.10.in-addr.arpa 0 PTR web.prod.example.com.";
    assert_eq!(answers.ask("5.0.0.10.in-addr.arpa", Rtype::PTR), ptr);
    let host = "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
    let ptr = format!("NOERROR aa\n{host} 0 PTR web.prod.example.com.");
    assert_eq!(answers.ask(host, Rtype::PTR), ptr);
    let code = |name: &str, kind| {
        let answer = answers.ask(name, kind);
        answer.split('\n').next().unwrap().to_owned()
    };
    assert_eq!(code("5.0.0.10.in-addr.arpa", Rtype::A), "NOERROR aa");
    assert_eq!(code("0.0.10.in-addr.arpa", Rtype::PTR), "NOERROR aa");
    assert_eq!(code("6.0.0.10.in-addr.arpa", Rtype::PTR), "NXDOMAIN aa");
    assert_eq!(code("x.10.in-addr.arpa", Rtype::PTR), "NXDOMAIN aa");
    assert_eq!(code("5.0.0.11.in-addr.arpa", Rtype::PTR), "REFUSED");
    assert_eq!(code("10.in-addr.arpa", Rtype::SOA), "NOERROR aa");
    let silent = Answers::with_order(&[("web", "10.0.0.5")], Order::Fixed, false);
    let silent = silent.zones(&["10.in-addr.arpa"]);
    let answer = silent.ask("5.0.0.10.in-addr.arpa", Rtype::PTR);
    assert!(answer.starts_with("NXDOMAIN aa"), "{answer}");
}

#[test]
fn what_is_not_ours_is_refused() {
    let answers = some();
    for name in [
        "example.com",
        "web",
        "",
        "xprod.example.com",
        "5.0.0.10.in-addr.arpa",
    ] {
        assert_eq!(answers.ask(name, Rtype::A), "REFUSED", "{name}");
    }
    assert_eq!(answers.ask(DOMAIN, Rtype::AXFR), "REFUSED");
    let mut chaos = query("web.prod.example.com", Rtype::A);
    *chaos.last_mut().unwrap() = 3;
    let answer = answers.bytes(&chaos, Transport::Udp).unwrap();
    assert_eq!(text(&answer), "REFUSED");
}

#[test]
fn without_a_table_it_is_our_failure() {
    let none = Answers::none();
    assert_eq!(none.ask("web.prod.example.com", Rtype::A), "SERVFAIL");
    assert_eq!(none.ask("example.com", Rtype::A), "REFUSED");
}

/// The daemon has not read the configuration again yet.
#[test]
fn by_a_table_of_another_domain_nothing_is_denied() {
    let mut answers = some();
    let other = Name::parse(b"other.example").unwrap();
    answers.settings.zones = Zones::new(other, &[]).unwrap();
    assert_eq!(answers.ask("web.other.example", Rtype::A), "SERVFAIL");
    assert_eq!(answers.ask("web.prod.example.com", Rtype::A), "REFUSED");
}

#[test]
fn case_comes_back_as_it_went() {
    let asked = query("wEb.PrOd.eXaMpLe.COM", Rtype::A);
    let answer = some().bytes(&asked, Transport::Udp).unwrap();
    assert_eq!(&answer[12..asked.len()], &asked[12..]);
    assert_eq!(
        text(&answer),
        "NOERROR aa\nwEb.PrOd.eXaMpLe.COM 0 A 10.0.0.5"
    );
    let header = Message::from_octets(&*answer).unwrap().header();
    assert_eq!(header.id(), 0x1234);
    assert!(header.rd());
}

#[test]
fn what_is_no_question() {
    let answers = some();
    let good = query("web.prod.example.com", Rtype::A);
    let code = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut query = good.clone();
        change(&mut query);
        let answer = answers.bytes(&query, Transport::Udp);
        answer.map(|answer| text(&answer))
    };
    let is = |text: &str| Some(text.to_owned());
    // an answer is never answered, and neither is less than a header
    assert_eq!(code(&|query| query[2] |= 0x80), None);
    assert_eq!(code(&|query| query.truncate(11)), None);
    // NOTIFY, UPDATE
    assert_eq!(code(&|query| query[2] |= 4 << 3), is("NOTIMP"));
    assert_eq!(code(&|query| query[2] |= 5 << 3), is("NOTIMP"));
    assert_eq!(code(&|query| query.truncate(20)), is("FORMERR"));
    assert_eq!(code(&|query| query[5] = 0), is("FORMERR"));
    assert_eq!(code(&|query| query[5] = 2), is("FORMERR"));
    assert_eq!(code(&|query| query[11] = 1), is("FORMERR"));
    // a name that points at itself, ahead, and in a circle
    for pointer in [12, 20, 14] {
        let circle = |query: &mut Vec<u8>| {
            query.truncate(12);
            query.extend([0xc0, pointer, 0xc0, 12, 0, 1, 0, 1]);
        };
        assert_eq!(code(&circle), is("FORMERR"), "{pointer}");
    }
    // a name that points into the header
    let header = |query: &mut Vec<u8>| {
        query.truncate(12);
        query.extend([0xc0, 4, 0, 1, 0, 1]);
    };
    assert_eq!(code(&header), is("FORMERR"));
    let twice = |query: &mut Vec<u8>| {
        query[11] = 2;
        query.extend([0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0].repeat(2));
    };
    assert_eq!(code(&twice), is("FORMERR"));
}

/// The code of the header and the EDNS record together, and how long that says
/// an answer may be.
fn edns_of(answer: &[u8]) -> Option<(u16, u16)> {
    let message = Message::from_octets(answer).unwrap();
    let opt = message.opt()?;
    Some((message.opt_rcode().to_int(), opt.udp_payload_size()))
}

#[test]
fn edns_is_answered_with_edns() {
    let answers = some();
    let asked = edns("web.prod.example.com", Rtype::A, 4096, 0);
    let answer = answers.bytes(&asked, Transport::Udp).unwrap();
    assert_eq!(edns_of(&answer), Some((0, 1232)));
    let newer = edns("web.prod.example.com", Rtype::A, 4096, 1);
    let answer = answers.bytes(&newer, Transport::Udp).unwrap();
    assert_eq!(edns_of(&answer), Some((16, 1232)));
    assert_eq!(
        Message::from_octets(&*answer)
            .unwrap()
            .header_counts()
            .ancount(),
        0
    );
    let plain = query("web.prod.example.com", Rtype::A);
    assert_eq!(
        edns_of(&answers.bytes(&plain, Transport::Udp).unwrap()),
        None
    );
}

/// 500 addresses.
fn farm() -> Answers {
    let addresses: Vec<String> = (0..500)
        .map(|n| format!("10.1.{}.{}", n / 250, n % 250))
        .collect();
    Answers::new(&[
        ("farm", &addresses.join(" ")),
        ("one", &format!("pick=1 {}", addresses.join(" "))),
    ])
}

#[test]
fn what_does_not_fit_is_cut_off_and_says_so() {
    let farm = farm();
    let lengths = [
        (
            query("farm.prod.example.com", Rtype::A),
            Transport::Udp,
            512,
            true,
        ),
        (
            edns("farm.prod.example.com", Rtype::A, 100, 0),
            Transport::Udp,
            512,
            true,
        ),
        (
            edns("farm.prod.example.com", Rtype::A, 1000, 0),
            Transport::Udp,
            1000,
            true,
        ),
        (
            edns("farm.prod.example.com", Rtype::A, 4096, 0),
            Transport::Udp,
            1232,
            true,
        ),
        (
            edns("farm.prod.example.com", Rtype::A, 4096, 0),
            Transport::Tcp,
            65535,
            false,
        ),
    ];
    for (asked, transport, most, cut) in lengths {
        let answer = farm.bytes(&asked, transport).unwrap();
        let message = Message::from_octets(&*answer).unwrap();
        assert_eq!(message.header().tc(), cut, "{most}");
        assert!(answer.len() <= most, "{} of {most}", answer.len());
        // who can't ask by TCP has as many as there is room for
        let records = usize::from(message.header_counts().ancount());
        let fill = if cut { (most - asked.len()) / 16 } else { 500 };
        assert_eq!(records, fill, "{most}");
        assert_eq!(text(&answer).lines().count(), 1 + records);
    }
}

#[test]
fn a_stranger_gets_three_times_what_it_sent() {
    let farm = farm();
    let asked = edns("farm.prod.example.com", Rtype::A, 4096, 0);
    let answer = farm.bytes(&asked, Transport::UdpFromStranger).unwrap();
    assert!(answer.len() <= 3 * asked.len(), "{}", answer.len());
    assert!(Message::from_octets(&*answer).unwrap().header().tc());
    let mut out = [0; 512];
    let len = refer_to_tcp(&asked, &mut out).unwrap();
    assert!(len <= asked.len());
    assert_eq!(text(&out[..len]), "NOERROR tc");
    // an answer of the common kind fits
    let one = edns("one.prod.example.com", Rtype::A, 1232, 0);
    let answer = farm.bytes(&one, Transport::UdpFromStranger).unwrap();
    assert!(!Message::from_octets(&*answer).unwrap().header().tc());
    let none = query("nobody.prod.example.com", Rtype::A);
    let answer = farm.bytes(&none, Transport::UdpFromStranger).unwrap();
    assert!(!Message::from_octets(&*answer).unwrap().header().tc());
}

#[test]
fn pick_and_order_are_the_tables() {
    let farm = farm();
    let firsts: BTreeSet<String> = (0..50)
        .map(|_| farm.ask("one.prod.example.com", Rtype::A))
        .inspect(|answer| assert_eq!(answer.lines().count(), 2))
        .collect();
    assert!(firsts.len() > 10, "{firsts:?}");
    let web = [("web", "10.0.0.1 10.0.0.2 10.0.0.3")];
    let orders = |answers: Answers| -> BTreeSet<String> {
        let asks = (0..50).map(|_| answers.ask("web.prod.example.com", Rtype::A));
        asks.collect()
    };
    assert_eq!(
        orders(Answers::with_order(&web, Order::Fixed, true)).len(),
        1
    );
    assert_eq!(
        orders(Answers::with_order(&web, Order::Rotate, true)).len(),
        3
    );
}

#[test]
fn the_ttl_is_what_is_configured_and_nothing_is_not_kept() {
    let mut answers = some();
    answers.settings.ttl = 5;
    let a = answers.ask("web.prod.example.com", Rtype::A);
    assert_eq!(a, "NOERROR aa\nweb.prod.example.com 5 A 10.0.0.5");
    let none = answers.ask("nobody.prod.example.com", Rtype::A);
    assert_eq!(none, format!("NXDOMAIN aa\n{SOA}"));
}

/// The zone of what a CNAME leads to says that there is nothing (RFC 2308).
#[test]
fn what_is_missing_behind_a_cname_is_told_by_the_zone_it_leads_to() {
    let answers = some().zones(&["internal"]);
    let cname = "primary.prod.example.com 0 CNAME db.eu.internal.";
    let soa = "authority: internal 0 SOA internal. nobody.invalid. 42 3600 60 86400 0";
    let no_data = format!("NOERROR aa\n{cname}\n{soa}");
    assert_eq!(
        answers.ask("primary.prod.example.com", Rtype::AAAA),
        no_data
    );
    assert_eq!(answers.ask("primary.prod.example.com", Rtype::MX), no_data);
}

#[test]
fn a_referral_to_tcp_has_an_edns_record_where_the_question_has() {
    let mut out = [0; 512];
    let asked = edns("web.prod.example.com", Rtype::A, 4096, 0);
    let len = refer_to_tcp(&asked, &mut out).unwrap();
    assert_eq!(edns_of(&out[..len]), Some((0, 1232)));
    let asked = query("web.prod.example.com", Rtype::A);
    let len = refer_to_tcp(&asked, &mut out).unwrap();
    assert_eq!(edns_of(&out[..len]), None);
}

/// No byte of a label has a meaning but letters, whose case is none.
#[test]
fn names_of_any_bytes_are_not_there() {
    let answers = some();
    for byte in (0..=255u8).filter(|byte| !byte.is_ascii_alphanumeric() && !b"-_".contains(byte)) {
        let mut asked = query("wXb.prod.example.com", Rtype::A);
        asked[14] = byte;
        let answer = answers.bytes(&asked, Transport::Udp).unwrap();
        let end = asked.len();
        assert_eq!(&answer[12..end], &asked[12..end], "{byte}");
        assert!(text(&answer).starts_with("NXDOMAIN aa"), "{byte}");
        // and below a wildcard
        let mut asked = query("wXb.apps.prod.example.com", Rtype::A);
        asked[14] = byte;
        let answer = answers.bytes(&asked, Transport::Udp).unwrap();
        assert!(text(&answer).starts_with("NXDOMAIN aa"), "{byte}");
    }
}

/// A name in a message has 255 bytes at most, which are 253 as text.
#[test]
fn the_longest_names() {
    let label = "a".repeat(63);
    let below = format!("{label}.{label}.{label}.{}", "b".repeat(44));
    let own = format!("{label}.{label}.{label}.{}", "b".repeat(61));
    let answers = Answers::new(&[
        (&below, "10.0.0.5"),
        (&own, "10.0.0.6"),
        ("to-below", &format!("-> {below}")),
        ("to-own", &format!("-> {own}")),
    ]);
    let name = format!("{below}.{DOMAIN}");
    assert_eq!(name.len(), 253);
    let a = format!("NOERROR aa\n{name} 0 A 10.0.0.5");
    assert_eq!(answers.ask(&name, Rtype::A), a);
    let cname = format!("NOERROR aa\nto-below.{DOMAIN} 0 CNAME {name}.\n{name} 0 A 10.0.0.5");
    assert_eq!(answers.ask(&format!("to-below.{DOMAIN}"), Rtype::A), cname);
    // no name below the domain would be that long, so there is no CNAME to it
    let flat = format!("NOERROR aa\nto-own.{DOMAIN} 0 A 10.0.0.6");
    assert_eq!(answers.ask(&format!("to-own.{DOMAIN}"), Rtype::A), flat);
    assert_eq!(answers.ask(&own, Rtype::A), "REFUSED");
}

/// By the types that are no types of records, and of classes that are not ours.
#[test]
fn types_and_classes_of_all_kinds() {
    let answers = some();
    for kind in [0, 41, 43, 46, 64, 65, 128, 249, 250, 253, 254, 257, 65535] {
        let answer = answers.ask("web.prod.example.com", Rtype::from_int(kind));
        assert_eq!(answer, format!("NOERROR aa\n{SOA}"), "{kind}");
    }
    assert_eq!(answers.ask("web.prod.example.com", Rtype::IXFR), "REFUSED");
    for class in [0, 3, 4, 254, 255] {
        let mut asked = query("web.prod.example.com", Rtype::A);
        *asked.last_mut().unwrap() = class;
        let answer = answers.bytes(&asked, Transport::Udp).unwrap();
        assert_eq!(text(&answer), "REFUSED", "{class}");
    }
}

/// Who sends no header of a question gets nothing that it could answer in turn:
/// two servers never talk to each other.
#[test]
fn no_answer_is_answered() {
    let answers = some();
    for asked in [
        query("web.prod.example.com", Rtype::A),
        query("nobody.prod.example.com", Rtype::A),
        query("example.com", Rtype::A),
        edns("web.prod.example.com", Rtype::A, 512, 1),
        vec![0; 12],
        vec![0x12, 0x34, 0x28, 0, 0, 1, 0, 0, 0, 0, 0, 0],
    ] {
        for transport in [Transport::Udp, Transport::UdpFromStranger, Transport::Tcp] {
            let answer = answers.bytes(&asked, transport).unwrap();
            assert_eq!(answers.bytes(&answer, transport), None);
            let mut out = [0; 512];
            assert_eq!(refer_to_tcp(&answer, &mut out), None);
        }
    }
}
