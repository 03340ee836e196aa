//! Waiting for changes: asleep until there is one.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cloudhosts_table::TableRevision;
use cloudhosts_table::clock::monotonic;
use cloudhosts_testkit::Daemon;

use crate::common::peer::publish;
use crate::{Setup, is, nth};

fn edition(setup: &Setup) -> Option<TableRevision> {
    let seen = |view: &cloudhosts_table::View<'_>| view.revision();
    setup.client.with(|| setup.paths(), monotonic(), seen).ok()
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn whoever_waits_is_woken_up_by_each_change() {
    let setup = Setup::new();
    let mut region = nth(0);
    let _daemon = Daemon::new(&setup.socket(), &region).keep_beating();
    let mut seen = edition(&setup);
    let looked = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let start = Instant::now();
            while setup.web() != is(100) {
                assert!(start.elapsed() < LONG);
                setup.client.wait(seen, LONG);
                seen = edition(&setup);
                looked.fetch_add(1, Ordering::SeqCst);
            }
        });
        for n in 1..=100 {
            std::thread::sleep(Duration::from_millis(2));
            publish(&mut region, &format!("10.0.0.{n}"));
        }
        waits.join().unwrap();
    });
    // Each change wakes once, and nothing else does.
    let looked = looked.load(Ordering::SeqCst);
    assert!(looked <= 110, "{looked}");
}

#[test]
fn whoever_waits_sleeps_while_nothing_changes_and_not_for_longer_than_wanted() {
    let setup = Setup::new();
    let mut region = nth(1);
    let _daemon = Daemon::new(&setup.socket(), &region).keep_beating();
    let seen = edition(&setup);
    let start = Instant::now();
    setup.client.wait(seen, Duration::from_millis(300));
    assert!(start.elapsed() >= Duration::from_millis(300));
    // What has changed already is not waited for.
    publish(&mut region, "10.0.0.2");
    let start = Instant::now();
    setup.client.wait(seen, LONG);
    setup.client.wait(None, LONG);
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_move_a_farewell_and_a_death_wake_up_too() {
    let setup = Setup::new();
    let region = nth(1);
    let daemon = Daemon::new(&setup.socket(), &region).keep_beating();
    let seen = edition(&setup);
    let next = region.rebuild(monotonic()).unwrap();
    let returns_after = |act: &(dyn Fn() + Sync)| {
        std::thread::scope(|scope| {
            let start = Instant::now();
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(50));
                act();
            });
            setup.client.wait(edition(&setup), LONG);
            start.elapsed()
        })
    };
    let moved = returns_after(&|| daemon.move_to(&next));
    assert!(moved < Duration::from_secs(10), "{moved:?}");
    assert_ne!(edition(&setup), seen, "and there is another region");
    let retired = returns_after(&|| next.region().retire());
    assert!(retired < Duration::from_secs(10), "{retired:?}");
    // Without a region it comes back to look for one.
    let nobody = Setup::new();
    let start = Instant::now();
    nobody.client.wait(None, LONG);
    assert!(start.elapsed() < Duration::from_secs(10));
}
