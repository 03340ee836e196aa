//! Messages of any bytes: nothing panics, and whatever is answered can be read.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::LazyLock;

use cloudhosts_dns::answer::{Transport, refer_to_tcp};
use common::{Answers, edns, query, text};
use domain::base::iana::Rtype;
use proptest::prelude::*;

/// No writer leaves its thread, so each has its own.
fn with_answers(check: impl FnOnce(&Answers)) {
    thread_local! {
        static ANSWERS: LazyLock<Answers> = LazyLock::new(|| {
            let farm: Vec<String> = (0..500).map(|n| format!("10.1.{}.{}", n / 250, n % 250)).collect();
            Answers::new(&[
                ("web", "10.0.0.5 fd00::5"),
                ("www", "-> web"),
                ("*.apps", "10.0.2.1"),
                ("farm", &farm.join(" ")),
            ])
            .zones(&["in-addr.arpa", "ip6.arpa"])
        });
    }
    ANSWERS.with(|answers| check(answers));
}

/// An answer, if there is one, is to the question, and whole.
fn check(query: &[u8]) {
    with_answers(|answers| {
        for transport in [Transport::Udp, Transport::UdpFromStranger, Transport::Tcp] {
            let Some(answer) = answers.bytes(query, transport) else {
                continue;
            };
            assert_eq!(answer[..2], query[..2]);
            text(&answer);
            match transport {
                Transport::Udp => assert!(answer.len() <= 1232),
                Transport::UdpFromStranger => assert!(answer.len() <= 3 * query.len()),
                Transport::Tcp => {}
            }
        }
        let mut out = [0; 1232];
        if let Some(len) = refer_to_tcp(query, &mut out) {
            assert!(len <= query.len().max(12));
            text(&out[..len]);
        }
    });
}

/// A question that is right.
fn question() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        Just("web.prod.example.com".to_owned()),
        Just("farm.prod.example.com".to_owned()),
        Just("www.prod.example.com".to_owned()),
        Just("5.0.0.10.in-addr.arpa".to_owned()),
        Just("prod.example.com".to_owned()),
        "[a-z.]{0,40}".prop_map(|name| format!("{name}.prod.example.com")),
    ];
    (name, any::<u16>(), any::<u16>(), any::<bool>()).prop_map(|(name, kind, size, plain)| {
        let kind = Rtype::from_int(if kind % 2 == 0 { 1 } else { kind });
        if plain {
            query(&name, kind)
        } else {
            edns(&name, kind, size, 0)
        }
    })
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        check(&bytes);
    }

    #[test]
    fn a_header_and_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300), counts in any::<[bool; 4]>()) {
        let mut query = vec![1, 2, 1, 0];
        for count in counts {
            query.extend([0, u8::from(count)]);
        }
        query.extend(bytes);
        check(&query);
    }

    /// Labels and pointers in any mixture.
    #[test]
    fn any_name(parts in proptest::collection::vec(prop_oneof![
        (0..40u8).prop_map(|at| vec![0xc0, at]),
        "[a-c]{1,3}".prop_map(|label| {
            let mut part = vec![label.len() as u8];
            part.extend(label.bytes());
            part
        }),
        Just(vec![0]),
    ], 0..20)) {
        let mut query = vec![1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        query.extend(parts.concat());
        query.extend([0, 1, 0, 1]);
        check(&query);
    }

    #[test]
    fn a_question_with_a_byte_changed(
        question in question(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut query = question;
        let at = at.index(query.len());
        query[at] = byte;
        check(&query);
    }

    #[test]
    fn a_question_cut_off(question in question(), at in any::<prop::sample::Index>()) {
        check(&question[..at.index(question.len())]);
    }
}
