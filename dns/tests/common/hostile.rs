//! Answers to messages of any bytes; the fuzz target has this too.
#![allow(clippy::unwrap_used)]

use std::cell::LazyCell;

use cloudhosts_dns::answer::{Transport, refer_to_tcp};

use crate::common::{Answers, text};

/// No writer leaves its thread, so each has its own.
fn with_answers(check: impl FnOnce(&Answers)) {
    thread_local! {
        static ANSWERS: LazyCell<Answers> = LazyCell::new(|| {
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
pub(crate) fn check(query: &[u8]) {
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
