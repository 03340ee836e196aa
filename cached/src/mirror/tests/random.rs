//! Batches at random: what the mirror makes of them one by one is what follows
//! from the fields by themselves.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::fields::Fields;
use super::super::parsed::Location;
use super::super::resolve::{Answer, smaller};
use super::*;

/// Names that stand for each other, cover each other, and mean the same with
/// and without the domain.
const NAMES: [&str; 12] = [
    "a", "b", "c", "d", "x.in", "y.in", "z.y.in", "a.ex", "b.ex", "x.in.ex", "q.ex", "w",
];
const WILDCARDS: [&str; 4] = ["*.in", "*.y.in", "*.ex", "*.in.ex"];
const MEMBERS: [&str; 3] = ["", "/m", "/n"];

/// One operation of a batch.
#[derive(Debug, Clone)]
enum BatchStep {
    Set(String, String),
    Removed(String),
    Lost(String),
    Drop(Option<String>),
}

fn role() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(&NAMES[..]),
        1 => prop::sample::select(&WILDCARDS[..]),
    ]
    .prop_map(str::to_owned)
}

fn field() -> impl Strategy<Value = String> {
    let field = (role(), prop::sample::select(&MEMBERS[..])).prop_map(|(r, m)| r + m);
    // Now and then in another spelling.
    (field, 0..12u8).prop_map(|(field, spelling)| match spelling {
        0 => field.replacen(['a', 'b', 'i', 'x'], "X", 1),
        1 if !field.contains('/') => field + ".",
        _ => field,
    })
}

fn value() -> impl Strategy<Value = String> {
    let pointer = prop::sample::select(&NAMES[..]).prop_map(str::to_owned);
    prop_oneof![
        4 => (1..9u8).prop_map(|n| format!("10.0.0.{n}")),
        1 => (1..9u8).prop_map(|n| format!("10.0.0.{n} fd00::{n} pick=1")),
        6 => pointer.clone(),
        1 => pointer.clone().prop_map(|name| name + " pick=2"),
        2 => (1..9u8).prop_map(|n| format!("10.0.0.{n} zone=z pick=3")),
        1 => pointer.prop_map(|name| name + " zone=z"),
        1 => Just("10.0.0.1 weight=3".to_owned()),
        1 => Just("what?".to_owned()),
    ]
}

fn step() -> impl Strategy<Value = BatchStep> {
    prop_oneof![
        6 => (field(), value()).prop_map(|(field, value)| BatchStep::Set(field, value)),
        3 => field().prop_map(BatchStep::Removed),
        1 => field().prop_map(BatchStep::Lost),
        1 => prop::option::of(role()).prop_map(BatchStep::Drop),
    ]
}

/// A batch as a follower would tell it: each field at most once, and missing
/// only if it was there.
fn as_batch(steps: &[(usize, BatchStep)], redis: &mut [BTreeMap<Vec<u8>, Vec<u8>>]) -> Batch {
    let mut hashes = Vec::new();
    for (hash, redis) in redis.iter_mut().enumerate() {
        let mut changes = Changes::default();
        let mut named = BTreeSet::new();
        for (_, step) in steps.iter().filter(|(of, _)| *of == hash) {
            match step {
                BatchStep::Set(field, value) if named.insert(field) => {
                    changes
                        .set
                        .push(field.as_bytes(), value.as_bytes())
                        .unwrap();
                    redis.insert(field.as_bytes().into(), value.as_bytes().into());
                }
                BatchStep::Removed(field) if named.insert(field) => {
                    redis.remove(field.as_bytes());
                    changes.removed.push(field.as_bytes().into());
                }
                BatchStep::Lost(field) if named.insert(field) => {
                    let was_there = redis.remove(field.as_bytes()).is_some();
                    let lost = was_there.then(|| field.as_bytes().into());
                    changes.lost.extend(lost);
                }
                BatchStep::Drop(role) => changes.dropped.push(match role {
                    Some(role) => DropScope::Role(role.clone()),
                    None => DropScope::All,
                }),
                _ => {}
            }
        }
        let outcome = Ok(changes);
        hashes.push(HashBatch { hash, outcome });
    }
    Batch {
        hashes,
        full: None,
        latency: Duration::ZERO,
        checkpoint: Checkpoint::default(),
    }
}

/// The answers of all roles.
fn answers(mirror: &Mirror) -> BTreeMap<Box<str>, Answer> {
    let roles: BTreeSet<&str> = mirror.fields.iter().map(|at| at.role).collect();
    let mut resolver = mirror.resolver();
    let answer = |role: &str| Some((role.into(), resolver.resolve(role).answer?));
    roles.into_iter().filter_map(answer).collect()
}

/// The rules of resolving, told again in the simplest way, which is too slow
/// for anything but a test.
struct Simple<'m> {
    fields: &'m Fields,
    mirror: &'m Mirror,
    /// A circle was closed, or a chain cut: what is found depends on the way.
    cut: bool,
}

#[derive(Debug, Default, PartialEq)]
struct BatchOutcome {
    v4: Vec<[u8; 4]>,
    v6: Vec<[u8; 16]>,
    pick: u16,
    canonical: Option<String>,
}

impl Simple<'_> {
    fn role(&mut self, role: &str, chain: &[&str]) -> Option<BatchOutcome> {
        let all = self.members(role, chain, false)?;
        // Those of this machine's zone by themselves, if they have an address.
        let near = self.mirror.zone.is_some();
        let near = near.then(|| self.members(role, chain, true)).flatten();
        Some(BatchOutcome {
            canonical: all.canonical.clone(),
            ..near.unwrap_or(all)
        })
    }

    fn members(&mut self, role: &str, chain: &[&str], near: bool) -> Option<BatchOutcome> {
        let mut found = BatchOutcome::default();
        let (mut count, mut plain_pick) = (0, 0);
        for at in self.fields.deciding(role) {
            count += 1;
            if at.member.is_empty() {
                plain_pick = at.field.value.pick();
            }
            if near && at.field.value.zone() != self.mirror.zone.as_ref() {
                continue;
            }
            let value = &at.field.value;
            let (v4, v6) = match value.location() {
                Location::Addresses { v4, v6 } => (v4.to_vec(), v6.to_vec()),
                Location::Pointer(name) => {
                    let target = self.name(name, chain).unwrap_or_default();
                    found.pick = smaller(found.pick, target.pick);
                    found.canonical = target.canonical;
                    (target.v4, target.v6)
                }
            };
            for v4 in v4 {
                found.v4.extend((!found.v4.contains(&v4)).then_some(v4));
            }
            for v6 in v6 {
                found.v6.extend((!found.v6.contains(&v6)).then_some(v6));
            }
            found.pick = smaller(found.pick, value.pick());
        }
        if count > 1 {
            found.canonical = None;
        }
        if plain_pick != 0 {
            found.pick = plain_pick;
        }
        (!found.v4.is_empty() || !found.v6.is_empty()).then_some(found)
    }

    fn name(&mut self, name: &str, chain: &[&str]) -> Option<BatchOutcome> {
        if chain.contains(&name) || chain.len() == 8 {
            self.cut = true;
            return None;
        }
        let at = self.mirror.directory().find(name)?;
        let mut found = self.role(at.role, &[chain, &[name]].concat())?;
        found.canonical = found.canonical.or(Some(at.name.into()));
        Some(found)
    }
}

fn check_against_the_rules(mirror: &Mirror, answers: &BTreeMap<Box<str>, Answer>) {
    let roles: BTreeSet<&str> = mirror.fields.iter().map(|at| at.role).collect();
    for role in roles {
        let mut simple = Simple {
            fields: &mirror.fields,
            mirror,
            cut: false,
        };
        let expected = simple.role(role, &[]);
        let answer = answers.get(role).map(|answer| BatchOutcome {
            // An alias of an entry has the addresses that stand there.
            v4: match &answer.end {
                Some(end) if end.entry => answers[&end.name].addresses.v4.clone(),
                _ => answer.addresses.v4.clone(),
            },
            v6: match &answer.end {
                Some(end) if end.entry => answers[&end.name].addresses.v6.clone(),
                _ => answer.addresses.v6.clone(),
            },
            pick: answer.pick,
            canonical: answer.end.as_ref().map(|end| end.name.to_string()),
        });
        if simple.cut {
            // In a circle nobody gets less than what can be got at one by one.
            let all = |found: &Option<BatchOutcome>| -> BTreeSet<Vec<u8>> {
                let found = found.iter();
                found
                    .flat_map(|f| f.v4.iter().map(|v4| v4.to_vec()))
                    .collect()
            };
            if mirror.zone.is_none() {
                assert!(all(&answer).is_superset(&all(&expected)), "{role}");
            }
            assert_eq!(answer.is_some(), expected.is_some(), "{role}");
        } else {
            assert_eq!(answer, expected, "{role}");
        }
    }
}

/// What follows from the fields is what would follow if they came at once.
fn check_derived(mirror: &mut Mirror) {
    let derived = |mirror: &Mirror| format!("{:#?} {:#?}", mirror.graph, mirror.faults);
    let before = derived(mirror);
    mirror.start_over();
    assert_eq!(before, derived(mirror));
    for (number, hash) in mirror.hashes().iter().enumerate() {
        let fields = || mirror.fields.iter().filter(|at| at.hash == number);
        assert_eq!(hash.fields, fields().count());
        let retained = fields().filter(|at| at.field.retained);
        assert_eq!(hash.retained, retained.count());
    }
    let rejected = mirror.rejected();
    assert_eq!(rejected.count, rejected.fields.len(), "{rejected:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn batches_one_by_one_come_to_what_the_fields_say(
        batches in prop::collection::vec(
            prop::collection::vec((0..2usize, step()), 1..5), 1..25),
        zone in prop::sample::select(&["", "z"][..]),
    ) {
        let mut fleet = Fleet::new(&format!(
            "hashes = ['private', 'base']\ndomain = 'ex'\nzone = '{zone}'"
        ));
        for steps in &batches {
            let before = answers(&fleet.mirror);
            let batch = as_batch(steps, &mut fleet.redis);
            let changed = fleet.apply(&batch);
            let after = answers(&fleet.mirror);
            let names: BTreeSet<Box<str>> = before.keys().chain(after.keys()).cloned().collect();
            let expected: BTreeSet<Box<str>> = names
                .into_iter()
                .filter(|name| before.get(name) != after.get(name))
                .collect();
            match changed {
                Changed::Nothing => prop_assert!(expected.is_empty(), "{:?}", expected),
                Changed::Roles(roles) => prop_assert_eq!(roles, expected),
                Changed::All => prop_assert!(false, "a small batch is followed"),
            }
            check_derived(&mut fleet.mirror);
            check_against_the_rules(&fleet.mirror, &after);
        }
        // The fields are what Redis holds, as far as it can be used.
        let held: BTreeSet<Vec<u8>> = fleet
            .mirror
            .baseline(Checkpoint::default())
            .hashes
            .iter()
            .enumerate()
            .flat_map(|(hash, pairs)| {
                let field = move |(field, _): (&[u8], &[u8])| [&[hash as u8], field].concat();
                pairs.iter().map(field).collect::<Vec<_>>()
            })
            .collect();
        for (hash, redis) in fleet.redis.iter().enumerate() {
            for (field, value) in redis {
                let normal = String::from_utf8_lossy(field).to_lowercase();
                let normal = [&[hash as u8], normal.trim_end_matches('.').as_bytes()].concat();
                prop_assert!(value == b"what?" || held.contains(&normal), "{:?}", normal);
            }
        }
    }
}
