//! Verbs that take a role from those who hold it: they end, and do not join again by themselves.

use cloudhosts_tests::process::{Signal, stderr};

use crate::common::{EXPIRING, HELD, Registry, map, times, word};
use crate::leases::{LEASE, for_a_while, holder, renewals};

#[test]
fn a_claim_ends_those_who_hold_the_role_and_no_others() {
    let registry = Registry::new();
    let mut one = holder(&registry, "web", "a", "10.0.0.4");
    let mut two = holder(&registry, "web", "b", "10.0.0.5");
    let mut other = holder(&registry, "web2", "a", "10.0.0.6");
    let output = registry.run(&["claim", "web", "10.0.0.1"]);
    let said = stderr(&output);
    assert!(said.contains("web/a") && said.contains("web/b"), "{said}");
    assert_eq!(one.process.wait().code(), Some(4));
    assert_eq!(two.process.wait().code(), Some(4));
    assert!(one.said().contains("(claim)"), "{}", one.said());
    renewals(&registry, 4);
    let left = map(&[("web", "10.0.0.1"), ("web2/a", "10.0.0.6")]);
    assert_eq!(registry.hash(), left);
    assert!(!registry.has(&times("web")));
    assert_eq!(other.process.ended(), None);
}

#[test]
fn each_verb_that_takes_a_role_ends_its_holder() {
    for (verb, left) in [
        (
            &["claim", "web", "10.0.0.1"][..],
            &[("web", "10.0.0.1")][..],
        ),
        (&["point", "web", "app", "--force"], &[("web", "app")]),
        (&["release", "web"], &[]),
        (&["leave", "web", "--member", "a"], &[]),
        (
            &["join", "web", "10.0.0.1", "--member", "a"],
            &[("web/a", "10.0.0.1")],
        ),
    ] {
        let registry = Registry::new();
        let mut one = holder(&registry, "web", "a", "10.0.0.4");
        registry.run(verb);
        assert_eq!(one.process.wait().code(), Some(4), "{verb:?}");
        let said = one.said();
        assert!(said.contains(&format!("({})", verb[0])), "{said}");
        registry.until(left);
        // whoever holds it next is asked nothing of that
        let mut next = holder(&registry, "web", "b", "10.0.0.5");
        assert_eq!(next.end(Signal::TERM), Some(0), "{}", next.said());
        registry.until(left);
    }
}

#[test]
fn who_leaves_one_member_ends_no_other() {
    let registry = Registry::new();
    let mut one = holder(&registry, "web", "a", "10.0.0.4");
    let mut two = holder(&registry, "web", "b", "10.0.0.5");
    registry.prints(&["leave", "web", "--member", "a"]);
    assert_eq!(one.process.wait().code(), Some(4));
    renewals(&registry, 4);
    assert_eq!(registry.hash(), map(&[("web/b", "10.0.0.5")]));
    assert_eq!(two.process.ended(), None);
    // nothing is remembered of it
    assert!(!registry.held().contains_key("web/a"));
    assert_eq!(registry.redis.cli(&["ZCARD", EXPIRING]), "0");
}

#[test]
fn a_holder_that_was_stopped_while_another_claimed_does_not_come_back() {
    let registry = Registry::new();
    let mut old = holder(&registry, "db-master", "old", "10.0.0.4");
    old.process.signal(Signal::STOP);
    for_a_while(LEASE, || {});
    registry.run(&["claim", "db-master", "10.0.0.5"]);
    let _new = holder(&registry, "db-master", "new", "10.0.0.6");
    // longer than any lease
    for_a_while(LEASE * 2, || {});
    old.process.signal(Signal::CONT);
    assert_eq!(old.process.wait().code(), Some(4));
    let now = [("db-master", "10.0.0.5"), ("db-master/new", "10.0.0.6")];
    assert_eq!(registry.hash(), map(&now));
}

#[test]
fn a_holder_that_was_ended_in_one_view_ends_in_both() {
    let registry = Registry::new();
    let sides = ["--private", "10.0.3.1", "--public", "203.0.113.7"];
    let mut one =
        registry.hold(&[&["shop", "--member", "a", "--lease", "3s"], &sides[..]].concat());
    one.says(word::HELD);
    registry.run(&["--hash", "cloudhosts:public", "release", "shop"]);
    assert_eq!(one.process.wait().code(), Some(4));
    for side in ["private", "public"] {
        assert_eq!(
            registry.hash_called(&format!("cloudhosts:{side}")),
            map(&[])
        );
    }
}

#[test]
fn a_redis_that_lost_the_claim_has_the_holder_back() {
    let registry = Registry::new();
    let mut one = holder(&registry, "web", "a", "10.0.0.4");
    one.process.signal(Signal::STOP);
    registry.run(&["claim", "web", "10.0.0.5"]);
    registry.redis.cli(&["FLUSHALL"]);
    one.process.signal(Signal::CONT);
    registry.until(&[("web/a", "10.0.0.4")]);
}

#[test]
fn a_claim_compares_first() {
    let registry = Registry::new();
    registry.prints(&["claim", "web", "10.0.0.1", "--if", ""]);
    let said = registry.fails(1, &["claim", "web", "10.0.0.2", "--if", ""]);
    assert!(said.contains("10.0.0.1"), "{said}");
    let said = registry.fails(1, &["claim", "web", "10.0.0.2", "--if", "10.0.0.9"]);
    assert!(said.contains("10.0.0.1"), "{said}");
    let said = registry.fails(1, &["claim", "none", "10.0.0.2", "--if", "10.0.0.9"]);
    assert!(said.contains("not in"), "{said}");
    registry.fails(2, &["claim", "web", "10.0.0.2", "--if", "a b"]);
    assert_eq!(registry.hash(), map(&[("web", "10.0.0.1")]));
    // all of the role counts, in whatever spelling and order
    registry
        .redis
        .hset("cloudhosts", &[("WEB/x", "FD00:0::5,10.0.0.7")]);
    registry.fails(1, &["claim", "web", "10.0.0.2", "--if", "10.0.0.1"]);
    let all = "fd00::5 10.0.0.7 10.0.0.1";
    registry.prints(&["claim", "web", "10.0.0.2", "--if", all]);
    assert_eq!(registry.hash(), map(&[("web", "10.0.0.2")]));
    // a pointer, and one that cannot be read
    registry.prints(&["point", "web", "app", "--force"]);
    registry.fails(1, &["claim", "web", "10.0.0.2", "--if", "10.0.0.2"]);
    registry.prints(&["claim", "web", "10.0.0.3", "--if", "APP."]);
    registry.redis.hset("cloudhosts", &[("web", "a b c")]);
    registry.fails(1, &["claim", "web", "10.0.0.2", "--if", ""]);
    registry.fails(1, &["claim", "web", "10.0.0.2", "--if", "10.0.0.3"]);
}

#[test]
fn of_many_that_compare_with_the_same_one_wins() {
    let registry = Registry::new();
    registry.prints(&["claim", "web", "10.0.0.1"]);
    for round in 1..=3 {
        let now = registry.hash()["web"].clone();
        let mut running: Vec<_> = (0..12)
            .map(|n| {
                let address = format!("10.{round}.0.{n}");
                let words = ["claim", "web", &address, "--if", &now];
                registry.background(&words, &[])
            })
            .collect();
        let codes: Vec<_> = running
            .iter_mut()
            .map(|one| one.process.wait().code())
            .collect();
        let won = codes.iter().filter(|code| **code == Some(0)).count();
        let lost = codes.iter().filter(|code| **code == Some(1)).count();
        assert_eq!((won, lost), (1, 11), "{codes:?}");
        let winner = codes.iter().position(|code| *code == Some(0)).unwrap();
        assert_eq!(registry.hash()["web"], format!("10.{round}.0.{winner}"));
    }
}

#[test]
fn what_joins_while_a_large_hash_is_looked_through_is_found_in_the_log() {
    let registry = Registry::new();
    let many = (0..100_000).fold(String::new(), |text, n| format!("{text} h{n} 10.0.0.1"));
    let words: Vec<&str> = many.split(' ').collect();
    let commands = words[1..]
        .chunks(2000)
        .map(|some| format!("HSET cloudhosts {}\n", some.join(" ")));
    registry.redis.pipeline(&commands.collect::<String>());
    let mut claims: Vec<_> = (0..4)
        .map(|n| registry.background(&["claim", "web", &format!("10.1.0.{n}")], &[]))
        .collect();
    let mut joins = 0;
    while claims.iter_mut().any(|one| one.process.ended().is_none()) {
        joins += 1;
        let member = format!("m{joins}");
        registry.prints(&["join", "web", "10.0.0.2", "--member", &member]);
    }
    // in the log no member that joined before the last claim is left after it
    let log = registry.log();
    let last = log
        .iter()
        .rposition(|entry| entry.get(".verb") == "claim")
        .unwrap();
    let later: Vec<String> = log[last..]
        .iter()
        .flat_map(crate::entries::Entry::does)
        .collect();
    let hash = registry.hash();
    let members = hash.keys().filter(|field| field.starts_with("web/"));
    for member in members {
        assert!(later.contains(&format!("+{member}=10.0.0.2")), "{member}");
    }
    assert!(joins > 0 && hash["web"].starts_with("10.1.0."));
    assert!(!registry.has(HELD), "nobody held anything");
}
