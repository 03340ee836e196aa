//! What a name costs.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod common;

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Capacity, RegionWriter, Role, RoleAnswer, Source, SourceValue};
use common::{commit, settings};

const NAMES: u32 = 100_000;

/// Does something with the `n`th role: a name of 24 bytes with one address, of
/// one plain field.
fn with_role<R>(n: u32, f: impl FnOnce(&Role<'_>) -> R) -> R {
    let name = format!("service-{n:07}.internal");
    assert_eq!(name.len(), 24);
    let v4 = [(n | 10 << 24).to_be_bytes()];
    let value = SourceValue {
        v4: &v4,
        ..SourceValue::default()
    };
    let sources = [Source {
        hash: 0,
        member: None,
        retained: false,
        value,
    }];
    f(&Role {
        name: &name,
        answer: Some(RoleAnswer::Addresses {
            v4: &v4,
            v6: &[],
            canonical: None,
        }),
        pick: 0,
        sources: &sources,
    })
}

/// The bar of the design: at most 110 bytes a name, for names of 24 bytes with
/// one IPv4 address each; with room for as many changes as there are names.
#[test]
fn a_name_costs_at_most_110_bytes() {
    let mut capacity = Capacity::default();
    for n in 0..NAMES {
        with_role(n, |role| capacity.add(role));
    }
    let mut region = RegionWriter::create(settings(), &capacity, monotonic()).unwrap();
    for n in 0..NAMES {
        with_role(n, |role| region.set(role)).unwrap();
    }
    commit(&mut region);
    let view = region.view();
    assert_eq!(
        (view.names(), view.addresses()),
        (NAMES.into(), NAMES.into())
    );
    let each = region.region().size() as f64 / f64::from(NAMES);
    let file = region.snapshot().size() as f64 / f64::from(NAMES);
    println!("{each:.1} bytes a name, {file:.1} in the file");
    assert!(each <= 110.0, "{each:.1} bytes a name");
    assert!(!region.needs_rebuild());

    // Half of them may change before there is no room left.
    for n in 0..NAMES / 2 {
        let other = n + NAMES;
        let name = format!("service-{n:07}.internal");
        with_role(other, |role| {
            region.set(&Role {
                name: &name,
                ..*role
            })
        })
        .unwrap();
    }
    commit(&mut region);
    assert!(!region.needs_rebuild());
    assert_eq!(region.view().addresses(), NAMES.into());
}
