//! A daemon that comes, publishes, moves, falls silent and goes.

use std::time::{Duration, Instant};

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Unavailable, View};
use cloudhosts_testkit::{Daemon, eventually};

use crate::common::peer::publish;
use crate::common::{ask, region};
use crate::{Setup, descriptors, is, mappings, nth, undisturbed};

#[test]
fn the_first_lookup_attaches_and_keeps_nothing_open() {
    undisturbed(|| {
        let setup = Setup::new();
        let (descriptors_before, mappings_before) = (descriptors(), mappings());
        let region = nth(1);
        let daemon = Daemon::new(&setup.socket(), &region);
        assert_eq!(setup.web(), is(1));
        for _ in 0..1000 {
            assert_eq!(setup.web(), is(1));
        }
        assert_eq!(daemon.clients(), 1, "attached is attached");
        assert_eq!(mappings(), mappings_before + 1);
        drop((daemon, region));
        eventually("all is closed", || descriptors() == descriptors_before);
        assert_eq!(setup.web(), is(1), "and needs no daemon");
    });
}

#[test]
fn every_change_is_seen_by_the_next_lookup_and_nobody_attaches_anew() {
    undisturbed(|| {
        let setup = Setup::new();
        let mut region = nth(1);
        let daemon = Daemon::new(&setup.socket(), &region).keep_beating();
        assert_eq!(setup.web(), is(1));
        for round in 0..10 {
            for n in 0..200 {
                publish(&mut region, &format!("10.0.0.{n}"));
                assert_eq!(setup.web(), is(n), "round {round}");
            }
        }
        assert_eq!(daemon.clients(), 1);
    });
}

#[test]
fn a_region_that_has_moved_is_followed_at_the_next_lookup() {
    undisturbed(|| {
        let setup = Setup::new();
        let mut region = nth(1);
        let daemon = Daemon::new(&setup.socket(), &region).keep_beating();
        assert_eq!(setup.web(), is(1));
        let mappings_before = mappings();
        for n in 2..200 {
            let mut next = region.rebuild(monotonic()).unwrap();
            publish(&mut next, &format!("10.0.0.{n}"));
            daemon.move_to(&next);
            region = next;
            assert_eq!(setup.web(), is(n));
        }
        assert_eq!(mappings(), mappings_before);
        assert_eq!(daemon.clients(), 199);
    });
}

/// It is asked for the new region once a second while it does not hand it out;
/// what is at hand answers.
#[test]
fn a_region_that_has_moved_nowhere_still_answers() {
    undisturbed(|| {
        let setup = Setup::new();
        let region = nth(1);
        let daemon = Daemon::new(&setup.socket(), &region);
        assert_eq!(setup.web(), is(1));
        region.region().mark_moved();
        for _ in 0..100 {
            assert_eq!(setup.web(), is(1));
        }
        assert_eq!(daemon.clients(), 2);
        let later = monotonic() + Duration::from_millis(1100);
        assert_eq!(setup.web_at(later), is(1));
        assert_eq!(daemon.clients(), 3);
    });
}

#[test]
fn a_daemon_that_has_retired_is_replaced_by_the_next_one() {
    undisturbed(|| {
        let setup = Setup::new();
        let first = nth(5);
        let daemon = Daemon::new(&setup.socket(), &first).keep_beating();
        assert_eq!(setup.web(), is(5));
        first.region().retire();
        drop((daemon, first));
        assert_eq!(setup.web(), is(5), "its region still answers");
        // It need not know how far the one before had counted.
        let second = nth(2);
        let daemon = Daemon::new(&setup.socket(), &second).keep_beating();
        assert_eq!(setup.web_in(Duration::from_millis(1100)), is(2));
        assert_eq!(daemon.clients(), 1);
        assert_eq!(setup.web(), is(2));
        assert_eq!(daemon.clients(), 1);
    });
}

#[test]
fn a_silent_daemon_is_looked_for_after_three_seconds() {
    undisturbed(|| {
        let setup = Setup::new();
        let region = nth(1);
        let daemon = Daemon::new(&setup.socket(), &region);
        assert_eq!(setup.web(), is(1));
        let now = monotonic();
        region.region().beat(now);
        let after = |millis| now + Duration::from_millis(millis);
        assert_eq!(setup.web_at(after(2990)), is(1));
        assert_eq!(daemon.clients(), 1);
        assert_eq!(setup.web_at(after(3010)), is(1));
        assert_eq!(daemon.clients(), 2, "looked for");
        assert_eq!(setup.web_at(after(3900)), is(1));
        assert_eq!(daemon.clients(), 2, "but not again within a second");
        assert_eq!(setup.web_at(after(4020)), is(1));
        assert_eq!(daemon.clients(), 3);
    });
}

/// Stopped (SIGSTOP), it lets clients connect and says nothing: whoever has a
/// region is not held up.
#[test]
fn a_stopped_daemon_holds_nobody_up() {
    undisturbed(|| {
        let setup = Setup::new();
        let region = nth(1);
        let daemon = Daemon::new(&setup.socket(), &region);
        assert_eq!(setup.web(), is(1));
        region.region().retire();
        drop(daemon);
        let listener = std::os::unix::net::UnixListener::bind(setup.socket()).unwrap();
        let start = Instant::now();
        for _ in 0..1000 {
            assert_eq!(setup.web(), is(1));
        }
        assert!(start.elapsed() < Duration::from_millis(500));
        drop(listener);
    });
}

/// Served for `stale_max` with no daemon, and not longer; then again as soon as
/// there is one.
#[test]
fn a_region_is_served_until_it_is_stale() {
    undisturbed(|| {
        let setup = Setup::new();
        let region = nth(1);
        let daemon = Daemon::new(&setup.socket(), &region);
        assert_eq!(setup.web(), is(1));
        drop(daemon);
        let day = Duration::from_secs(86_400);
        assert_eq!(setup.web_in(day - Duration::from_secs(10)), is(1));
        let stale = setup.web_in(day + Duration::from_secs(10));
        assert!(
            matches!(stale, Err(Unavailable::Stale(age)) if age > day),
            "{stale:?}"
        );
        let next = nth(2);
        let _daemon = Daemon::new(&setup.socket(), &next);
        let later = monotonic() + day + Duration::from_secs(20);
        next.region().beat(later);
        assert_eq!(setup.web_at(later), is(2));
    });
}

/// Where the daemon has huge pages, so has every reader: at 1,000,000 names a lookup
/// waits for the memory, and for the page tables of small pages about as long again.
#[test]
fn huge_pages_of_the_daemon_are_huge_pages_of_the_reader() {
    let names: Vec<String> = (0..100_000).map(|n| format!("role-{n}")).collect();
    let mut roles: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "10.0.0.9")).collect();
    roles.push(("web", "10.0.0.1"));
    let setup = Setup::new();
    let region = region(&roles);
    let _daemon = Daemon::new(&setup.socket(), &region).keep_beating();
    assert_eq!(setup.web(), is(1));
    let ask_each = || {
        let found = |view: &View<'_>| names.iter().all(|name| !ask(view, name).is_empty());
        setup.client.with(|| setup.paths(), monotonic(), found)
    };
    assert_eq!(ask_each(), Ok(true));
    let (writer, reader) = (huge("rw-s"), huge("r--s"));
    // The first one is there in part only, because the table begins at the second page.
    assert!(reader + HUGE_PAGE >= writer, "{reader} kB of {writer} kB");
    if writer == 0 {
        eprintln!("this kernel has made no huge page, so this test shows nothing");
    }
}

/// A huge page, in kB.
const HUGE_PAGE: u64 = 2048;

/// How many kB of regions that are mapped so are mapped as huge pages.
fn huge(access: &str) -> u64 {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut counts = false;
    let mut sum = 0;
    for line in maps.lines() {
        if line.contains("memfd:") {
            counts = line.contains(access);
        } else if let Some(pages) = line.strip_prefix("ShmemPmdMapped:")
            && counts
        {
            let size = pages.trim().trim_end_matches(" kB");
            sum += size.parse::<u64>().unwrap();
        }
    }
    sum
}
