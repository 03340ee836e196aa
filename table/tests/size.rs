//! What a name costs.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::SystemTime;

use cloudhosts_table::{Builder, Order, Role, Settings, Source, View};

/// The bar of the design: at most 100 bytes a name, for names of 24 bytes with
/// one IPv4 address each; sources included, because every table has them.
#[test]
fn a_name_costs_at_most_100_bytes() {
    const NAMES: u32 = 100_000;
    let mut builder = Builder::new(Settings {
        generation: 1,
        published: SystemTime::now(),
        stale_max: None,
        order: Order::Rotate,
        domain: String::new(),
        hashes: vec!["cloudhosts".into()],
    })
    .unwrap();
    for n in 0..NAMES {
        let name = format!("service-{n:07}.internal");
        assert_eq!(name.len(), 24);
        let address = (n | 10 << 24).to_be_bytes();
        builder
            .role(Role {
                name: &name,
                canonical: None,
                v4: &[address],
                v6: &[],
                pick: 0,
            })
            .unwrap();
        let value = std::net::Ipv4Addr::from(address).to_string();
        builder.source(&Source {
            hash: 0,
            role: &name,
            member: None,
            value: value.as_bytes(),
            kept: false,
        });
    }
    let table = builder.build().unwrap();
    let view = View::open(&table).unwrap();
    assert_eq!((view.names(), view.addresses()), (NAMES, NAMES));
    assert_eq!(view.sources().count(), NAMES as usize);
    let each = table.len() as f64 / f64::from(NAMES);
    println!("{each:.1} bytes a name");
    assert!(each <= 100.0, "{each:.1} bytes a name");
}
