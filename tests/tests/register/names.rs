//! Several machines of one name, and one machine that comes back.

use std::collections::BTreeMap;

use cloudhosts_tests::process::Signal;
use cloudhosts_tests::wait;

use crate::common::{Registry, map};
use crate::leases::{LEASE, for_a_while, holder, removed, renewals};

#[test]
fn five_machines_of_one_name_are_five_members() {
    let registry = Registry::new();
    let mut five: Vec<_> = (1..=5)
        .map(|n| {
            let address = format!("10.0.0.{n}");
            registry.hold(&["web", &address, "--member", "debian", "--lease", "3s"])
        })
        .collect();
    let all: BTreeMap<String, String> = wait::until("all five are there", || {
        let hash = registry.hash();
        (hash.len() == 5).then_some(hash)
    });
    let addresses: Vec<String> = (1..=5).map(|n| format!("10.0.0.{n}")).collect();
    let mut found: Vec<String> = all.values().cloned().collect();
    found.sort();
    assert_eq!(found, addresses);
    assert!(all.contains_key("web/debian"));
    assert!(all.keys().all(|field| field.starts_with("web/debian")));
    // and nobody takes another's, however often they renew
    let entries = registry.log().len();
    renewals(&registry, 40);
    assert_eq!(registry.hash(), all);
    assert_eq!(registry.log().len(), entries);
    for one in &mut five {
        assert_eq!(one.end(Signal::TERM), Some(0), "{}", one.said());
    }
    registry.until(&[]);
}

#[test]
fn a_machine_that_comes_back_at_the_same_address_has_its_name_again() {
    let registry = Registry::new();
    let mut before = holder(&registry, "web", "a", "10.0.0.4");
    before.process.kill();
    let mut after = holder(&registry, "web", "a", "10.0.0.4");
    for_a_while(LEASE * 2, || {
        assert_eq!(registry.hash(), map(&[("web/a", "10.0.0.4")]));
    });
    assert_eq!(after.end(Signal::TERM), Some(0));
    registry.until(&[]);
}

#[test]
fn two_on_one_machine_are_there_until_both_have_ended() {
    let registry = Registry::new();
    let mut one = holder(&registry, "web", "a", "10.0.0.4");
    let mut two = holder(&registry, "web", "a", "10.0.0.4");
    wait::until_seen(
        "each has a name",
        || registry.hash(),
        |hash| hash.len() == 2,
    );
    assert_eq!(removed(&registry), 0);
    assert_eq!(one.end(Signal::TERM), Some(0));
    assert_eq!(
        registry.hash().into_values().collect::<Vec<_>>(),
        ["10.0.0.4"]
    );
    assert_eq!(two.end(Signal::TERM), Some(0));
    registry.until(&[]);
}

#[test]
fn a_machine_that_comes_back_at_another_address_has_another_name_and_the_old_one_goes() {
    let registry = Registry::new();
    let mut before = holder(&registry, "web", "a", "10.0.0.4");
    before.process.kill();
    let _after = holder(&registry, "web", "a", "10.0.0.5");
    wait::until_seen(
        "the old address is gone",
        || registry.hash().into_values().collect::<Vec<_>>(),
        |addresses| *addresses == ["10.0.0.5"],
    );
}
