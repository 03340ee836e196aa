//! Which of several addresses is answered, and in which order.
//!
//! The addresses are of one documentation network, so that glibc's sorting (RFC 6724) finds them
//! equal and leaves our order. Of 10,000 look-ups each of 4 addresses comes first 2,500 times,
//! give or take 43 (one standard deviation); the bounds are 6.9 of these away, so that chance
//! breaks a test once in 10^11 runs.

use std::collections::BTreeMap;

use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{Family, World};

const FOUR: [&str; 4] = ["203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"];
const LOOKUPS: u32 = 10_000;

fn role(attributes: &str) -> World {
    World::with(&[("web", &format!("{} {attributes}", FOUR.join(" ")))])
}

fn each_a_quarter(first: &BTreeMap<String, u64>) {
    let addresses: Vec<&str> = first.keys().map(String::as_str).collect();
    assert_eq!(addresses, FOUR, "{first:?}");
    for count in first.values() {
        assert!((2200..=2800).contains(count), "{first:?}");
    }
}

#[test]
fn pick_1_answers_each_address_a_quarter_of_the_time() {
    let world = role("pick=1");
    let caller = world.caller();
    each_a_quarter(&caller.first("gai", LOOKUPS, "web"));
    each_a_quarter(&caller.first("byname", LOOKUPS, "web"));
    for _ in 0..100 {
        assert_eq!(caller.gai(Family::Any, "-", "web").addresses.len(), 1);
    }
}

#[test]
fn rotation_answers_all_and_each_first_a_quarter_of_the_time() {
    let world = role("");
    let caller = world.caller();
    each_a_quarter(&caller.first("byname", LOOKUPS, "web"));
    each_a_quarter(&caller.first("gai", LOOKUPS, "web"));
    assert_eq!(caller.gai(Family::Any, "-", "web").sorted(), FOUR);
}

#[test]
fn pick_2_answers_two_different_addresses_and_each_half_of_the_time() {
    let world = role("pick=2");
    let caller = world.caller();
    let mut answered: BTreeMap<String, u32> = BTreeMap::new();
    // 2,000 each, give or take 32: bounds 7.8 of these away
    for _ in 0..4000 {
        let pair = caller.gai(Family::Any, "-", "web").sorted();
        assert_eq!(pair.len(), 2);
        assert_ne!(pair[0], pair[1]);
        for address in pair {
            *answered.entry(address).or_default() += 1;
        }
    }
    assert_eq!(answered.len(), 4, "{answered:?}");
    for count in answered.values() {
        assert!((1750..=2250).contains(count), "{answered:?}");
    }
}

#[test]
fn a_pick_of_more_than_there_are_answers_all() {
    let world = role("pick=9");
    assert_eq!(world.look_up("web").sorted(), FOUR);
}

#[test]
fn members_and_pointers_share_in_the_pick() {
    let world = World::with(&[
        ("web", "203.0.113.1 pick=1"),
        ("web/b", "203.0.113.2"),
        ("web/c", "203.0.113.3"),
        ("web/d", "203.0.113.4"),
        ("www", "web"),
    ]);
    each_a_quarter(&world.caller().first("gai", LOOKUPS, "web"));
    each_a_quarter(&world.caller().first("gai", LOOKUPS, "www"));
}

#[test]
fn fresh_processes_do_not_all_choose_the_same() {
    let world = role("pick=1");
    // the same one 40 times by chance: once in 10^23
    let answers: std::collections::BTreeSet<_> = (0..40)
        .map(|_| world.prints("getent", &["ahostsv4", "web"]))
        .collect();
    assert!(answers.len() > 1, "{answers:?}");
}

#[test]
fn with_a_fixed_order_addresses_come_as_they_were_written() {
    let written = ["203.0.113.3", "203.0.113.1", "203.0.113.4", "203.0.113.2"];
    let world = World::new()
        .hash(HASH, &[("web", &written.join(" "))])
        .config("order", "'fixed'")
        .start();
    let caller = world.caller();
    for _ in 0..100 {
        assert_eq!(caller.by_name("web").addresses, written);
        assert_eq!(caller.gai(Family::Any, "-", "web").addresses, written);
    }
}
