//! Buffers of every size and alignment.

use std::net::{IpAddr, Ipv4Addr};

use libc::{AF_INET, AF_INET6, ERANGE};

use crate::common::*;
use crate::fixture::*;

/// Asks with every buffer from nothing to enough, at every alignment. An answer
/// that needs much room is tried around the size it needs.
fn every_buffer(module: &Module, ask: &Ask) {
    let whole = module.ask(ask);
    assert_eq!(whole.status, SUCCESS, "{ask:?}");
    let small = Outcome::failed(TRYAGAIN, ERANGE, NETDB_INTERNAL);
    for offset in 0..16 {
        let fits = |len| {
            let outcome = module.ask_with(ask, &mut Buffer::new(offset, len));
            let fits = outcome.status == SUCCESS;
            assert_eq!(&outcome, if fits { &whole } else { &small });
            fits
        };
        let (mut low, mut high) = (0, 1 << 19);
        while low < high {
            let middle = usize::midpoint(low, high);
            if fits(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        let near = if low < 600 { low } else { 12 };
        for len in low - near..low + 12 {
            assert_eq!(
                fits(len),
                len >= low,
                "{ask:?} at {offset} needs {low}, not {len}"
            );
        }
    }
}

#[test]
fn every_buffer_is_filled_or_refused() {
    let (_daemon, module) = attached();
    for name in ["both", "primary", "six.example.com", "farm-25", "farm-100"] {
        let af = if name.starts_with("six") {
            AF_INET6
        } else {
            AF_INET
        };
        every_buffer(&module, &name2(name, af));
        every_buffer(&module, &Ask::Name3(name.into(), af));
        every_buffer(&module, &name4(name));
        every_buffer(&module, &Ask::Name4(name.into(), true));
    }
    every_buffer(&module, &Ask::Name("both".into()));
    for address in ["192.0.2.5", "fd00::5", "::ffff:192.0.2.5", "10.0.0.1"] {
        every_buffer(&module, &addr(address));
        every_buffer(&module, &Ask::Addr2(address.parse().unwrap()));
    }
}

#[test]
fn large_roles_come_whole() {
    let (_daemon, module) = attached();
    for count in [1_000_u32, 4_000] {
        let name = format!("farm-{count}");
        let whole: Vec<IpAddr> = (0..count)
            .map(|n| Ipv4Addr::from(0x0a00_0001 + n).into())
            .collect();
        for ask in [Ask::Name(name.clone()), name4(&name)] {
            assert_eq!(module.ask(&ask).answer.unwrap().addresses, whole);
            every_buffer(&module, &ask);
        }
    }
    assert_eq!(
        module
            .ask(&name4("farm-both"))
            .answer
            .unwrap()
            .addresses
            .len(),
        8_000
    );
    every_buffer(&module, &Ask::Name4("farm-both".into(), true));
    every_buffer(&module, &name2("farm-both", AF_INET6));
}
