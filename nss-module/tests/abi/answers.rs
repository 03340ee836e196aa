//! What names and addresses are answered with.

use std::net::IpAddr;

use libc::{AF_INET, AF_INET6, ENOENT};

use crate::common::*;
use crate::fixture::*;

#[test]
fn names_have_their_addresses() {
    let (_daemon, module) = attached();
    let v4 = found("both", &[], &["192.0.2.1", "192.0.2.2"]);
    let v6 = found("both", &[], &["fd00::1", "fd00::2"]);
    let all = found(
        "both",
        &[],
        &["192.0.2.1", "192.0.2.2", "fd00::1", "fd00::2"],
    );
    assert_eq!(module.ask(&Ask::Name("both".into())), v4);
    assert_eq!(module.ask(&name2("both", AF_INET)), v4);
    assert_eq!(module.ask(&name2("BOTH.", AF_INET6)), v6);
    assert_eq!(module.ask(&Ask::Name3("both".into(), AF_INET)), v4);
    assert_eq!(module.ask(&Ask::Name3("both".into(), AF_INET6)), v6);
    assert_eq!(module.ask(&name4("both")), all);
    assert_eq!(module.ask(&Ask::Name4("both".into(), true)), all);

    // Another name for it is an alias, and the target is canonical.
    let alias = found("web-master", &["primary"], &["192.0.2.5"]);
    assert_eq!(module.ask(&Ask::Name("Primary".into())), alias);
    let tuples = found("web-master", &[], &["192.0.2.5", "fd00::5"]);
    assert_eq!(module.ask(&name4("primary")), tuples);
    let domain = found("six", &["six.example.com"], &["fd00::6"]);
    assert_eq!(module.ask(&name2("six.example.com", AF_INET6)), domain);
    let wild = found("shop.apps.internal", &[], &["192.0.2.9"]);
    assert_eq!(module.ask(&Ask::Name("Shop.apps.internal".into())), wild);
}

#[test]
fn addresses_have_their_names() {
    let (_daemon, module) = attached();
    let names = ["second", "primary"];
    for ask in [addr("192.0.2.5"), Ask::Addr2("192.0.2.5".parse().unwrap())] {
        assert_eq!(
            module.ask(&ask),
            found("web-master", &names, &["192.0.2.5"])
        );
    }
    let v6 = found("web-master", &names, &["fd00::5"]);
    assert_eq!(module.ask(&addr("fd00::5")), v6);
    let mapped = "::ffff:192.0.2.5";
    assert_eq!(
        module.ask(&addr(mapped)),
        found("web-master", &names, &[mapped])
    );
    for unknown in ["192.0.2.77", "fd00::77"] {
        let missing = Outcome::failed(NOTFOUND, ENOENT, HOST_NOT_FOUND);
        assert_eq!(module.ask(&addr(unknown)), missing);
    }
}

#[test]
fn picks_are_even() {
    let (_daemon, module) = attached();
    for ask in [Ask::Name("one-of".into()), name4("one-of")] {
        let mut seen = [0; 4];
        for _ in 0..10_000 {
            let addresses = module.ask(&ask).answer.unwrap().addresses;
            let [IpAddr::V4(one)] = addresses[..] else {
                panic!("not one: {addresses:?}");
            };
            seen[usize::from(one.octets()[3]) - 1] += 1;
        }
        for count in seen {
            assert!((2_200..2_800).contains(&count), "{seen:?}");
        }
    }
}
