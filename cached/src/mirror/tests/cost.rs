//! What one logged change costs the mirror: the same, however many names there
//! are. Prints figures; run it by itself, optimised and on a quiet machine:
//!
//!     cargo test --release -p cloudhosts-cached cost -- --ignored --nocapture

use std::time::{Duration, Instant};

use super::*;

/// How many changes are measured at each size.
const CHANGES: usize = 20_000;

/// How many aliases the hub has.
const ALIASES: usize = 100_000;

fn setting(fields: impl IntoIterator<Item = (String, String)>) -> Batch {
    let mut changes = Changes::default();
    for (field, value) in fields {
        let set = &mut changes.set;
        set.push(field.as_bytes(), value.as_bytes()).unwrap();
    }
    batch(0, changes)
}

fn one(field: &str, value: String) -> Batch {
    setting([(field.to_owned(), value)])
}

/// The middle and the worst of a hundred.
fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

#[test]
#[ignore = "prints figures; see above"]
fn what_a_change_costs() {
    for names in [1_000, 100_000, 1_000_000] {
        let mut mirror = Mirror::new(&config(""));
        let name = |n: usize| format!("role-{:019}", n * 611_953 % names);
        let all =
            setting((0..names).map(|n| (name(n), format!("10.0.{}.{}", n >> 8 & 255, n & 255))));
        let start = Instant::now();
        mirror.apply(&all);
        let first = start.elapsed();
        drop(all);
        // Four of five roles are plain; the fifth is a farm with an alias.
        mirror.apply(&setting((0..100).flat_map(|n| {
            let farm = format!("farm-{n}");
            let member = (0..5).map(|m| (format!("farm-{n}/m{m}"), format!("10.1.{n}.{m}")));
            member
                .chain([(format!("www-{n}"), farm)])
                .collect::<Vec<_>>()
        })));
        let mut times = Vec::new();
        for n in 0..CHANGES {
            let value = format!("10.2.{}.{}", n >> 8 & 255, n & 255);
            let change = match n % 5 {
                0 => one(&format!("farm-{}/m1", n % 100), value),
                _ => one(&name(n * 7919), value),
            };
            let start = Instant::now();
            let changed = mirror.apply(&change);
            times.push(start.elapsed());
            assert!(matches!(changed, Changed::Roles(roles) if roles.len() == 1));
        }
        let (p50, p99) = percentiles(times);
        println!(
            "{names:>9} names: a change takes {p50:.1?} (p99 {p99:.1?}); all at first {first:.1?}"
        );
    }

    let mut mirror = Mirror::new(&config(""));
    mirror.apply(&setting(
        (0..ALIASES).map(|n| (format!("alias-{n}"), "hub".into())),
    ));
    let mut timed = |what: &str, field: &str, value: String| {
        let change = one(field, value);
        let start = Instant::now();
        let changed = mirror.apply(&change);
        let took = start.elapsed();
        let Changed::Roles(roles) = changed else {
            unreachable!("one field is followed")
        };
        println!(
            "a hub of {ALIASES} aliases {what}: {took:.1?}, {} answers change",
            roles.len()
        );
    };
    timed("appears", "hub/1", "10.0.0.1".into());
    timed("moves", "hub/1", "10.0.0.2".into());
    timed("says pick=1", "hub", "10.0.0.3 pick=1".into());
}
