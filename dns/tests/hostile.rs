//! Messages of any bytes: nothing panics, and whatever is answered can be read.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/hostile.rs"]
mod hostile;

use common::{edns, query};
use domain::base::iana::Rtype;
use hostile::check;
use proptest::prelude::*;

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
