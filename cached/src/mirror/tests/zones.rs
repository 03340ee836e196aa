//! Members of this machine's zone come first.

use super::*;

/// The addresses of a role by themselves.
fn addresses(fleet: &Fleet, name: &str) -> String {
    let answer = fleet.resolve(name);
    answer
        .split_once(' ')
        .map(|(_, at)| at.to_owned())
        .unwrap_or_default()
}

const FARM: [(&str, &str); 4] = [
    ("web/a", "10.0.0.1 zone=eu-1a"),
    ("web/b", "10.0.0.2 zone=eu-1b"),
    ("web/c", "10.0.0.3 zone=eu-1a"),
    ("web/d", "10.0.0.4"),
];

#[test]
fn the_own_zone_answers_while_it_has_members_and_all_do_otherwise() {
    let mut fleet = Fleet::new("zone = 'EU-1a'");
    fleet.live(&FARM);
    assert_eq!(addresses(&fleet, "web"), "10.0.0.1 10.0.0.3");
    fleet.live(&FARM[1..]);
    assert_eq!(addresses(&fleet, "web"), "10.0.0.3");
    let others = [FARM[1], FARM[3]];
    assert_eq!(fleet.changes(&others), ["web"]);
    assert_eq!(addresses(&fleet, "web"), "10.0.0.2 10.0.0.4");
    // one that is alone answers, wherever it is
    fleet.live(&FARM[1..2]);
    assert_eq!(addresses(&fleet, "web"), "10.0.0.2");
    // a member of another zone that comes or goes is no change
    fleet.live(&FARM[..1]);
    assert_eq!(fleet.changes(&FARM[..2]), Vec::<String>::new());
    assert_eq!(addresses(&fleet, "web"), "10.0.0.1");
}

#[test]
fn a_machine_without_a_zone_answers_all() {
    let mut fleet = Fleet::new("");
    fleet.live(&FARM);
    assert_eq!(
        addresses(&fleet, "web"),
        "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4"
    );
}

#[test]
fn a_reload_applies_another_zone_at_once() {
    let mut fleet = Fleet::new("zone = 'eu-1a'");
    fleet.live(&FARM);
    fleet.reload("zone = 'eu-1b'");
    assert_eq!(addresses(&fleet, "web"), "10.0.0.2");
    fleet.reload("zone = 'us-2c'");
    assert_eq!(
        addresses(&fleet, "web"),
        "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4"
    );
    fleet.restart();
    assert_eq!(fleet.problems(), Vec::<String>::new());
}

#[test]
fn a_member_that_points_counts_while_it_leads_to_an_address() {
    let mut fleet = Fleet::new("zone = 'a'");
    let farm = [
        ("web/x", "pair zone=a"),
        ("web/y", "10.0.0.9 zone=b"),
        ("pair/1", "10.0.0.1 zone=a"),
        ("pair/2", "10.0.0.2 zone=b"),
    ];
    fleet.live(&farm);
    assert_eq!(addresses(&fleet, "web"), "10.0.0.1");
    fleet.live(&farm[..2]);
    assert_eq!(addresses(&fleet, "web"), "10.0.0.9", "one that dangles");
    // farms in a circle have one answer
    fleet.live(&[
        ("p/1", "10.0.0.1 zone=b"),
        ("p/2", "q"),
        ("q/1", "10.0.0.2 zone=a"),
        ("q/2", "p"),
    ]);
    for role in ["p", "q"] {
        assert_eq!(addresses(&fleet, role), "10.0.0.2", "{role}");
    }
}

#[test]
fn only_those_that_answer_say_how_many_are_picked() {
    let mut fleet = Fleet::new("zone = 'a'");
    let farm = [
        ("web/1", "10.0.0.1 pick=2 zone=a"),
        ("web/2", "10.0.0.2 10.0.0.3 zone=a"),
        ("web/3", "10.0.0.4 pick=1 zone=b"),
    ];
    fleet.live(&farm);
    assert_eq!(
        addresses(&fleet, "web"),
        "10.0.0.1 10.0.0.2 10.0.0.3 pick=2"
    );
    fleet.reload("");
    assert!(addresses(&fleet, "web").ends_with(" 10.0.0.4 pick=1"));
}
