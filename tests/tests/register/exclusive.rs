//! One holder at a time, by the protocol alone: a test renews when it wants to.

use std::time::{Duration, Instant};

use cloudhosts_config::Config;
use cloudhosts_registry::register::{
    Ended, EndedBy, HoldOptions, Holder, Place, Renewal, Role, SHORTEST_LEASE, Where,
};
use cloudhosts_tests::process::Signal;
use cloudhosts_tests::wait;

use crate::common::{EXPIRING, HELD, Registry, map, times};

const EXCLUSIVE: HoldOptions = HoldOptions {
    lease: SHORTEST_LEASE,
    exclusive: true,
    expire_last: None,
    keep_last: false,
};

const SHARED: HoldOptions = HoldOptions {
    exclusive: false,
    ..EXCLUSIVE
};

/// One that holds a role, or would.
struct Candidate {
    holder: Holder,
    at: String,
}

impl Candidate {
    fn new(registry: &Registry, member: &str, at: &str, options: HoldOptions) -> Candidate {
        Candidate::of(registry, "db", member, at, options)
    }

    fn of(
        registry: &Registry,
        role: &str,
        member: &str,
        at: &str,
        options: HoldOptions,
    ) -> Candidate {
        let mut config = Config::load(Some(&registry.dir.join("cloudhosts.toml"))).unwrap();
        config
            .override_with(&[registry.redis.unix_url()], &[])
            .unwrap();
        let role = Role::parse(role).unwrap().with_member(member).unwrap();
        Candidate {
            holder: Holder::new(&config, role, options),
            at: at.to_owned(),
        }
    }

    fn places(&self) -> Vec<Place> {
        let at = Where::addresses(&self.at).unwrap();
        let hash = "cloudhosts".to_owned();
        vec![Place { hash, at: Some(at) }]
    }

    /// Renews now.
    fn renew(&mut self) -> Renewal {
        let places = self.places();
        run(self.holder.renew(places))
    }

    /// Renews now; it must hold the role. The term, and whether it was acquired.
    fn holds(&mut self) -> (u64, bool) {
        match self.renew() {
            Renewal::Held { term, acquired, .. } => (term.unwrap_or(0), acquired),
            other => panic!("{}: {other:?}", self.holder.role()),
        }
    }

    /// Renews now; it must stand by. Who holds the role.
    fn stands_by(&mut self) -> String {
        match self.renew() {
            Renewal::Standby { holder, ended } => {
                assert_eq!(ended, None);
                holder
            }
            other => panic!("{}: {other:?}", self.holder.role()),
        }
    }

    /// Renews now; it must have been ended, and stand by.
    fn was_ended(&mut self) -> String {
        match self.renew() {
            Renewal::Standby { ended, .. } => ended.unwrap().verb,
            other => panic!("{}: {other:?}", self.holder.role()),
        }
    }

    fn end(&mut self) -> Ended {
        let places = self.places();
        run(self.holder.end(places)).unwrap()[0]
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    // a connection belongs to the runtime that made it
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(work))
}

/// Renews these until the other one holds the role; when that was. They must not hold it.
fn until_taken_over(next: &mut Candidate, mut also: impl FnMut()) -> (u64, Instant) {
    wait::until("it takes over", || {
        also();
        std::thread::sleep(Duration::from_millis(200));
        match next.renew() {
            Renewal::Held { term, acquired, .. } => {
                assert!(acquired);
                Some((term.unwrap(), Instant::now()))
            }
            Renewal::Standby { .. } => None,
            other => panic!("{other:?}"),
        }
    })
}

#[test]
fn one_holds_the_role_and_the_others_stand_by_until_it_has_gone() {
    let registry = Registry::new();
    let mut one = Candidate::new(&registry, "a", "10.0.0.1", EXCLUSIVE);
    let mut two = Candidate::new(&registry, "b", "10.0.0.2", EXCLUSIVE);
    let mut three = Candidate::new(&registry, "c", "10.0.0.3", EXCLUSIVE);
    let (first, acquired) = one.holds();
    assert!(acquired && first > 0);
    for _ in 0..3 {
        assert_eq!(one.holds(), (first, false));
        assert_eq!(
            (two.stands_by(), three.stands_by()),
            ("db/a".into(), "db/a".into())
        );
    }
    assert!(one.holder.expires().is_some() && two.holder.expires().is_none());
    assert_eq!(registry.hash(), map(&[("db/a", "10.0.0.1")]));
    // it leaves: the next one takes over at once
    assert_eq!(one.end(), Ended::Removed);
    assert_eq!(registry.hash(), map(&[]));
    let (second, acquired) = two.holds();
    assert!(acquired && second > first);
    assert_eq!(three.stands_by(), "db/b");
    // it stands by no more
    assert_eq!(three.end(), Ended::Absent);
    assert_eq!(two.end(), Ended::Removed);
    let (third, _) = one.holds();
    assert!(third > second);
    one.end();
    assert!(!registry.has(&times("db")));
}

#[test]
fn whoever_dies_is_succeeded_a_quarter_after_its_lease_and_in_one_step() {
    let registry = Registry::new();
    let mut dead = Candidate::new(&registry, "a", "10.0.0.1", EXCLUSIVE);
    let mut next = Candidate::new(&registry, "b", "10.0.0.2", EXCLUSIVE);
    next.stands_by_behind(&mut dead);
    let died = Instant::now();
    let (first, _) = dead.holds();
    let (second, then) = until_taken_over(&mut next, || {});
    assert!(
        then - died > SHORTEST_LEASE.mul_f64(1.25),
        "{:?}",
        then - died
    );
    assert!(second > first);
    // nobody ever saw both, or none
    let log = registry.log();
    let last = log.last().unwrap();
    assert_eq!(last.does(), ["+db/b=10.0.0.2", "-db/a"]);
    // the dead one was alive after all
    assert_eq!(dead.stands_by(), "db/b");
    assert_eq!(registry.hash(), map(&[("db/b", "10.0.0.2")]));
}

impl Candidate {
    fn stands_by_behind(&mut self, holder: &mut Candidate) {
        holder.holds();
        assert_eq!(self.stands_by(), holder.holder.role().to_string());
    }
}

#[test]
fn who_could_not_watch_waits_for_a_whole_lease() {
    let registry = Registry::new();
    let mut one = Candidate::new(&registry, "a", "10.0.0.1", EXCLUSIVE);
    let mut two = Candidate::new(&registry, "b", "10.0.0.2", EXCLUSIVE);
    two.stands_by_behind(&mut one);
    let (term, _) = one.holds();
    // everything stood still for longer than any lease
    std::thread::sleep(SHORTEST_LEASE * 2);
    assert_eq!(two.stands_by(), "db/a");
    let (again, acquired) = one.holds();
    assert_eq!(again, term);
    assert!(acquired, "by its own clock it had lost the role");
}

#[test]
fn redis_away_for_longer_than_a_lease_leaves_the_role_with_its_holder() {
    let mut registry = Registry::new();
    let mut one = Candidate::new(&registry, "a", "10.0.0.1", EXCLUSIVE);
    let mut two = Candidate::new(&registry, "b", "10.0.0.2", EXCLUSIVE);
    two.stands_by_behind(&mut one);
    let (term, _) = one.holds();
    registry.redis.cli(&["SAVE"]);
    registry.redis.kill();
    std::thread::sleep(SHORTEST_LEASE + Duration::from_millis(100));
    assert!(matches!(one.renew(), Renewal::Failed(_)));
    assert!(matches!(two.renew(), Renewal::Failed(_)));
    assert!(one.holder.expires().unwrap() <= Instant::now());
    registry.redis.restart();
    assert_eq!(two.stands_by(), "db/a");
    assert_eq!(one.holds(), (term, true));
    assert_eq!(two.stands_by(), "db/a");
}

#[test]
fn redis_without_its_data_leaves_the_role_with_its_holder() {
    let registry = Registry::new();
    let mut one = Candidate::new(&registry, "a", "10.0.0.1", EXCLUSIVE);
    let mut two = Candidate::new(&registry, "b", "10.0.0.2", EXCLUSIVE);
    two.stands_by_behind(&mut one);
    let (term, _) = one.holds();
    registry.redis.cli(&["FLUSHALL"]);
    // whoever comes first: the one that stood by waits for a lease
    assert_eq!(two.stands_by(), "");
    assert_eq!(one.holds(), (term, false), "the child goes on");
    assert_eq!(two.stands_by(), "db/a");
    assert_eq!(registry.hash(), map(&[("db/a", "10.0.0.1")]));
}

#[test]
fn a_term_grows_although_redis_has_lost_the_last_one() {
    let registry = Registry::new();
    let mut one = Candidate::new(&registry, "a", "10.0.0.1", EXCLUSIVE);
    let mut two = Candidate::new(&registry, "b", "10.0.0.2", EXCLUSIVE);
    let (first, _) = one.holds();
    registry.redis.cli(&["FLUSHALL"]);
    let (second, _) = two.holds();
    assert!(second > first);
    assert_eq!(one.stands_by(), "db/b");
    // and although its clock is set back
    let far = "9000000000000 hold - db/b";
    registry.redis.cli(&["HSET", HELD, "db", far]);
    two.end();
    let mut three = Candidate::new(&registry, "c", "10.0.0.3", EXCLUSIVE);
    assert_eq!(three.holds().0, 9_000_000_000_001);
}

#[test]
fn a_clock_set_forward_gives_nobody_the_role() {
    let registry = Registry::new();
    let mut one = Candidate::new(&registry, "a", "10.0.0.1", EXCLUSIVE);
    let mut two = Candidate::new(&registry, "b", "10.0.0.2", EXCLUSIVE);
    two.stands_by_behind(&mut one);
    let (term, _) = one.holds();
    for field in ["db/a", "db/b"] {
        registry
            .redis
            .cli(&["ZINCRBY", &times("db"), "-3600000", field]);
    }
    assert_eq!(two.stands_by(), "db/a");
    assert_eq!(one.holds(), (term, false));
    // a little: as much as passes for a slow renewal
    for field in ["db/a", "db/b"] {
        registry
            .redis
            .cli(&["ZINCRBY", &times("db"), "-600", field]);
    }
    assert_eq!(two.stands_by(), "db/a");
    assert_eq!(one.holds(), (term, false));
}

#[test]
fn a_clock_set_back_lets_nobody_dead_keep_the_role() {
    let registry = Registry::new();
    let mut dead = Candidate::new(&registry, "a", "10.0.0.1", EXCLUSIVE);
    let mut next = Candidate::new(&registry, "b", "10.0.0.2", EXCLUSIVE);
    next.stands_by_behind(&mut dead);
    for field in ["db/a", "db/b"] {
        registry
            .redis
            .cli(&["ZINCRBY", &times("db"), "3600000", field]);
    }
    until_taken_over(&mut next, || {});
    assert_eq!(registry.hash(), map(&[("db/b", "10.0.0.2")]));
}

#[test]
fn a_claim_takes_the_role_from_its_holder_until_it_is_released() {
    let registry = Registry::new();
    let mut one = Candidate::new(&registry, "a", "10.0.0.1", EXCLUSIVE);
    let mut two = Candidate::new(&registry, "b", "10.0.0.2", EXCLUSIVE);
    two.stands_by_behind(&mut one);
    registry.run(&["claim", "db", "10.0.0.9"]);
    for _ in 0..3 {
        let ended = match one.renew() {
            Renewal::Standby { holder, ended } => {
                assert_eq!(holder, "10.0.0.9");
                ended
            }
            other => panic!("{other:?}"),
        };
        assert!(ended.is_none_or(|EndedBy { verb, .. }| verb == "claim"));
        assert_eq!(two.stands_by(), "10.0.0.9");
    }
    assert_eq!(registry.hash(), map(&[("db", "10.0.0.9")]));
    // the claim is over: whoever comes first, the one that was ended before included
    registry.run(&["release", "db"]);
    // on a slow machine its time as a standby has run out, and it queues anew
    until_taken_over(&mut one, || {});
    assert_eq!(two.stands_by(), "db/a");
}

#[test]
fn who_was_made_to_go_is_succeeded_and_takes_nothing_back() {
    for verb in [&["release", "db"][..], &["leave", "db", "--member", "a"]] {
        let registry = Registry::new();
        let mut one = Candidate::new(&registry, "a", "10.0.0.1", EXCLUSIVE);
        let mut two = Candidate::new(&registry, "b", "10.0.0.2", EXCLUSIVE);
        two.stands_by_behind(&mut one);
        let (first, _) = one.holds();
        registry.run(verb);
        assert_eq!(one.was_ended(), verb[0]);
        assert_eq!(one.stands_by(), "");
        assert_eq!(registry.hash(), map(&[]));
        let (second, _) = two.holds();
        assert!(second > first);
        assert_eq!(one.stands_by(), "db/b");
        two.end();
        // another has held it since
        let (third, _) = until_taken_over(&mut one, || {});
        assert!(third > second, "{verb:?}");
    }
}

#[test]
fn who_comes_back_in_the_name_of_a_holder_stands_by() {
    let registry = Registry::new();
    let mut one = Candidate::new(&registry, "a", "10.0.0.1", EXCLUSIVE);
    let mut same = Candidate::new(&registry, "a", "10.0.0.1", EXCLUSIVE);
    one.holds();
    assert_eq!(same.stands_by(), "db/a");
    assert_ne!(same.holder.role().member(), Some("a"));
    // the one before died: it is waited for as for any other
    until_taken_over(&mut same, || {});
    assert_eq!(
        registry.hash().into_values().collect::<Vec<_>>(),
        ["10.0.0.1"]
    );
    assert_eq!(registry.hash().len(), 1);
}

#[test]
fn a_role_is_not_shared_while_it_is_held_exclusively_nor_the_other_way_round() {
    let registry = Registry::new();
    let mut one = Candidate::new(&registry, "a", "10.0.0.1", EXCLUSIVE);
    let mut shared = Candidate::new(&registry, "s", "10.0.0.3", SHARED);
    one.holds();
    let Renewal::Failed(trouble) = shared.renew() else {
        panic!("it has joined");
    };
    assert!(!trouble.may_pass() && trouble.to_string().contains("db/a"));
    one.end();
    shared.holds();
    assert_eq!(one.stands_by(), "db/s");
    assert_eq!(registry.hash(), map(&[("db/s", "10.0.0.3")]));
    shared.end();
    until_taken_over(&mut one, || {});
}

#[test]
fn the_last_is_kept_for_the_next_where_it_is_to_be() {
    let registry = Registry::new();
    let keep = |options: &HoldOptions| HoldOptions {
        keep_last: true,
        ..options.clone()
    };
    let mut one = Candidate::new(&registry, "a", "10.0.0.1", keep(&SHARED));
    let mut two = Candidate::new(&registry, "b", "10.0.0.2", keep(&SHARED));
    one.holds();
    two.holds();
    assert_eq!(one.end(), Ended::Removed, "it is not the last");
    assert_eq!((two.end(), two.end()), (Ended::Kept, Ended::Kept));
    assert_eq!(registry.hash(), map(&[("db/b", "10.0.0.2")]));
    one.holds();
    assert_eq!(registry.hash(), map(&[("db/a", "10.0.0.1")]));
    one.end();
    registry.prints(&["claim", "db", "10.0.0.9"]);
    assert_eq!(registry.hash(), map(&[("db", "10.0.0.9")]));
    assert!(!registry.has(&times("db")));
    registry.prints(&["release", "db"]);
    // who holds exclusively is the last; who stands by succeeds it in one step
    let mut three = Candidate::new(&registry, "c", "10.0.0.3", keep(&EXCLUSIVE));
    let mut four = Candidate::new(&registry, "d", "10.0.0.4", keep(&EXCLUSIVE));
    four.stands_by_behind(&mut three);
    assert_eq!(three.end(), Ended::Kept);
    assert_eq!(registry.hash(), map(&[("db/c", "10.0.0.3")]));
    four.holds();
    let log = registry.log();
    assert_eq!(log.last().unwrap().does(), ["+db/d=10.0.0.4", "-db/c"]);
    // what somebody wrote over it is not ours to keep, or to remove
    registry.redis.hset("cloudhosts", &[("db/d", "10.0.0.77")]);
    assert_eq!(four.end(), Ended::Removed);
    assert_eq!(registry.hash(), map(&[("db/d", "10.0.0.77")]));
}

#[test]
fn the_last_that_died_goes_after_the_bound_and_any_holder_of_the_hash_sees_to_it() {
    let registry = Registry::new();
    let bound = Duration::from_secs(2);
    let bounded = HoldOptions {
        expire_last: Some(bound),
        ..SHARED
    };
    let mut other = Candidate::of(&registry, "app", "x", "10.0.1.1", SHARED);
    let mut forever = Candidate::of(&registry, "web", "y", "10.0.2.1", SHARED);
    let mut last = Candidate::new(&registry, "a", "10.0.0.1", bounded.clone());
    other.holds();
    forever.holds();
    last.holds();
    let died = Instant::now();
    wait::until("the bound is over", || {
        other.holds();
        std::thread::sleep(Duration::from_millis(200));
        (!registry.hash().contains_key("db/a")).then_some(())
    });
    assert!(
        died.elapsed() > SHORTEST_LEASE + bound,
        "{:?}",
        died.elapsed()
    );
    assert!(registry.hash().contains_key("web/y"), "it has no bound");
    assert_eq!(registry.log().last().unwrap().does(), ["-db/a"]);
    assert_eq!(registry.redis.cli(&["ZCARD", EXPIRING]), "0");
    // who is alive does not go, however long
    let mut alive = Candidate::new(&registry, "a", "10.0.0.1", bounded);
    let begun = Instant::now();
    while begun.elapsed() < (SHORTEST_LEASE + bound) * 2 {
        other.holds();
        alive.holds();
        std::thread::sleep(Duration::from_millis(200));
    }
    // nor where Redis was away meanwhile, by when the other one is back first
    std::thread::sleep((SHORTEST_LEASE + bound) * 2);
    other.holds();
    assert!(registry.hash().contains_key("db/a"));
    assert!(!alive.holds().1 || registry.hash().contains_key("db/a"));
}

#[test]
fn two_views_are_held_together_or_not_at_all() {
    let registry = Registry::new();
    let both = |at: &str| -> Vec<Place> {
        let place = |hash: &str| Place {
            hash: hash.to_owned(),
            at: Some(Where::addresses(at).unwrap()),
        };
        vec![place("cloudhosts:private"), place("cloudhosts:public")]
    };
    let mut one = Candidate::new(&registry, "a", "10.0.0.1", EXCLUSIVE);
    let mut two = Candidate::new(&registry, "b", "10.0.0.2", EXCLUSIVE);
    registry.run(&["--hash", "cloudhosts:public", "claim", "db", "10.0.0.9"]);
    let beat = run(one.holder.renew(both("10.0.0.1")));
    assert!(matches!(beat, Renewal::Standby { holder, .. } if holder == "10.0.0.9"));
    assert!(!registry.has("cloudhosts:private"));
    registry.run(&["--hash", "cloudhosts:public", "release", "db"]);
    let Renewal::Held { term, .. } = run(one.holder.renew(both("10.0.0.1"))) else {
        panic!("it is free in both");
    };
    let beat = run(two.holder.renew(both("10.0.0.2")));
    assert!(matches!(beat, Renewal::Standby { holder, .. } if holder == "db/a"));
    // it is claimed in one of them: it is given up in both
    registry.run(&["--hash", "cloudhosts:private", "claim", "db", "10.0.0.9"]);
    let beat = run(one.holder.renew(both("10.0.0.1")));
    assert!(matches!(beat, Renewal::Standby { ended: Some(_), .. }));
    assert_eq!(registry.hash_called("cloudhosts:public"), map(&[]));
    registry.run(&["--hash", "cloudhosts:private", "release", "db"]);
    let again = wait::until("one of them has both", || {
        std::thread::sleep(Duration::from_millis(200));
        match run(one.holder.renew(both("10.0.0.1"))) {
            Renewal::Held { term, .. } => Some(term),
            _ => None,
        }
    });
    assert!(again > term);
    for side in ["private", "public"] {
        let hash = registry.hash_called(&format!("cloudhosts:{side}"));
        assert_eq!(hash, map(&[("db/a", "10.0.0.1")]));
    }
}

#[test]
fn a_holder_stopped_by_a_signal_loses_the_role_by_its_own_clock() {
    let mut registry = Registry::new();
    let mut one = Candidate::new(&registry, "a", "10.0.0.1", EXCLUSIVE);
    one.holds();
    let sent = Instant::now();
    // Redis has the renewal, and does not answer
    registry.redis.signal(Signal::STOP);
    assert!(matches!(one.renew(), Renewal::Failed(_)));
    registry.redis.signal(Signal::CONT);
    let until = one.holder.expires().unwrap();
    assert!(
        until <= sent + SHORTEST_LEASE,
        "not by what was not confirmed"
    );
}

#[test]
fn two_masters_have_two_holders_and_the_later_one_has_the_higher_term() {
    let (before, after) = (Registry::new(), Registry::new());
    let mut one = Candidate::new(&before, "a", "10.0.0.1", EXCLUSIVE);
    let (first, _) = one.holds();
    let mut two = Candidate::new(&after, "b", "10.0.0.2", EXCLUSIVE);
    let (second, _) = two.holds();
    assert!(second > first);
    // whoever comes to the right one again finds out
    assert_eq!(one.holds(), (first, false));
    let mut again = Candidate::new(&after, "a", "10.0.0.1", EXCLUSIVE);
    assert_eq!(again.stands_by(), "db/b");
}
