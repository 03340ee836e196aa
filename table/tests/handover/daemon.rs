//! A daemon that comes, publishes, falls silent and goes.

use std::time::{Duration, Instant};

use cloudhosts_table::Unavailable;
use cloudhosts_table::clock::monotonic;

use crate::common::eventually;
use crate::common::peer::Daemon;
use crate::{Setup, alone, descriptors, is, mappings, nth, undisturbed};

#[test]
fn the_first_lookup_attaches_and_keeps_nothing_open() {
    undisturbed(|| {
        let _alone = alone();
        let (descriptors_before, mappings_before) = (descriptors(), mappings());
        let setup = Setup::new();
        let daemon = Daemon::new(&setup.socket(), 1, &nth(1));
        assert_eq!(setup.web(), is(1));
        for _ in 0..1000 {
            assert_eq!(setup.web(), is(1));
        }
        assert_eq!(daemon.peer.clients(), 1, "attached is attached");
        assert_eq!(mappings(), mappings_before + 1);
        drop(daemon);
        eventually("all is closed", || descriptors() == descriptors_before);
        assert_eq!(setup.web(), is(1), "and needs no daemon");
    });
}

#[test]
fn a_new_generation_is_picked_up_at_the_next_lookup() {
    undisturbed(|| {
        let _alone = alone();
        let setup = Setup::new();
        let daemon = Daemon::new(&setup.socket(), 1, &nth(1)).keep_beating();
        assert_eq!(setup.web(), is(1));
        let mappings_before = mappings();
        for n in 2..200 {
            daemon.publish(n.into(), &nth(n));
            assert_eq!(setup.web(), is(n));
        }
        assert_eq!(mappings(), mappings_before);
        assert_eq!(daemon.peer.clients(), 199);
    });
}

/// A client that comes between the two steps of publishing has the newer table
/// already. It neither asks again and again, nor then waits a second.
#[test]
fn a_table_that_is_not_announced_yet_is_as_good() {
    undisturbed(|| {
        let _alone = alone();
        let setup = Setup::new();
        let daemon = Daemon::new(&setup.socket(), 1, &nth(1)).keep_beating();
        daemon.offer(&nth(2));
        for _ in 0..10 {
            assert_eq!(setup.web(), is(2));
        }
        assert_eq!(daemon.peer.clients(), 1);
        daemon.epoch.announce(2);
        assert_eq!(setup.web(), is(2));
        daemon.publish(3, &nth(3));
        assert_eq!(setup.web(), is(3));
        assert_eq!(daemon.peer.clients(), 2);
    });
}

/// Overtaken by the next table while it fetches one, a client goes on at its
/// next look-up: only what fails is put off for a second.
#[test]
fn a_client_that_is_overtaken_does_not_wait() {
    undisturbed(|| {
        let _alone = alone();
        let setup = Setup::new();
        let daemon = Daemon::new(&setup.socket(), 1, &nth(1)).keep_beating();
        assert_eq!(setup.web(), is(1));
        daemon.offer(&nth(2));
        daemon.epoch.announce(3);
        assert_eq!(setup.web(), is(2));
        daemon.offer(&nth(3));
        assert_eq!(setup.web(), is(3));
    });
}

/// A daemon that announces what it does not hand out is asked once a second.
#[test]
fn a_generation_that_never_comes_is_asked_for_once_a_second() {
    undisturbed(|| {
        let _alone = alone();
        let setup = Setup::new();
        let daemon = Daemon::new(&setup.socket(), 1, &nth(1)).keep_beating();
        assert_eq!(setup.web(), is(1));
        daemon.epoch.announce(9);
        let now = monotonic();
        for _ in 0..100 {
            assert_eq!(setup.web_at(now), is(1));
        }
        assert_eq!(daemon.peer.clients(), 2);
        assert_eq!(setup.web_at(now + Duration::from_millis(999)), is(1));
        assert_eq!(daemon.peer.clients(), 2);
        assert_eq!(setup.web_at(now + Duration::from_millis(1001)), is(1));
        assert_eq!(daemon.peer.clients(), 3);
    });
}

#[test]
fn a_retired_daemon_is_replaced_by_the_next() {
    undisturbed(|| {
        let _alone = alone();
        let setup = Setup::new();
        let first = Daemon::new(&setup.socket(), 5, &nth(5)).keep_beating();
        assert_eq!(setup.web(), is(5));
        first.epoch.retire();
        drop(first);
        assert_eq!(setup.web(), is(5), "its table still answers");
        // It need not know how far the one before had counted.
        let second = Daemon::new(&setup.socket(), 2, &nth(2)).keep_beating();
        assert_eq!(setup.web_in(Duration::from_millis(1100)), is(2));
        assert_eq!(second.peer.clients(), 1);
        assert_eq!(setup.web(), is(2));
        assert_eq!(second.peer.clients(), 1);
    });
}

#[test]
fn a_silent_daemon_is_looked_for_after_three_seconds() {
    undisturbed(|| {
        let _alone = alone();
        let setup = Setup::new();
        let daemon = Daemon::new(&setup.socket(), 1, &nth(1));
        assert_eq!(setup.web(), is(1));
        let now = monotonic();
        daemon.epoch.beat(now);
        let after = |millis| now + Duration::from_millis(millis);
        assert_eq!(setup.web_at(after(2999)), is(1));
        assert_eq!(daemon.peer.clients(), 1);
        assert_eq!(setup.web_at(after(3001)), is(1));
        assert_eq!(daemon.peer.clients(), 2, "looked for");
        assert_eq!(setup.web_at(after(3900)), is(1));
        assert_eq!(daemon.peer.clients(), 2, "but not again within a second");
        assert_eq!(setup.web_at(after(4002)), is(1));
        assert_eq!(daemon.peer.clients(), 3);
    });
}

/// Stopped (SIGSTOP), it lets clients connect and says nothing: whoever has a
/// table is not held up.
#[test]
fn a_stopped_daemon_holds_nobody_up() {
    undisturbed(|| {
        let _alone = alone();
        let setup = Setup::new();
        let daemon = Daemon::new(&setup.socket(), 1, &nth(1));
        assert_eq!(setup.web(), is(1));
        daemon.epoch.retire();
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
fn a_table_is_served_until_it_is_stale() {
    undisturbed(|| {
        let _alone = alone();
        let setup = Setup::new();
        let daemon = Daemon::new(&setup.socket(), 1, &nth(1));
        assert_eq!(setup.web(), is(1));
        drop(daemon);
        let day = Duration::from_secs(86_400);
        assert_eq!(setup.web_in(day - Duration::from_secs(10)), is(1));
        let stale = setup.web_in(day + Duration::from_secs(10));
        assert!(
            matches!(stale, Err(Unavailable::Stale(age)) if age > day),
            "{stale:?}"
        );
        let daemon = Daemon::new(&setup.socket(), 2, &nth(2));
        let later = monotonic() + day + Duration::from_secs(20);
        daemon.epoch.beat(later);
        assert_eq!(setup.web_at(later), is(2));
    });
}
