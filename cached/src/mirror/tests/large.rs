//! Many names, and pointers that somebody meant to be a burden: each comes to
//! an end, and soon.

use std::time::{Duration, Instant};

use super::*;

/// What a batch may take here at most: far more than it does, on a machine that
/// is busy, and far less than if it went through all there is for each role.
const SOON: Duration = Duration::from_secs(300);

impl Fleet {
    /// Sets these fields of the first hash, and leaves all others.
    fn set(&mut self, fields: impl IntoIterator<Item = (String, String)>) -> Changed {
        let mut changes = Changes::default();
        for (field, value) in fields {
            changes
                .set
                .push(field.as_bytes(), value.as_bytes())
                .unwrap();
        }
        let start = Instant::now();
        let changed = self.mirror.apply(&batch(0, changes));
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        changed
    }

    fn set_one(&mut self, field: &str, value: &str) -> Changed {
        self.set([(field.to_owned(), value.to_owned())])
    }
}

fn roles(roles: &[&str]) -> Changed {
    Changed::Roles(roles.iter().map(|&role| role.into()).collect())
}

#[test]
fn a_hub_that_moves_leaves_its_aliases_alone() {
    let mut fleet = Fleet::new("");
    fleet.set((0..100_000).map(|n| (format!("alias-{n}"), "hub".into())));
    assert_eq!(fleet.mirror.rejected().count, 100_000, "all of them dangle");
    let Changed::Roles(changed) = fleet.set_one("hub/1", "10.0.0.1") else {
        unreachable!("one field is followed");
    };
    assert_eq!(changed.len(), 100_001);
    assert_eq!(fleet.mirror.rejected().count, 0);
    assert_eq!(fleet.set_one("hub/2", "10.0.0.2"), roles(&["hub"]));
    fleet.set_one("far", "alias-7");
    fleet.set_one("union/1", "alias-7");
    fleet.set_one("union/2", "10.0.0.9");
    assert_eq!(fleet.set_one("hub/3", "10.0.0.3"), roles(&["hub", "union"]));
    fleet.make_table();
    assert_eq!(fleet.resolve("far"), "hub 10.0.0.1 10.0.0.2 10.0.0.3");
    assert_eq!(
        fleet.resolve("union"),
        "union 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.9"
    );
}

#[test]
fn farms_of_pointers_at_farms_of_pointers_in_circles_come_to_an_end() {
    let mut fleet = Fleet::new("");
    let all = |n: usize| (0..200).map(move |m| (format!("c{n}/m{m}"), format!("c{m}")));
    fleet.set((0..200).flat_map(all));
    fleet.make_table();
    assert_eq!(fleet.resolve("c7"), "");
    assert_eq!(fleet.mirror.rejected().count, 40_000);
    // One address anywhere is everybody's.
    let Changed::Roles(changed) = fleet.set_one("c3/address", "10.0.0.1") else {
        unreachable!("one field is followed");
    };
    assert_eq!(changed.len(), 200);
    fleet.make_table();
    assert_eq!(fleet.resolve("c7"), "c7 10.0.0.1");
    assert_eq!(fleet.mirror.rejected().count, 0);
}

#[test]
fn layers_of_farms_that_each_point_at_all_of_the_next_come_to_an_end() {
    let mut fleet = Fleet::new("");
    let layer = |n: usize| {
        (0..30).flat_map(move |from| {
            (0..30).map(move |to| {
                let value = match n {
                    7 => format!("10.{from}.{to}.1"),
                    _ => format!("l{}-{to}", n + 1),
                };
                (format!("l{n}-{from}/m{to}"), value)
            })
        })
    };
    fleet.set((0..8).flat_map(layer));
    fleet.make_table();
    assert_eq!(fleet.resolve("l6-0").split(' ').count(), 901);
    assert_eq!(fleet.resolve("l0-0").split(' ').count(), 901);
}

#[test]
fn a_nest_of_farms_far_deeper_than_any_stack_comes_to_an_end() {
    let mut fleet = Fleet::new("");
    let nested = |n: usize| {
        let inner = (format!("f{n}/inner"), format!("f{}", n + 1));
        [inner, (format!("f{n}/own"), format!("10.0.{}.1", n % 10))]
    };
    fleet.set((0..20_000).flat_map(nested));
    let last = "f20000";
    let Changed::Roles(changed) = fleet.set_one(last, "10.1.0.1") else {
        unreachable!("one field is followed");
    };
    assert_eq!(changed.len(), 20_001);
    fleet.make_table();
    assert_eq!(fleet.resolve("f0").split(' ').count(), 12);
}

#[test]
fn a_farm_of_more_members_than_fit_is_answered_in_part() {
    let mut fleet = Fleet::new("");
    let member = |n: usize| (format!("web/m{n}"), format!("10.{}.{}.1", n / 250, n % 250));
    fleet.set((0..40_000).map(member));
    assert!(fleet.problems()[0].contains("more than 16384 addresses"));
    assert_eq!(fleet.set_one("web/m1", "10.200.0.1"), roles(&["web"]));
    fleet.make_table();
    assert_eq!(fleet.resolve("web").split(' ').count(), 1 + 16_384);
}

#[test]
fn a_wildcard_over_entries_of_their_own_is_nobodys_matter() {
    let mut fleet = Fleet::new("");
    let entry = |n: usize| (format!("e{n}.in"), "10.0.0.1".into());
    let alias = |n: usize| (format!("a{n}"), format!("e{n}.in"));
    fleet.set((0..20_000).map(entry));
    fleet.set((0..20_000).map(alias));
    assert_eq!(fleet.set_one("*.in", "10.0.0.2"), roles(&["*.in"]));
    let start = Instant::now();
    for n in 0..300 {
        fleet.set_one("*.in", &format!("10.0.1.{}", n % 250));
    }
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[test]
fn a_large_batch_comes_to_the_same_as_small_ones() {
    let fields = |n: usize| match n % 4 {
        0 => (format!("r{n}"), format!("r{}", n + 1)),
        1 => (format!("r{n}/m"), format!("r{}", n + 1)),
        2 => (format!("R{n}"), "10.0.0.1 weight=2".into()),
        _ => (format!("r{n}"), "what?".into()),
    };
    let mut at_once = Fleet::new("");
    assert_eq!(at_once.set((0..4_000).map(fields)), Changed::All);
    let mut in_steps = Fleet::new("");
    for start in (0..4_000).step_by(500) {
        let changed = in_steps.set((start..start + 500).map(fields));
        assert!(matches!(changed, Changed::Roles(_)));
    }
    let state = |fleet: &Fleet| {
        let mirror = &fleet.mirror;
        format!("{:?} {:?} {:?}", mirror.fields, mirror.graph, mirror.faults)
    };
    assert_eq!(state(&at_once), state(&in_steps));
    assert_eq!(at_once.mirror.rejected(), in_steps.mirror.rejected());
    assert_eq!(at_once.set((0..4_000).map(fields)), Changed::Nothing);
}
